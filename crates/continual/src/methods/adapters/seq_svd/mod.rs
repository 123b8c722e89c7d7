//! SeqSVD: an adapter in the form of a singular value decomposition, trained through all tasks.

mod kind;
mod settings;

use std::f64::consts::TAU;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Tensor, TensorData};
use lm::AdapterLayer;
use rand::{Rng, RngExt};

use super::form::Form;
use super::layers::{AdaptedLayers, Layer, random_of};
use super::svd_form::SvdAdapter;
use super::trained::TrainedMatrices;
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
pub use kind::SeqSvdKind;
pub use settings::SeqSvdConfig;

/// Standard deviation of what `P` and `Q` are drawn from, as in the code of AdaLoRA.
const DEVIATION: f64 = 0.02;

/// One adapter `ΔW = alpha / adapter_rank · P diag(λ) Q` through all tasks, whose outer factors a penalty
/// keeps near orthonormal ones.
///
/// # References
///
/// The baseline SeqSVD of Qiao and Mahdavi, "Learn more, but bother less: parameter efficient continual learning",
/// NeurIPS 2024; the form and its penalty are those of AdaLoRA (Zhang et al., ICLR 2023, equations 3 and 4), without
/// its budget: no singular value is pruned.
#[derive(Clone, Debug)]
pub struct SeqSvdMethod {
    adapters: AdaptedLayers<SvdAdapter, 3>,
    orthogonality: f64,
    seed: u64,
}

impl SeqSvdMethod {
    /// The method with these settings.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(config: &SeqSvdConfig, seed: u64) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            adapters: AdaptedLayers::new(config.adapters()),
            orthogonality: config.orthogonality,
            seed,
        })
    }

    /// Gives every target an adapter that changes nothing: `P` and `Q` drawn from a normal distribution, `λ`
    /// zero.
    fn draw<M: Module>(&mut self, model: &M, task: usize) -> Result<(), ContinualError> {
        let mut random = random_of(self.seed, task);
        let rank = self.adapters.config().adapter_rank;
        self.adapters.start(model, |target| {
            let [p, lambda, q] = SvdAdapter::shapes(rank, target.shape);
            [
                normal(&mut random, p),
                TensorData::zeros::<f32, _>(lambda),
                normal(&mut random, q),
            ]
        })
    }
}

/// A matrix of independent normal numbers, by the method of Box and Muller.
fn normal(random: &mut impl Rng, [rows, columns]: [usize; 2]) -> TensorData {
    let numbers = (0..rows * columns).map(|_| {
        // In (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        let angle = TAU * random.random::<f64>();
        (DEVIATION * radius * angle.cos()) as f32
    });
    TensorData::new(numbers.collect::<Vec<f32>>(), [rows, columns])
}

impl<M: Module> Method<M> for SeqSvdMethod {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        if self.adapters.is_without_adapters() {
            self.draw(&model, context.index)?;
        }
        // `λ` is one row: no matrix whose step could be orthogonalized.
        let outer = self.adapters.factors().flat_map(|[p, _, q]| [p, q]);
        let optimizer = context.optimizer.for_matrices(outer.collect());
        Ok((self.adapters.attach(model), optimizer))
    }

    fn trains(&self) -> Option<String> {
        Some(self.adapters.trains())
    }

    /// `γ Σ (‖PᵀP - I‖_F² + ‖QQᵀ - I‖_F²)` over the targets.
    fn penalty(&self, model: &M, _step: usize) -> Option<Tensor<1>> {
        if self.orthogonality == 0.0 {
            return None;
        }
        let trained = TrainedMatrices::of(model);
        let mut terms = Vec::new();
        for [p, _, q] in self.adapters.factors() {
            let (p, q) = (trained.get(p)?.clone(), trained.get(q)?.clone());
            terms.push(distance_from_identity(p.clone().transpose().matmul(p)));
            terms.push(distance_from_identity(q.clone().matmul(q.transpose())));
        }
        let sum = terms.into_iter().reduce(|sum, term| sum + term)?;
        Some(sum * self.orthogonality)
    }

    /// The adapter of all tasks so far, `λ` as a part of the first factor.
    fn adapter(&self) -> Option<lm::Adapter> {
        let config = self.adapters.config();
        let layers = self.adapters.layers().iter();
        let layers = layers.map(|layer| with_two_factors(layer, config.scale()));
        let layers: Vec<AdapterLayer> = layers.collect::<Option<_>>()?;
        (!layers.is_empty()).then_some(lm::Adapter {
            layers,
            adapter_rank: config.adapter_rank,
            alpha: config.alpha,
        })
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        self.adapters.state()
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.adapters
            .restore(base, saved, |layer| match layer.current {
                Some(_) if layer.kept.is_empty() => Ok(()),
                Some(_) => Err("it keeps factors that this method does not use".to_string()),
                None => Err("its adapter is missing".to_string()),
            })
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        Ok(self.adapters.detach(model))
    }
}

/// `‖M - I‖_F²`
fn distance_from_identity(matrix: Tensor<2>) -> Tensor<1> {
    let identity = Tensor::<2>::eye(matrix.dims()[0], &matrix.device());
    let difference = matrix - identity;
    (difference.clone() * difference).sum()
}

fn with_two_factors(layer: &Layer<3>, scale: f64) -> Option<AdapterLayer> {
    let [p, lambda, q] = layer.current.as_ref()?;
    let lambda: Vec<f32> = lambda.values.iter().collect();
    let columns = lambda.iter().cycle();
    let p_scaled = p.values.iter::<f32>().zip(columns).map(|(p, l)| p * l);
    Some(AdapterLayer {
        path: layer.target.path.clone(),
        a: TensorData::new(p_scaled.collect::<Vec<f32>>(), p.values.shape()),
        b: q.values.clone(),
        scale,
    })
}
