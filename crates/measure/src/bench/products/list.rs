//! The matrix products of a training step, by the shapes of a model's weights.

use std::collections::BTreeMap;

use anyhow::Result;
use burn::tensor::Device;
use continual::methods::PAPER_TARGETS;
use osft::Targets;
use serde::{Deserialize, Serialize};

use crate::bench::{Shape, shape};

/// Logits of so many numbers are computed at a time, as the loss does, so that they stay in the cache.
const LOGITS: usize = 1 << 22;

/// A product `[m, k] [k, n]` and how often a step computes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Product {
    /// What it computes.
    pub name: String,
    /// `m`, `k` and `n`.
    pub size: [usize; 3],
    /// Whether the first and the second factor are stored column after column.
    pub transposed: [bool; 2],
    /// Number of such products in a step of plain fine-tuning; zero for those that only OSFT computes.
    pub count: usize,
}

impl Product {
    fn new(name: String, size: [usize; 3], transposed: [bool; 2], count: usize) -> Self {
        Self {
            name,
            size,
            transposed,
            count,
        }
    }

    /// Floating-point operations.
    pub(super) fn operations(&self) -> f64 {
        2.0 * self.size.iter().map(|&side| side as f64).product::<f64>()
    }
}

/// The products of a step with `tokens` tokens, and for each share those of OSFT through a core.
///
/// # Errors
///
/// Only if the shape is inconsistent.
pub(super) fn products(shape: Shape, tokens: usize, shares: &[f64]) -> Result<Vec<Product>> {
    let model = shape::model(shape, &Device::default())?;
    // The first name of each size, `(d_in, d_out, rows)`, with the number of weights.
    let mut sizes: BTreeMap<(usize, usize, usize), (String, usize)> = BTreeMap::new();
    for target in Targets::matching([PAPER_TARGETS]).selected(&model)? {
        let rows = shape::tokens_of(shape, tokens, &target.path);
        let name = target.path.trim_end_matches(".weight");
        let name = name.rsplit('.').next().unwrap_or(name).to_string();
        let [d_in, d_out] = target.shape;
        sizes.entry((d_in, d_out, rows)).or_insert((name, 0)).1 += 1;
    }
    let mut products = Vec::new();
    for (&(d_in, d_out, rows), (name, count)) in &sizes {
        let mut add = |what: &str, size, transposed, count| {
            products.push(Product::new(
                format!("{name}{what}"),
                size,
                transposed,
                count,
            ));
        };
        add("", [rows, d_in, d_out], [false, false], *count);
        add(
            ": gradient of x",
            [rows, d_out, d_in],
            [false, true],
            *count,
        );
        add(
            ": gradient of W",
            [d_in, rows, d_out],
            [true, false],
            *count,
        );
        for share in shares {
            for (what, size, transposed) in of_core([d_in, d_out], rows, *share) {
                add(&format!(": {what}, {share} kept"), size, transposed, 0);
            }
        }
    }
    let (width, vocabulary) = shape::head(shape);
    let all = shape::tokens_of(shape, tokens, "decoder.head");
    let rows = (LOGITS / vocabulary).clamp(1, all);
    let count = all.div_ceil(rows);
    let mut add = |name: &str, size, transposed| {
        products.push(Product::new(name.to_string(), size, transposed, count));
    };
    add("head", [rows, width, vocabulary], [false, true]);
    add(
        "head: gradient of x",
        [rows, vocabulary, width],
        [false, false],
    );
    Ok(products)
}

/// The products that replace the gradient of W where a core is trained, for a split of the weight: its gradient,
/// what it adds to the weight, and the removal of the protected part on the wide side, of gradient and core alike.
fn of_core(
    [d_in, d_out]: [usize; 2],
    rows: usize,
    share: f64,
) -> Vec<(&'static str, [usize; 3], [bool; 2])> {
    let (narrow, wide) = (d_in.min(d_out), d_in.max(d_out));
    let kept = (share * narrow as f64).round() as usize;
    let free = narrow - kept;
    if free == 0 || kept == 0 {
        return Vec::new();
    }
    if narrow == wide {
        return vec![
            ("gradient of C", [free, rows, free], [true, false]),
            ("N C Mᵀ", [narrow, free, wide], [false, true]),
        ];
    }
    match d_in < d_out {
        true => vec![
            ("gradient of C", [free, rows, wide], [true, false]),
            ("N C", [narrow, free, wide], [false, false]),
            ("C Q", [free, wide, kept], [false, false]),
            ("C Q Qᵀ", [free, kept, wide], [false, true]),
        ],
        false => vec![
            ("gradient of C", [wide, rows, free], [true, false]),
            ("C Nᵀ", [wide, free, narrow], [false, true]),
            ("Qᵀ C", [kept, wide, free], [true, false]),
            ("Q Qᵀ C", [wide, kept, free], [false, false]),
        ],
    }
}
