//! The divergence of a model's answers from those of an earlier one.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use lm::{Example, LanguageModel, LinearMap};

/// Most matrices of a number for every answer token and token of the vocabulary that exist at a time while
/// [`divergence`] and its gradient are computed, by the operations below: the exponentials that two logarithmic softmaxes
/// save, the old probabilities, and the gradients of the difference, of a logarithmic softmax and of what it is made of.
pub(super) const MATRICES: usize = 6;

/// `T² Σ KL(p_old ‖ p_new)` over the answer tokens of the rows. `p` are the probabilities with which every token could
/// stand in place of an answer token, at temperature `T`; `old` must not require gradients. `map` multiplies by the
/// weights of `new`.
///
/// The factor `T²` keeps the size of the gradient when the temperature changes.
///
/// # Shapes
/// - output: `[1]`
///
/// # Panics
///
/// If no row has an answer token to predict.
///
/// # References
///
/// Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.
pub(super) fn divergence<M: LanguageModel>(
    old: &M,
    new: &M,
    rows: &[Example],
    temperature: f64,
    map: &dyn LinearMap,
) -> Tensor<1> {
    // The logarithms differ from the logits by one number per answer token, which the second softmax removes.
    let softened = |logarithms: Tensor<2>| log_softmax(logarithms / temperature, 1);
    let old = softened(old.answer_log_probabilities(rows));
    let new = softened(new.answer_log_probabilities_mapped(rows, map));
    let difference = old.clone() - new;
    (old.exp() * difference).sum() * temperature.powi(2)
}
