//! How far two models are apart.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use lm::{Example, LanguageModel};
use runs::Progress;
use serde::{Deserialize, Serialize};

/// The change of all weights together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WeightChange {
    /// `‖ΔW‖`, the Frobenius norm over all weights.
    pub norm: f64,
    /// `‖ΔW‖ / ‖W‖`
    pub relative: f64,
}

/// The change of all weights from one model to the other, which must have the same parameters.
pub fn weight_change<M: Module>(before: &M, after: &M) -> WeightChange {
    let before = Squares::of(before, None);
    let after = Squares::of(after, Some(&before.values));
    let norm = after.change.sqrt();
    WeightChange {
        norm,
        relative: norm / before.sum.sqrt().max(f64::MIN_POSITIVE),
    }
}

#[derive(Default)]
struct Squares<'a> {
    path: Vec<String>,
    other: Option<&'a HashMap<String, Tensor<1>>>,
    values: HashMap<String, Tensor<1>>,
    /// Sum of all squares.
    sum: f64,
    /// Sum of the squared differences to `other`.
    change: f64,
}

impl<'a> Squares<'a> {
    fn of<M: Module>(module: &M, other: Option<&'a HashMap<String, Tensor<1>>>) -> Self {
        let mut squares = Self {
            other,
            ..Self::default()
        };
        module.visit(&mut squares);
        squares
    }
}

impl ModuleVisitor for Squares<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let value = param.val().inner();
        let count = value.shape().num_elements();
        let value: Tensor<1> = value.reshape([count]);
        let square = |x: Tensor<1>| f64::from(x.clone().mul(x).sum().into_scalar::<f32>());
        match self.other {
            Some(other) => {
                if let Some(other) = other.get(&path) {
                    self.change += square(value - other.clone());
                }
            }
            None => {
                self.sum += square(value.clone());
                self.values.insert(path, value);
            }
        }
    }
}

/// Mean divergence of the second model's predictions from the first model's, in nats per answer token:
/// `KL(before ‖ after)` over the whole vocabulary, with the expected answers as context. 0 if there is no token.
pub fn kl_divergence<M: LanguageModel>(
    before: &M,
    after: &M,
    rows: &[Example],
    progress: &Progress,
) -> f64 {
    let (mut sum, mut tokens) = (0.0, 0);
    for row in rows.iter().filter(|row| before.target_count(row) > 0) {
        let rows = std::slice::from_ref(row);
        let p = before.answer_log_probabilities(rows);
        let q = after.answer_log_probabilities(rows);
        tokens += p.dims()[0];
        let divergence = (p.clone().exp() * (p - q)).sum();
        sum += f64::from(divergence.into_scalar::<f32>());
        progress.advance(1, "comparing predictions");
    }
    sum / tokens.max(1) as f64
}
