//! Low-rank adapters that start without effect: one adapter for all tasks (SeqLoRA), the same with
//! weight decay, a new adapter per task (IncLoRA), or a new one that is kept orthogonal to the
//! earlier ones (O-LoRA).

mod decay;
mod incremental;
mod kind;
mod penalty;
mod settings;

use burn::module::{LoraAdapter, Module};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Tensor, TensorData};
use lm::AdapterLayer;
use rand::RngExt;

use super::layers::{AdaptedLayers, random_of};
use super::settings::AdapterConfig;
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{Method, OptimizerConfig, TaskContext, TaskDiagnostics};
use decay::check_optimizer;
pub use decay::{LoraDecayConfig, LoraDecayKind};
pub use incremental::IncLoraKind;
pub use kind::LoraKind;
use penalty::Penalty;
pub use settings::{LoraConfig, OrthogonalityOn, PerTaskValue};

/// LoRA in sequence; only the adapters train.
///
/// # References
///
/// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022; Wang et al.,
/// "Orthogonal Subspace Learning for Language Model Continual Learning", EMNLP Findings 2023.
#[derive(Clone, Debug)]
pub struct LoraMethod {
    adapters: AdaptedLayers<LoraAdapter, 2>,
    sequence: AdapterSequence,
    /// Weight decay in place of the optimizer's.
    weight_decay: Option<f64>,
    seed: u64,
}

/// What happens to an adapter at the end of its task.
#[derive(Clone, Debug)]
enum AdapterSequence {
    /// The next task continues to train it.
    Sequential,
    /// It is merged; the next task gets a new one. The penalty says what to keep of it.
    Renewed(Option<Penalty>),
}

impl LoraMethod {
    /// One adapter for all tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn sequential(config: LoraConfig, seed: u64) -> Result<Self, ContinualError> {
        config.validate()?;
        let sequence = AdapterSequence::Sequential;
        Ok(Self::new(config.adapters(), sequence, None, seed))
    }

    /// One adapter for all tasks, whose factors decay.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn decayed(config: LoraDecayConfig, seed: u64) -> Result<Self, ContinualError> {
        config.validate()?;
        let decay = Some(config.weight_decay);
        let sequence = AdapterSequence::Sequential;
        Ok(Self::new(config.adapters(), sequence, decay, seed))
    }

    /// A new adapter per task; the earlier ones are merged, and nothing of them is kept.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn incremental(config: AdapterConfig, seed: u64) -> Result<Self, ContinualError> {
        config.validate()?;
        let sequence = AdapterSequence::Renewed(None);
        Ok(Self::new(config, sequence, None, seed))
    }

    /// A new adapter per task, orthogonal to the earlier ones.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn orthogonal(config: LoraConfig, seed: u64) -> Result<Self, ContinualError> {
        config.validate()?;
        let sequence = AdapterSequence::Renewed(Some(Penalty::new(&config)));
        Ok(Self::new(config.adapters(), sequence, None, seed))
    }

    fn new(
        config: AdapterConfig,
        sequence: AdapterSequence,
        weight_decay: Option<f64>,
        seed: u64,
    ) -> Self {
        Self {
            adapters: AdaptedLayers::new(config),
            sequence,
            weight_decay,
            seed,
        }
    }

    fn penalty_of_earlier(&self) -> Option<&Penalty> {
        match &self.sequence {
            AdapterSequence::Sequential => None,
            AdapterSequence::Renewed(penalty) => penalty.as_ref(),
        }
    }

    /// Gives every target an adapter that changes nothing: `A` initialized like a linear layer, `B`
    /// zero.
    fn draw<M: Module>(&mut self, model: &M, task: usize) -> Result<(), ContinualError> {
        let mut random = random_of(self.seed, task);
        let rank = self.adapters.config().adapter_rank;
        self.adapters.start(model, |target| {
            let [d_in, d_out] = target.shape;
            let bound = (d_in as f32).sqrt().recip();
            let a: Vec<f32> = (0..d_in * rank)
                .map(|_| random.random_range(-bound..=bound))
                .collect();
            [
                TensorData::new(a, [d_in, rank]),
                TensorData::zeros::<f32, _>([rank, d_out]),
            ]
        })
    }
}

impl<M: Module> Method<M> for LoraMethod {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let optimizer = match self.weight_decay {
            None => context.optimizer.clone(),
            Some(weight_decay) => {
                check_optimizer(context.optimizer.name)?;
                OptimizerConfig {
                    weight_decay,
                    ..context.optimizer.clone()
                }
            }
        };
        if self.adapters.is_without_adapters() {
            self.draw(&model, context.index)?;
        }
        let factors = self.adapters.factors().flatten().collect();
        Ok((self.adapters.attach(model), optimizer.for_matrices(factors)))
    }

    fn trains(&self) -> Option<String> {
        Some(self.adapters.trains())
    }

    fn penalty(&self, model: &M, _step: usize) -> Option<Tensor<1>> {
        self.penalty_of_earlier()?.of(self.adapters.layers(), model)
    }

    /// The adapter of all tasks so far. One that was merged at the end of its task is gone.
    fn adapter(&self) -> Option<lm::Adapter> {
        let config = self.adapters.config();
        let layers = self.adapters.layers().iter().map(|layer| {
            let [a, b] = layer.current.clone()?;
            Some(AdapterLayer {
                path: layer.target.path.clone(),
                a: a.values,
                b: b.values,
                scale: config.scale(),
            })
        });
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
        let penalty = self.penalty_of_earlier().cloned();
        self.adapters.restore(base, saved, |layer| match &penalty {
            Some(penalty) => penalty.check(layer),
            None => match layer.kept.is_empty() {
                true => Ok(()),
                false => Err("it keeps factors that this method does not use".to_string()),
            },
        })
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let (model, diagnostics) = self.adapters.detach(model);
        if let AdapterSequence::Renewed(penalty) = &self.sequence {
            for layer in self.adapters.layers_mut() {
                if let Some(penalty) = penalty {
                    penalty.keep(layer);
                }
                layer.current = None;
            }
        }
        Ok((model, diagnostics))
    }
}
