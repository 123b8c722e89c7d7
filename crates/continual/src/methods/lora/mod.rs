//! Low-rank adapters: one adapter for all tasks (SeqLoRA), or a new adapter per task that is kept
//! orthogonal to the earlier ones (O-LoRA).

mod attach;
mod kind;
mod penalty;
mod settings;
mod state;

use ::osft::Trainability;
use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Tensor, TensorData};
use lm::AdapterLayer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
use attach::Attach;
pub use kind::LoraKind;
use penalty::{TrainedMatrices, penalty};
pub use settings::{LoraConfig, PerTaskValue};

/// What happens to an adapter at the end of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AdapterSequence {
    /// The next task continues to train it.
    Sequential,
    /// It is merged; the next task gets a new one, which is kept orthogonal to it.
    Orthogonal,
}

/// Sequential LoRA or O-LoRA; only the adapters train.
///
/// # References
///
/// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022; Wang et al.,
/// "Orthogonal Subspace Learning for Language Model Continual Learning", EMNLP Findings 2023.
#[derive(Clone, Debug)]
pub struct LoraMethod {
    config: LoraConfig,
    sequence: AdapterSequence,
    seed: u64,
    /// One per target, in the model's order: the order decides how sums round.
    layers: Vec<Layer>,
    /// Which parameters trained before the current task.
    trainability_before: Option<Trainability>,
    /// How often the adapters changed; it distinguishes the parts of saved states.
    version: usize,
}

/// The adapters of one target.
#[derive(Clone, Debug)]
struct Layer {
    target: ParamId,
    /// Path of the target in the model.
    path: String,
    /// During a task, its adapter as it was when the task began. Between two tasks, the sequential
    /// adapter to continue with.
    current: Option<Adapter>,
    /// Factors `A` of earlier tasks, each `[d_in, adapter_rank]`.
    earlier: Vec<TensorData>,
}

/// Identities and values of an adapter's factors.
#[derive(Clone, Debug)]
struct Adapter {
    ids: [ParamId; 2],
    /// `A`, `[d_in, adapter_rank]`
    a: TensorData,
    /// `B`, `[adapter_rank, d_out]`
    b: TensorData,
}

impl LoraMethod {
    /// One adapter for all tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn sequential(config: LoraConfig, seed: u64) -> Result<Self, ContinualError> {
        Self::new(config, AdapterSequence::Sequential, seed)
    }

    /// A new adapter per task, orthogonal to the earlier ones.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn orthogonal(config: LoraConfig, seed: u64) -> Result<Self, ContinualError> {
        Self::new(config, AdapterSequence::Orthogonal, seed)
    }

    fn new(
        config: LoraConfig,
        sequence: AdapterSequence,
        seed: u64,
    ) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            sequence,
            seed,
            layers: Vec::new(),
            trainability_before: None,
            version: 0,
        })
    }

    fn scale(&self) -> f64 {
        self.config.alpha / self.config.adapter_rank as f64
    }

    /// Gives every target without an adapter one that changes nothing: `A` initialized like a
    /// linear layer, `B` zero. The host draws the values, so a seed means the same on every
    /// backend.
    fn draw<M: Module>(&mut self, model: &M, task: usize) -> Result<(), ContinualError> {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(task as u64);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rank = self.config.adapter_rank;
        let targets = self.config.targets.selected(model)?;
        if self.layers.is_empty() {
            let layers = targets.iter().map(|target| Layer {
                target: target.id,
                path: target.path.clone(),
                current: None,
                earlier: Vec::new(),
            });
            self.layers = layers.collect();
        }
        for (layer, target) in self.layers.iter_mut().zip(targets) {
            let [d_in, d_out] = target.shape;
            let bound = (d_in as f32).sqrt().recip();
            layer.current.get_or_insert_with(|| {
                let a: Vec<f32> = (0..d_in * rank)
                    .map(|_| rng.random_range(-bound..=bound))
                    .collect();
                Adapter {
                    ids: [ParamId::new(), ParamId::new()],
                    a: TensorData::new(a, [d_in, rank]),
                    b: TensorData::zeros::<f32, _>([rank, d_out]),
                }
            });
        }
        self.version += 1;
        Ok(())
    }
}

impl<M: Module> Method<M> for LoraMethod {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        if self.layers.iter().all(|layer| layer.current.is_none()) {
            self.draw(&model, context.index)?;
        }
        let adapters = self.layers.iter();
        let factors = adapters.clone().filter_map(|layer| layer.current.as_ref());
        let factors = factors.flat_map(|adapter| adapter.ids).collect();
        self.trainability_before = Some(Trainability::of(&model));
        let model = model.no_grad().apply_reparameterization(Attach {
            adapters: adapters
                .filter_map(|layer| Some((layer.target, layer.current.clone()?)))
                .collect(),
            scale: self.scale(),
        });
        Ok((model, context.optimizer.for_matrices(factors)))
    }

    fn trains(&self) -> Option<String> {
        let adapters = self
            .layers
            .iter()
            .filter_map(|layer| layer.current.as_ref());
        let trained: usize = adapters
            .map(|adapter| adapter.a.num_elements() + adapter.b.num_elements())
            .sum();
        Some(format!("{trained} numbers trained, in adapters"))
    }

    fn penalty(&self, model: &M, _step: usize) -> Option<Tensor<1>> {
        match self.sequence {
            AdapterSequence::Sequential => None,
            AdapterSequence::Orthogonal => penalty(&self.config, &self.layers, model),
        }
    }

    /// The adapter of all tasks so far. One that was merged at the end of its task is gone.
    fn adapter(&self) -> Option<lm::Adapter> {
        let layers = self.layers.iter().map(|layer| {
            let adapter = layer.current.as_ref()?;
            Some(AdapterLayer {
                path: layer.path.clone(),
                a: adapter.a.clone(),
                b: adapter.b.clone(),
                scale: self.scale(),
            })
        });
        let layers: Vec<AdapterLayer> = layers.collect::<Option<_>>()?;
        (!layers.is_empty()).then_some(lm::Adapter {
            layers,
            adapter_rank: self.config.adapter_rank,
            alpha: self.config.alpha,
        })
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        match self.layers.is_empty() {
            true => Vec::new(),
            false => vec![state::part(self.version, &self.layers)],
        }
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        let targets = self.config.targets.selected(base)?;
        if let Some((version, layers)) = state::restored(saved, self.config.adapter_rank, &targets)?
        {
            self.version = version;
            self.layers = layers;
        }
        Ok(())
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let trained = TrainedMatrices::of(&model);
        let data = |id: ParamId| {
            let factor = trained.0.get(&id);
            factor.map(|factor| factor.clone().inner().into_data())
        };
        let mut trainable_parameters = 0;
        for layer in &mut self.layers {
            let Some(adapter) = &mut layer.current else {
                continue;
            };
            if let (Some(a), Some(b)) = (data(adapter.ids[0]), data(adapter.ids[1])) {
                trainable_parameters += a.num_elements() + b.num_elements();
                (adapter.a, adapter.b) = (a, b);
            }
            if self.sequence == AdapterSequence::Orthogonal {
                layer
                    .earlier
                    .extend(layer.current.take().map(|adapter| adapter.a));
            }
        }
        self.version += 1;
        let diagnostics = TaskDiagnostics {
            trainable_parameters,
            ..TaskDiagnostics::default()
        };
        let model = model.materialize();
        let model = match self.trainability_before.take() {
            Some(trainability_before) => trainability_before.restored(model),
            None => model,
        };
        Ok((model, diagnostics))
    }
}
