//! The products as a table, a page and JSON.

use std::fmt::Write;

use anyhow::Result;
use report::page::{empty_table, with_numbers};
use report::record::{Manifest, RunFolder};
use serde::Serialize;
use serde_json::json;

use super::list::Product;
use crate::bench::median;

const LEGEND: &str = "\
Numbers are GFLOP/s: 2 m k n operations of a product `[m, k] [k, n]` in f32, by the median over the rounds of its mean \
time. Every program is a process of its own; in each round each goes through all products, so that other load on the \
machine affects all of them alike. `ours`: the toolkit's products (faer's kernels, which take the widest vectors of the \
processor); `Burn`: `matmul` of the backend. Count: how often a step of plain fine-tuning computes such a product; – \
for products that only OSFT computes, whose share of protected directions is named. The last row: all products of a \
step together. A factor that is named a gradient of W or C is stored column after column, one of x has its second factor so. \
In a step the factors come from memory more often than here, where a product is repeated.";

/// The products of one shape and number of tokens.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProductCase {
    /// Shape of the model.
    pub shape: String,
    /// Tokens per step.
    pub tokens: usize,
    /// The products.
    pub products: Vec<Product>,
    /// What each program took.
    pub columns: Vec<Column>,
}

/// What one program took.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Column {
    /// Its name.
    pub name: String,
    /// Mean seconds of each product, by round.
    pub seconds: Vec<Vec<f64>>,
}

impl Column {
    pub(super) fn new(name: String, products: usize) -> Self {
        Self {
            name,
            seconds: vec![Vec::new(); products],
        }
    }

    pub(super) fn add(&mut self, round: &[f64]) {
        for (seconds, &of) in self.seconds.iter_mut().zip(round) {
            seconds.push(of);
        }
    }

    fn median(&self, product: usize) -> f64 {
        median(&self.seconds[product])
    }
}

/// A table with one row per product.
pub(super) fn table(case: &ProductCase, markdown: bool) -> String {
    let mut table = empty_table(markdown);
    let title = format!("{}, {} tokens", case.shape, case.tokens);
    let head = [title, "m × k × n".to_string(), "count".to_string()];
    let names = case.columns.iter().map(|column| column.name.clone());
    table.set_header(head.into_iter().chain(names));
    for (at, product) in case.products.iter().enumerate() {
        let [m, k, n] = product.size;
        let count = match product.count {
            0 => "–".to_string(),
            count => count.to_string(),
        };
        let cells = [product.name.clone(), format!("{m} × {k} × {n}"), count];
        let speeds = case.columns.iter().map(|column| {
            let seconds = column.median(at);
            format!("{:.0}", product.operations() / seconds / 1e9)
        });
        table.add_row(cells.into_iter().chain(speeds));
    }
    let whole = ["all of a step".to_string(), String::new(), String::new()];
    let speeds = case.columns.iter().map(|column| {
        let (mut operations, mut seconds) = (0.0, 0.0);
        for (at, product) in case.products.iter().enumerate() {
            operations += product.count as f64 * product.operations();
            seconds += product.count as f64 * column.median(at);
        }
        format!("{:.0}", operations / seconds / 1e9)
    });
    table.add_row(whole.into_iter().chain(speeds));
    with_numbers(table)
}

/// Writes `report.md` and `products.json`.
///
/// # Errors
///
/// If the folder cannot be written.
pub(super) fn write(folder: &RunFolder, cases: &[ProductCase], backend: &str) -> Result<()> {
    let title = "Matrix products of a training step".to_string();
    let manifest = Manifest::new(title.clone(), backend);
    let mut page = String::new();
    writeln!(page, "# {title}\n")?;
    for case in cases {
        writeln!(page, "{}\n", table(case, true))?;
    }
    writeln!(page, "{LEGEND}\n\n{}", manifest.origin())?;
    folder.write("report.md", page.as_bytes())?;
    let json = json!({"manifest": manifest, "cases": cases});
    let json = serde_json::to_string_pretty(&json)?;
    folder.write("products.json", json.as_bytes())
}
