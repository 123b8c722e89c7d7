//! Low-rank adapters: one through all tasks (SeqLoRA), or a new one per task that is kept
//! orthogonal to those before it (O-LoRA).

mod attach;
mod kind;
mod penalty;
mod settings;
mod state;

use ::osft::Trainability;
use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
use attach::Attach;
pub use kind::LoraKind;
use penalty::{Factors, penalty};
pub use settings::{LoraConfig, PerTaskValue};

/// What becomes of an adapter when its task is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AdapterSequence {
    /// It goes on with the next task.
    Sequential,
    /// It is merged, and the next one is new and kept orthogonal to it.
    Orthogonal,
}

/// Sequential LoRA or O-LoRA; everything but the adapters is frozen.
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
    /// One per target, in the model's order: another order is another order of sums.
    layers: Vec<Layer>,
    /// What trained before the task that is being learned.
    before: Option<Trainability>,
    /// How often the adapters have been replaced, which tells the parts of a saved state apart.
    version: usize,
}

/// The adapters of one target.
#[derive(Clone, Debug)]
struct Layer {
    target: ParamId,
    /// That of the task being learned, as it was when the task began; or, of the sequential
    /// adapter between two tasks, as it will go on.
    current: Option<Adapter>,
    /// Factors `A` of earlier tasks, `[d_in, adapter_rank]`.
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
    /// One adapter through all tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn sequential(config: LoraConfig, seed: u64) -> Result<Self, ContinualError> {
        Self::new(config, AdapterSequence::Sequential, seed)
    }

    /// A new adapter per task, kept orthogonal to those before it.
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
            before: None,
            version: 0,
        })
    }

    fn scale(&self) -> f64 {
        self.config.alpha / self.config.adapter_rank as f64
    }

    /// Gives every target that has none an adapter that changes nothing: `A` as a linear layer
    /// starts, `B` zero. Drawn on the host, so that a seed means the same on every backend.
    fn draw<M: Module>(&mut self, model: &M, task: usize) -> Result<(), ContinualError> {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(task as u64);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rank = self.config.adapter_rank;
        let targets = self.config.targets.selected(model)?;
        if self.layers.is_empty() {
            let layers = targets.iter().map(|target| Layer {
                target: target.id,
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
        self.before = Some(Trainability::of(&model));
        let model = model.no_grad().apply_reparameterization(Attach {
            adapters: adapters
                .filter_map(|layer| Some((layer.target, layer.current.clone()?)))
                .collect(),
            scale: self.scale(),
        });
        Ok((model, context.optimizer.for_matrices(factors)))
    }

    fn penalty(&self, model: &M) -> Option<Tensor<1>> {
        match self.sequence {
            AdapterSequence::Sequential => None,
            AdapterSequence::Orthogonal => penalty(&self.config, &self.layers, model),
        }
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        match self.layers.is_empty() {
            true => Vec::new(),
            false => vec![state::part(self.version, &self.layers)],
        }
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        let targets = self.config.targets.selected(base)?;
        let targets = targets.iter().map(|target| (target.id, target.shape));
        if let Some((version, layers)) = state::restored(saved, targets)? {
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
        let factors = Factors::of(&model);
        let data = |id: ParamId| {
            let factor = factors.0.get(&id);
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
        let model = match self.before.take() {
            Some(before) => before.restored(model),
            None => model,
        };
        Ok((model, diagnostics))
    }
}
