//! What O-LoRA adds to the loss.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use super::{Layer, LoraConfig};

/// `λ₁ Σ_i Σ |A_iᵀ A| + λ₂ (‖A‖_F + ‖B‖_F)`, summed over the targets, in the layout of `y = x W`, where
/// `A` is `[d_in, adapter_rank]`; `None` where it is 0 whatever the adapters.
///
/// # References
///
/// The training loss of cmnfriend/O-LoRA (`src/uie_trainer_lora.py`); the paper writes squares for the
/// first sum.
pub(super) fn penalty<M: Module>(
    config: &LoraConfig,
    layers: &[Layer],
    model: &M,
) -> Option<Tensor<1>> {
    let place = layers.first()?.earlier.len();
    let (orthogonality, size) = (config.orthogonality.at(place), config.size.at(place));
    if (orthogonality == 0.0 || place == 0) && size == 0.0 {
        return None;
    }
    let factors = Factors::of(model);
    let mut terms = Vec::new();
    for layer in layers {
        let [a, b] = layer.current.as_ref()?.ids;
        let (a, b) = (factors.0.get(&a)?, factors.0.get(&b)?);
        if orthogonality > 0.0 {
            for data in &layer.earlier {
                let other = Tensor::<2>::from_data(data.clone(), &a.device());
                let overlap = other.transpose().matmul(a.clone()).abs().sum();
                terms.push(overlap * orthogonality);
            }
        }
        if size > 0.0 {
            terms.push((norm(a) + norm(b)) * size);
        }
    }
    terms.into_iter().reduce(|sum, term| sum + term)
}

/// `‖F‖_F`, whose gradient at 0 is 0: `B` starts there.
fn norm(factor: &Tensor<2>) -> Tensor<1> {
    const TINY: f64 = 1e-24;
    let squares = factor.clone() * factor.clone();
    (squares.sum() + TINY).sqrt()
}

/// Matrices of a module that are being trained, by identity.
pub(super) struct Factors(pub(super) HashMap<ParamId, Tensor<2>>);

impl Factors {
    pub(super) fn of<M: Module>(model: &M) -> Self {
        let mut factors = Self(HashMap::new());
        model.visit(&mut factors);
        factors
    }
}

impl ModuleVisitor for Factors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 2 && param.is_require_grad() {
            let value = param.val();
            let dims = value.dims();
            self.0.insert(param.id, value.reshape([dims[0], dims[1]]));
        }
    }
}
