//! The term that O-LoRA adds to the loss, and the factors of earlier tasks that it reads.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

use super::settings::{LoraConfig, OrthogonalityOn, PerTaskValue};
use crate::methods::adapters::layers::Layer;
use crate::methods::adapters::trained::TrainedMatrices;

/// O-LoRA's penalty on the adapter of the current task.
#[derive(Clone, Debug)]
pub(super) struct Penalty {
    orthogonality: PerTaskValue,
    size: PerTaskValue,
    on: OrthogonalityOn,
}

impl Penalty {
    pub(super) fn new(config: &LoraConfig) -> Self {
        Self {
            orthogonality: config.orthogonality.clone(),
            size: config.size.clone(),
            on: config.orthogonality_on,
        }
    }

    /// Keeps what later tasks compare with of a layer's adapter.
    pub(super) fn keep(&self, layer: &mut Layer<2>) {
        if let Some([a, b]) = &layer.current {
            let factor = match self.on {
                OrthogonalityOn::A => a.values.clone(),
                OrthogonalityOn::B => b.values.clone(),
            };
            let task = self.earlier(layer).count();
            layer.kept.insert(self.name(task), factor);
        }
    }

    /// Says what is wrong with the factors that a layer keeps.
    pub(super) fn check(&self, layer: &Layer<2>) -> Result<(), String> {
        let count = self.earlier(layer).count();
        if count != layer.kept.len() {
            let other = match self.on {
                OrthogonalityOn::A => r#""b""#,
                OrthogonalityOn::B => r#""a""#,
            };
            return Err(format!(
                "of some earlier tasks it keeps another factor than orthogonality_on asks for: set it to {other}"
            ));
        }
        let [d_in, d_out] = layer.target.shape;
        let fits = |factor: &TensorData| match self.on {
            OrthogonalityOn::A => factor.shape()[0] == d_in,
            OrthogonalityOn::B => factor.shape()[1] == d_out,
        };
        match self.earlier(layer).all(fits) {
            true => Ok(()),
            false => {
                Err("a factor of an earlier task is of a model with other targets".to_string())
            }
        }
    }

    /// `λ₁ Σ_i Σ |A_iᵀ A| + λ₂ (‖A‖_F + ‖B‖_F)`, summed over the targets; with `B_i Bᵀ` in place of `A_iᵀ A`
    /// if the penalty is on `B`. `None` if it is 0 for all adapters.
    ///
    /// The layout is that of `y = x W`: `A` is `[d_in, adapter_rank]`.
    ///
    /// # Shapes
    /// - output: `[1]`
    ///
    /// # References
    ///
    /// The training loss of cmnfriend/O-LoRA (`src/uie_trainer_lora.py`), which compares `lora_A` and sums absolute
    /// values. The paper speaks of the columns of the update, which `B` spans here, and writes squares.
    pub(super) fn of<M: Module>(&self, layers: &[Layer<2>], model: &M) -> Option<Tensor<1>> {
        let earlier_tasks = self.earlier(layers.first()?).count();
        let (orthogonality, size) = (
            self.orthogonality.at(earlier_tasks),
            self.size.at(earlier_tasks),
        );
        if (orthogonality == 0.0 || earlier_tasks == 0) && size == 0.0 {
            return None;
        }
        let trained = TrainedMatrices::of(model);
        let mut terms = Vec::new();
        for layer in layers {
            let [a, b] = layer.current.as_ref()?;
            let (a, b) = (trained.get(a.id)?, trained.get(b.id)?);
            if orthogonality > 0.0 {
                for data in self.earlier(layer) {
                    let other = Tensor::<2>::from_data(data.clone(), &a.device());
                    let overlap = match self.on {
                        OrthogonalityOn::A => other.transpose().matmul(a.clone()),
                        OrthogonalityOn::B => other.matmul(b.clone().transpose()),
                    };
                    terms.push(overlap.abs().sum() * orthogonality);
                }
            }
            if size > 0.0 {
                terms.push((norm(a) + norm(b)) * size);
            }
        }
        terms.into_iter().reduce(|sum, term| sum + term)
    }

    /// The factors of earlier tasks, in their order.
    fn earlier<'a>(&'a self, layer: &'a Layer<2>) -> impl Iterator<Item = &'a TensorData> {
        (0..).map_while(|task| layer.kept.get(&self.name(task)))
    }

    /// Name of an earlier task's factor in the saved state.
    fn name(&self, task: usize) -> String {
        match self.on {
            OrthogonalityOn::A => format!("earlier.{task}"),
            OrthogonalityOn::B => format!("earlier_b.{task}"),
        }
    }
}

/// `‖F‖_F`, with gradient 0 at 0, where `B` starts.
fn norm(factor: &Tensor<2>) -> Tensor<1> {
    const TINY: f64 = 1e-24;
    let squares = factor.clone() * factor.clone();
    (squares.sum() + TINY).sqrt()
}
