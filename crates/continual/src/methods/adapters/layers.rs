//! The adapters of a model: attached when a task begins, read back and merged when it ends.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use ::osft::{SelectedTarget, Trainability};
use burn::module::{Module, ParamId};
use burn::tensor::TensorData;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::attach::Attach;
use super::form::Form;
use super::settings::AdapterConfig;
use super::state;
use super::trained::TrainedMatrices;
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::TaskDiagnostics;

/// The layers of a model that have adapters of `N` factors.
#[derive(Clone, Debug)]
pub(super) struct AdaptedLayers<F, const N: usize> {
    config: AdapterConfig,
    /// In the model's order: the order decides how sums round.
    layers: Vec<Layer<N>>,
    /// Which parameters trained before the current task.
    trainability_before: Option<Trainability>,
    /// How often the adapters changed; it distinguishes the parts of saved states.
    version: usize,
    form: PhantomData<F>,
}

/// A layer with its adapter.
#[derive(Clone, Debug)]
pub(super) struct Layer<const N: usize> {
    pub(super) target: SelectedTarget,
    /// During a task, its adapter as it was when the task began. Between two tasks, the one to
    /// continue with.
    pub(super) current: Option<Adapter<N>>,
    /// Matrices that the method keeps beside the adapter, by name.
    pub(super) kept: BTreeMap<String, TensorData>,
}

pub(super) type Adapter<const N: usize> = [Factor; N];

/// Identity and values of a factor.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    pub(super) id: ParamId,
    /// In f32.
    pub(super) values: TensorData,
}

impl<F: Form<N>, const N: usize> AdaptedLayers<F, N> {
    pub(super) fn new(config: AdapterConfig) -> Self {
        Self {
            config,
            layers: Vec::new(),
            trainability_before: None,
            version: 0,
            form: PhantomData,
        }
    }

    pub(super) fn config(&self) -> &AdapterConfig {
        &self.config
    }

    pub(super) fn layers(&self) -> &[Layer<N>] {
        &self.layers
    }

    pub(super) fn layers_mut(&mut self) -> &mut [Layer<N>] {
        &mut self.layers
    }

    /// Whether a task that begins needs new adapters.
    pub(super) fn is_without_adapters(&self) -> bool {
        self.layers.iter().all(|layer| layer.current.is_none())
    }

    /// Gives every target a new adapter with the factors that `start` makes.
    pub(super) fn start<M: Module>(
        &mut self,
        model: &M,
        mut start: impl FnMut(&SelectedTarget) -> [TensorData; N],
    ) -> Result<(), ContinualError> {
        let targets = self.config.selected(model)?;
        if self.layers.is_empty() {
            let layers = targets.iter().map(|target| Layer {
                target: target.clone(),
                current: None,
                kept: BTreeMap::new(),
            });
            self.layers = layers.collect();
        }
        for (layer, target) in self.layers.iter_mut().zip(&targets) {
            layer.current = Some(start(target).map(|values| Factor {
                id: ParamId::new(),
                values,
            }));
        }
        self.version += 1;
        Ok(())
    }

    /// Freezes the model and attaches the adapters.
    pub(super) fn attach<M: Module>(&mut self, model: M) -> M {
        self.trainability_before = Some(Trainability::of(&model));
        let layers = self.layers.iter();
        let adapters = layers.filter_map(|layer| Some((layer.target.id, layer.current.clone()?)));
        let attach = Attach::<F, N>::new(adapters.collect(), self.config.scale());
        model.no_grad().apply_reparameterization(attach)
    }

    /// Identities of the factors, layer by layer.
    pub(super) fn factors(&self) -> impl Iterator<Item = [ParamId; N]> {
        let adapters = self.layers.iter();
        let adapters = adapters.filter_map(|layer| layer.current.as_ref());
        adapters.map(|adapter| adapter.each_ref().map(|factor| factor.id))
    }

    /// What trains, in words for a human reader.
    pub(super) fn trains(&self) -> String {
        let adapters = self.layers.iter();
        let factors = adapters
            .filter_map(|layer| layer.current.as_ref())
            .flatten();
        let numbers: usize = factors.map(|factor| factor.values.num_elements()).sum();
        format!("{numbers} numbers trained, in adapters")
    }

    /// Takes over the trained values, merges the adapters into the weights, and lets everything train
    /// that trained before the task.
    pub(super) fn detach<M: Module>(&mut self, model: M) -> (M, TaskDiagnostics) {
        let trained = TrainedMatrices::of(&model);
        let mut trainable_parameters = 0;
        let adapters = self.layers.iter_mut();
        for factor in adapters
            .filter_map(|layer| layer.current.as_mut())
            .flatten()
        {
            if let Some(values) = trained.values(factor.id) {
                trainable_parameters += values.num_elements();
                factor.values = values;
            }
        }
        self.version += 1;
        let model = model.materialize();
        let model = match self.trainability_before.take() {
            Some(trainability_before) => trainability_before.restored(model),
            None => model,
        };
        let diagnostics = TaskDiagnostics {
            trainable_parameters,
            ..TaskDiagnostics::default()
        };
        (model, diagnostics)
    }

    pub(super) fn state(&self) -> Vec<StatePart<'_>> {
        match self.layers.is_empty() {
            true => Vec::new(),
            false => vec![state::part::<F, N>(self.version, &self.layers)],
        }
    }

    /// Restores a saved state; `check` says what is wrong with the matrices that a layer keeps.
    pub(super) fn restore<M: Module>(
        &mut self,
        base: &M,
        saved: &Checkpoint,
        check: impl Fn(&Layer<N>) -> Result<(), String>,
    ) -> Result<(), ContinualError> {
        let targets = self.config.selected(base)?;
        let rank = self.config.adapter_rank;
        if let Some((version, layers)) = state::restored::<F, N>(saved, rank, targets, check)? {
            self.version = version;
            self.layers = layers;
        }
        Ok(())
    }
}

/// The generator for what a task draws. The host draws, so a seed means the same on every backend.
pub(super) fn random_of(seed: u64, task: usize) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(task as u64))
}
