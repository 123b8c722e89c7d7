//! Splitting a module, and what is done with the split during and between tasks.

use std::collections::HashMap;

use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::form::{Axis, FactorOptimizer, Unmoved, free_part};
use crate::held::summed;
use crate::known::Known;
use crate::leak::{LeakReport, measure};
use crate::precision::{hold, stored};
use crate::source::Layer;
use crate::targets::{Weight, select, weights};
use crate::{
    Calibration, Constraint, CoreForm, CoreOptimizer, FactoredForm, Form, LayerSplit, LayerSummary,
    OsftConfig, OsftError, Others, SplitCache,
};

/// What a split may look at beside the weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitContext<'a> {
    pub(crate) calibration: Option<&'a Calibration>,
    cache: Option<&'a SplitCache>,
    task: usize,
    tasks: usize,
}

impl<'a> SplitContext<'a> {
    /// Nothing but the weights, on the first task.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the moments of what is to be kept.
    pub fn with_calibration(mut self, calibration: &'a Calibration) -> Self {
        self.calibration = Some(calibration);
        self
    }

    /// Before task number `task`, from 0, of `tasks`: what a schedule over tasks follows.
    pub fn for_task(mut self, task: usize, tasks: usize) -> Self {
        (self.task, self.tasks) = (task, tasks);
        self
    }

    /// Looks for the split in a folder before anything is decomposed, and leaves it there.
    pub fn with_cache(mut self, cache: &'a SplitCache) -> Self {
        self.cache = Some(cache);
        self
    }

    pub(crate) fn progress(&self) -> f64 {
        let last = self.tasks.saturating_sub(1);
        if last == 0 {
            0.0
        } else {
            self.task.min(last) as f64 / last as f64
        }
    }
}

/// A module's split into protected and free directions.
///
/// Made at the start of a task from the weights as they are. The task is trained on the module
/// that [`prepare`](Self::prepare) returns, with [`optimizer`](Self::optimizer), and
/// [`finish`](Self::finish) returns it as it was before; the next task starts from a new split.
#[derive(Clone, Debug)]
pub struct Osft {
    pub(crate) config: OsftConfig,
    pub(crate) layers: Vec<LayerSplit>,
    pub(crate) warnings: Vec<String>,
}

impl Osft {
    /// Splits the target weights of a module, in parallel over layers.
    ///
    /// # Errors
    ///
    /// As [`split_in`](Self::split_in); a source or a rule that needs calibration is
    /// [`OsftError::NotCalibrated`] here.
    ///
    /// # References
    ///
    /// arXiv 2504.07097, section 3.2: the top singular directions of each weight are protected.
    pub fn split<M: Module>(module: &M, config: &OsftConfig) -> Result<Self, OsftError> {
        Self::split_in(module, config, &SplitContext::new())
    }

    /// Splits the target weights of a module by what is known of its inputs and of the sequence
    /// of tasks.
    ///
    /// The module is only read: what was learned stays in its weights. A split for the next task
    /// is made from the weights as they are then, with a new optimizer, since moments of the old
    /// coordinates mean nothing in the new ones.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::ShareOutOfRange`],
    /// [`OsftError::NonFinite`] and [`OsftError::UnsupportedDType`] naming the layer,
    /// [`OsftError::NotCalibrated`], [`OsftError::OtherCalibration`],
    /// [`OsftError::NoConvergence`], [`OsftError::NoBf16`], and what [`OsftConfig::validate`] finds.
    pub fn split_in<M: Module>(
        module: &M,
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        config.validate()?;
        // As it computes, whatever is attached to it.
        let mut targets = select(&module.clone().materialize(), &config.targets)?;
        let rounding = hold(&mut targets, config.base_precision)?;
        let mut split = match context.cache {
            Some(cache) => cache.split(&targets, config, context)?,
            None => Self::decomposed(&targets, config, context)?,
        };
        split.warnings.extend(rounding);
        Ok(split)
    }

    /// Splits weights, whatever they are of.
    pub(crate) fn decomposed(
        targets: &[Weight],
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        on_threads_of_its_own(|| Self::decomposed_here(targets, config, context))
    }

    fn decomposed_here(
        targets: &[Weight],
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        let known = Known::new(targets, config, context)?;
        let split = |&(index, target): &(usize, &Weight)| {
            let weight = target.to_host()?;
            let moment = known.moments.get(index);
            let layer = Layer {
                weight: &weight,
                inputs: moment
                    .zip(known.spectra.get(index))
                    .map(|(moment, spectrum)| (moment.as_ref(), spectrum.as_ref())),
                importance: known.importance.get(index).copied(),
                progress: context.progress(),
            };
            LayerSplit::new(target, &layer, moment.cloned(), config)
        };
        // What a decomposition needs for itself lies between the bases that stay. After every few layers
        // these are moved, so that what is left is a piece that the next can use, and the steps at last.
        let mut layers = Vec::with_capacity(targets.len());
        let some = LAYERS_PER_THREAD * rayon::current_num_threads();
        let indexed: Vec<_> = targets.iter().enumerate().collect();
        for some in indexed.chunks(some) {
            let found: Result<Vec<_>, _> = some.par_iter().map(split).collect();
            layers.extend(found?.into_iter().map(LayerSplit::settled));
        }
        Ok(Self {
            config: config.clone(),
            layers,
            warnings: known.warnings,
        })
    }

    /// Free degrees of freedom that a split would leave, without decomposing anything; `None`
    /// where the rule, or the source, decides by what it decomposes.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`], and what [`OsftConfig::validate`] finds.
    pub fn free_parameters_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<Option<usize>, OsftError> {
        let removed = config.form.removed();
        summed(module, config, |shape, protected| {
            Constraint::degrees_of_freedom(removed, shape, protected)
        })
    }

    /// The configuration of the split.
    pub fn config(&self) -> &OsftConfig {
        &self.config
    }

    /// The split of every target, in the module's order.
    pub fn layers(&self) -> &[LayerSplit] {
        &self.layers
    }

    /// Free degrees of freedom over all targets.
    pub fn free_parameters(&self) -> usize {
        self.layers.iter().map(LayerSplit::free_parameters).sum()
    }

    /// Numbers that an optimizer of the targets holds moments of.
    pub fn trainable_parameters(&self) -> usize {
        let layers = self.layers.iter();
        layers.map(LayerSplit::trainable_parameters).sum()
    }

    /// The split in numbers, layer by layer.
    pub fn summary(&self) -> Vec<LayerSummary> {
        self.layers.iter().map(LayerSplit::summary).collect()
    }

    /// What was not as it should be, in sentences for a person.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The module as it is trained: everything that is not a target is frozen or not, as
    /// configured, and what trains in place of the targets is attached to them.
    ///
    /// A target keeps its identity and, by `val()`, its effective value; what is stored of it stays at
    /// the split, beside the [`FreeCore`](crate::FreeCore) (or the factors) that trains.
    pub fn prepare<M: Module>(&self, module: M) -> M {
        let ids: Vec<ParamId> = self.layers.iter().map(|layer| layer.id).collect();
        let module = match self.config.others {
            Others::Frozen => {
                let others = ParamGroup::all().exclude(ParamGroup::from_ids(ids.clone()));
                module.freeze_group(others)
            }
            Others::Trained => module.unfreeze(),
        };
        // Also layers without any free direction: a module in which nothing tracks gradients has no
        // backward pass. The optimizer does not move them.
        let module = module.unfreeze_group(ParamGroup::from_ids(ids));
        match self.config.form.is_factored() {
            true => module.apply_reparameterization(self.factored_form()),
            false => module.apply_reparameterization(self.core_form()),
        }
    }

    /// The module after the last step: cores and factors are merged into the weights they belong to,
    /// which are rounded where the configuration holds them in less than full precision
    /// ([`BasePrecision`](crate::BasePrecision)).
    pub fn finish<M: Module>(&self, module: M) -> M {
        let held = self.layers.iter().filter(|layer| layer.core.is_some());
        let precision = self.config.base_precision;
        stored(module.materialize(), precision, held.map(|layer| layer.id))
    }

    /// What attaches the free factors of a factored form to a module;
    /// [`prepare`](Self::prepare) uses it.
    pub fn factored_form(&self) -> FactoredForm {
        FactoredForm::new(self.layers.iter())
    }

    /// What attaches the cores of the other forms to a module; [`prepare`](Self::prepare) uses it.
    pub fn core_form(&self) -> CoreForm {
        CoreForm::new(self.layers.iter())
    }

    /// An optimizer of the module that [`prepare`](Self::prepare) returned: it moves the targets inside
    /// their free directions by `inner`, and every other parameter that has a gradient by `inner` as it
    /// is. Targets of a module that was not prepared do not move.
    pub fn optimizer<O: Optimizer>(&self, inner: O) -> ModuleOptimizer {
        let reproject = self.config.form == Form::FactoredReprojected;
        let decay = self.config.decay;
        let mut optimizer: ModuleOptimizer = inner.clone().into();
        for layer in &self.layers {
            if let Some(factors) = &layer.factors {
                for (id, factor) in
                    FactorOptimizer::of_layer(&inner, layer, factors, reproject, decay)
                {
                    optimizer = optimizer.with_group(ParamGroup::from_ids(vec![id]), factor, None);
                }
            } else if let Some(id) = layer.core {
                let core = CoreOptimizer::new(inner.clone(), layer, decay);
                optimizer = optimizer.with_group(ParamGroup::from_ids(vec![id]), core, None);
            }
            if !layer.constraint.is_open() {
                let unmoved = Unmoved(inner.clone());
                optimizer =
                    optimizer.with_group(ParamGroup::from_ids(vec![layer.id]), unmoved, None);
            }
        }
        optimizer
    }

    /// Replaces the gradients of the targets by what the constraint leaves of them.
    ///
    /// Optional: cores have no other gradients, and the optimizer projects those of factors itself. Call
    /// it before anything that measures gradients, such as clipping by global norm, so that parts which
    /// are thrown away anyway do not count.
    pub fn project(&self, mut grads: GradientsParams) -> GradientsParams {
        for layer in &self.layers {
            if !layer.constraint.is_open() {
                grads.remove::<2>(layer.id);
            }
            let Some(factors) = &layer.factors else {
                continue;
            };
            let sides = [
                (factors.ids.input, &layer.constraint.input, Axis::Rows),
                (factors.ids.output, &layer.constraint.output, Axis::Columns),
            ];
            for (id, side, axis) in sides {
                if let Some(grad) = grads.remove::<2>(id) {
                    grads.register(id, free_part(side, axis, grad));
                }
            }
        }
        grads
    }

    /// How much of every target's change since the split lies in its protected directions.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module.
    pub fn leaks<M: Module>(&self, module: &M) -> Result<LeakReport, OsftError> {
        // Factors that are attached count as part of the weight.
        let merged = module.clone().materialize();
        let mut now: HashMap<ParamId, Tensor<2>> = weights(&merged)
            .into_iter()
            .map(|weight| (weight.id, weight.value))
            .collect();
        let layers = self.layers.iter().map(|layer| {
            let value = now.remove(&layer.id).filter(|v| v.dims() == layer.shape);
            match value {
                Some(value) => Ok(measure(layer, value)),
                None => Err(OsftError::OtherModule {
                    layer: layer.path.clone(),
                    d_in: layer.shape[0],
                    d_out: layer.shape[1],
                }),
            }
        });
        Ok(LeakReport {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }
}

/// Layers that a thread splits before bases are moved.
const LAYERS_PER_THREAD: usize = 4;

/// Decompositions on threads that end with them: the library keeps a buffer of twice the processor's
/// third-level cache for every thread that has multiplied, which training would carry along.
fn on_threads_of_its_own<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().build() {
        Ok(threads) => threads.install(work),
        Err(_) => work(),
    }
}
