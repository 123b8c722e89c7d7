//! The term that O-LoRA adds to the loss.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use super::{Layer, LoraConfig};

/// `λ₁ Σ_i Σ |A_iᵀ A| + λ₂ (‖A‖_F + ‖B‖_F)`, summed over the targets; `None` if it is 0 for all
/// adapters.
///
/// The layout is that of `y = x W`: `A` is `[d_in, adapter_rank]`.
///
/// # References
///
/// The training loss of cmnfriend/O-LoRA (`src/uie_trainer_lora.py`). The paper writes squares in
/// the first sum.
pub(super) fn penalty<M: Module>(
    config: &LoraConfig,
    layers: &[Layer],
    model: &M,
) -> Option<Tensor<1>> {
    let earlier_tasks = layers.first()?.earlier.len();
    let (orthogonality, size) = (
        config.orthogonality.at(earlier_tasks),
        config.size.at(earlier_tasks),
    );
    if (orthogonality == 0.0 || earlier_tasks == 0) && size == 0.0 {
        return None;
    }
    let trained = TrainedMatrices::of(model);
    let mut terms = Vec::new();
    for layer in layers {
        let [a, b] = layer.current.as_ref()?.ids;
        let (a, b) = (trained.0.get(&a)?, trained.0.get(&b)?);
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

/// `‖F‖_F`, with gradient 0 at 0, where `B` starts.
fn norm(factor: &Tensor<2>) -> Tensor<1> {
    const TINY: f64 = 1e-24;
    let squares = factor.clone() * factor.clone();
    (squares.sum() + TINY).sqrt()
}

/// The trained matrices of a module, by identity.
pub(super) struct TrainedMatrices(pub(super) HashMap<ParamId, Tensor<2>>);

impl TrainedMatrices {
    pub(super) fn of<M: Module>(model: &M) -> Self {
        let mut trained = Self(HashMap::new());
        model.visit(&mut trained);
        trained
    }
}

impl ModuleVisitor for TrainedMatrices {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 2 && param.is_require_grad() {
            let value = param.val();
            let dims = value.dims();
            self.0.insert(param.id, value.reshape([dims[0], dims[1]]));
        }
    }
}
