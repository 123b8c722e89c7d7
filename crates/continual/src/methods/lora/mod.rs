//! Low-rank adapters: one through all tasks (SeqLoRA), or a new one per task that is kept
//! orthogonal to those before it (O-LoRA).

mod state;

use std::collections::HashMap;

use ::osft::{OsftError, TargetPatterns};
use burn::module::{LoraAdapter, Module, ModuleVisitor, Param, ParamId, Reparameterizer};
use burn::optim::{AdamW, ModuleOptimizer};
use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Method, TaskContext, TaskDiagnostics};
use crate::ContinualError;
use crate::checkpoint::{Checkpoint, StatePart};

/// Settings of low-rank adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Which parameters get an adapter.
    pub targets: TargetPatterns,
    /// Inner dimension of an adapter: `ΔW = alpha / adapter_rank · A B`.
    pub adapter_rank: usize,
    /// Numerator of the adapter's scale.
    pub alpha: f64,
    /// Weight of the orthogonality penalty, `λ Σ_i Σ |A_iᵀ A|` over the adapters of earlier tasks;
    /// used by O-LoRA alone.
    #[serde(default)]
    pub orthogonality: f64,
}

impl LoraConfig {
    /// Checks every setting that can be checked without a module.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        let checks = [
            (
                "adapter_rank",
                self.adapter_rank as f64,
                self.adapter_rank > 0,
                "at least 1",
            ),
            ("alpha", self.alpha, self.alpha > 0.0, "above 0"),
            (
                "orthogonality",
                self.orthogonality,
                self.orthogonality >= 0.0,
                "0 or above",
            ),
        ];
        if let Some((name, found, _, expected)) = checks.into_iter().find(|check| !check.2) {
            return Err(ContinualError::InvalidSetting {
                name,
                found: found.to_string(),
                expected,
            });
        }
        Ok(())
    }

    /// Numbers that the adapters of a module hold.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing.
    pub fn adapter_parameters<M: Module>(&self, module: &M) -> Result<usize, OsftError> {
        let targets = self.targets.selected(module)?.into_iter();
        Ok(targets
            .map(|target| self.adapter_rank * (target.shape[0] + target.shape[1]))
            .sum())
    }
}

/// What becomes of an adapter when its task is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
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
    course: Course,
    seed: u64,
    /// One per target, in the model's order: another order is another order of sums.
    layers: Vec<Layer>,
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
        Self::new(config, Course::Sequential, seed)
    }

    /// A new adapter per task, kept orthogonal to those before it.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn orthogonal(config: LoraConfig, seed: u64) -> Result<Self, ContinualError> {
        Self::new(config, Course::Orthogonal, seed)
    }

    fn new(config: LoraConfig, course: Course, seed: u64) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            course,
            seed,
            layers: Vec::new(),
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
    fn name(&self) -> &str {
        match self.course {
            Course::Sequential => "lora",
            Course::Orthogonal => "o-lora",
        }
    }

    fn begin_task(
        &mut self,
        model: M,
        inner: AdamW,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        if self.layers.iter().all(|layer| layer.current.is_none()) {
            self.draw(&model, context.index)?;
        }
        let adapters = self.layers.iter();
        let model = model.freeze().apply_reparameterization(Attach {
            adapters: adapters
                .filter_map(|layer| Some((layer.target, layer.current.clone()?)))
                .collect(),
            scale: self.scale(),
        });
        Ok((model, inner.into()))
    }

    /// `λ Σ_i Σ |A_iᵀ A|`, in the layout of `y = x W`, where `A` is `[d_in, adapter_rank]`.
    fn penalty(&self, model: &M) -> Option<Tensor<1>> {
        let weight = self.config.orthogonality;
        if self.course != Course::Orthogonal || weight == 0.0 {
            return None;
        }
        let factors = Factors::of(model);
        let mut sum: Option<Tensor<1>> = None;
        for layer in &self.layers {
            let id = layer.current.as_ref()?.ids[0];
            let factor = factors.0.get(&id)?;
            for data in &layer.earlier {
                let other = Tensor::<2>::from_data(data.clone(), &factor.device());
                let overlap = other.transpose().matmul(factor.clone()).abs().sum();
                sum = Some(sum.map_or(overlap.clone(), |sum| sum + overlap));
            }
        }
        sum.map(|sum| sum * weight)
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
            if self.course == Course::Orthogonal {
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
        Ok((model.materialize(), diagnostics))
    }
}

/// Matrices of a module that are being trained, by identity.
struct Factors(HashMap<ParamId, Tensor<2>>);

impl Factors {
    fn of<M: Module>(model: &M) -> Self {
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

/// Attaches adapters with given values; what they stand for already is taken from the weight.
struct Attach {
    adapters: HashMap<ParamId, Adapter>,
    scale: f64,
}

impl Reparameterizer for Attach {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let Some(adapter) = self.adapters.remove(&param.id) else {
            return (param, None);
        };
        let device = param.val().device();
        let factor = |id: ParamId, data: TensorData| {
            let value = Tensor::<2>::from_data(data, &device);
            Param::initialized(id, value).set_require_grad(true)
        };
        let [a, b] = adapter.ids;
        let attached = LoraAdapter {
            a: factor(a, adapter.a),
            b: factor(b, adapter.b),
            scale: self.scale,
        };
        let id = param.id;
        let merged = param.val().inner();
        let done = attached.delta().inner().reshape(merged.shape());
        let base = Tensor::<D>::from_data((merged - done).into_data(), &device);
        (
            Param::initialized(id, base).set_require_grad(false),
            Some(attached),
        )
    }
}
