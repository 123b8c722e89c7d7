//! The diagonal of the empirical Fisher information of a language model.

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use lm::{Backpropagation, Example, LanguageModel, MixedPrecision, Unmapped};

use crate::methods::quadratic::values;

/// `γ F + w F_t` as a model without autodiff, whose parameters are the values. `F` and `γ` are `earlier`, or 0; `w` is
/// `weight`. `F_t` is the mean over `rows` of the squared gradient of a row's summed answer log-likelihood, not
/// normalized any further.
///
/// Every row has a backward pass of its own: the square of a batch's mean gradient is another quantity.
///
/// # Panics
///
/// If a row has no answer token to predict.
pub(super) fn with_rows<M: LanguageModel>(
    model: &M,
    rows: &[Example],
    weight: f64,
    earlier: Option<(&M, f64)>,
) -> M {
    let mut sums = SumOfSquares {
        sums: GradientsParams::new(),
        gradient: GradientsParams::new(),
    };
    for row in rows {
        sums.gradient = gradient(model, row);
        model.visit(&mut sums);
    }
    model.valid().map(&mut Fold {
        sums: sums.sums,
        factor: weight / rows.len().max(1) as f64,
        earlier: earlier.map(|(fisher, decay)| (values(fisher), decay)),
    })
}

/// The gradient of a row's summed negative log-likelihood.
fn gradient<M: LanguageModel>(model: &M, row: &Example) -> GradientsParams {
    let mut accumulator = GradientsAccumulator::new();
    let how = Backpropagation {
        scale: 1.0,
        map: &Unmapped,
        activation_checkpointing: false,
        packing: false,
        precision: MixedPrecision::None,
    };
    // A parameter may come in parts, which have to be summed before they are squared.
    model.answer_gradients(std::slice::from_ref(row), how, &mut |part| {
        accumulator.accumulate(model, part);
    });
    accumulator.grads()
}

/// Adds the squares of a gradient to their sums.
struct SumOfSquares {
    sums: GradientsParams,
    gradient: GradientsParams,
}

impl ModuleVisitor for SumOfSquares {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradient.remove::<D>(param.id) else {
            return;
        };
        let square = gradient.clone() * gradient;
        let sum = match self.sums.remove::<D>(param.id) {
            Some(sum) => sum + square,
            None => square,
        };
        self.sums.register(param.id, sum);
    }
}

/// Replaces the values of a model by its Fisher information.
struct Fold {
    sums: GradientsParams,
    /// What the sums are multiplied by.
    factor: f64,
    earlier: Option<(GradientsParams, f64)>,
}

impl ModuleMapper for Fold {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut fisher = match self.sums.remove::<D>(param.id) {
            Some(sum) => sum * self.factor,
            None => param.val().zeros_like(),
        };
        if let Some((earlier, decay)) = &mut self.earlier
            && let Some(earlier) = earlier.remove::<D>(param.id)
        {
            fisher = earlier * *decay + fisher;
        }
        param.map(|_| fisher).set_require_grad(false)
    }
}
