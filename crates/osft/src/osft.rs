//! Splitting a module, and what is done with the split during and between tasks.

use burn::module::Module;
use rayon::prelude::*;

use crate::held::summed;
use crate::known::Known;
use crate::precision::{hold, is_half};
use crate::source::Layer;
use crate::survey::{Place, Survey, dtypes};
use crate::trainability::{KnownIn, Trainability};
use crate::weight::{Weight, weights};
use crate::{
    Calibration, Constraint, LayerSplit, LayerSummary, OsftConfig, OsftError, Others, ShareRule,
    SplitCache,
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
///
/// A split is a value beside the module. A module may have several, under names
/// ([`with_name`](Self::with_name)): it trains by the one that prepared it.
#[derive(Clone, Debug)]
pub struct Osft {
    pub(crate) config: OsftConfig,
    pub(crate) layers: Vec<LayerSplit>,
    /// What trained when the module was split.
    pub(crate) trainability: Trainability,
    pub(crate) warnings: Vec<String>,
    pub(crate) name: Option<String>,
}

impl Osft {
    /// Splits the target weights of a module, in parallel over layers.
    ///
    /// The module is only read; parameters that were built and not filled are filled.
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
    /// The module is only read (parameters that were built and not filled are filled): what was learned stays
    /// in its weights. A split for the next task
    /// is made from the weights as they are then, with a new optimizer, since moments of the old
    /// coordinates mean nothing in the new ones.
    ///
    /// Selected weights that are frozen (`require_grad` is off) are left out, and so are those that stand
    /// at several places of the module, of which Burn's optimizers would move the first alone;
    /// [`warnings`](Self::warnings) names them. A module that trains by a split is finished, or what it
    /// learned is discarded, before it is split again.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::NoTargetOfShare`] if one that gives
    /// a share does, [`OsftError::NoLinearLayer`] and
    /// [`OsftError::NothingTrains`] if there is nothing to split, [`OsftError::Reparameterized`] if
    /// something is attached to the module, [`OsftError::TooManyDirections`],
    /// [`OsftError::NonFinite`], [`OsftError::Empty`] and [`OsftError::UnsupportedDType`] naming the layer,
    /// [`OsftError::NotCalibrated`], [`OsftError::OtherCalibration`], [`OsftError::NotMeasured`],
    /// [`OsftError::NoConvergence`], [`OsftError::NoBf16`], and what [`OsftConfig::validate`] finds.
    pub fn split_in<M: Module>(
        module: &M,
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        config.validate()?;
        let survey = Survey::of(module);
        survey.refuse_attachments()?;
        let trainability = Trainability::of(module);
        let known = trainability.known_in(module);
        let (places, mut warnings) =
            chosen(&survey, config, |place| known.trains(place.id, &place.path))?;
        let mut targets = weights(module, &places);
        warnings.extend(hold(&mut targets, config.base_precision)?);
        if config.others == Others::Trained {
            warnings.extend(in_two_bytes(module, &targets, &known));
        }
        let mut split = match context.cache {
            Some(cache) => cache.split(&targets, config, context)?,
            None => Self::decomposed(&targets, config, context)?,
        };
        split.trainability = trainability;
        split.warnings.extend(warnings);
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
                rule: known.rules[index],
                importance: known.importance[index],
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
        let mut warnings = known.warnings;
        warnings.extend(layers.iter().zip(&known.rules).filter_map(out_of_reach));
        Ok(Self {
            config: config.clone(),
            layers,
            trainability: Trainability::default(),
            warnings,
            name: None,
        })
    }

    /// Free degrees of freedom that a split would leave, without decomposing anything; `None`
    /// where the rule, or the source, decides by what it decomposes.
    ///
    /// # Errors
    ///
    /// Those of [`held_numbers_of`](Self::held_numbers_of).
    pub fn free_parameters_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<Option<usize>, OsftError> {
        let removed = config.form.removed();
        summed(module, config, |shape, protected, _| {
            Constraint::degrees_of_freedom(removed, shape, protected)
        })
    }

    /// The same split under a name, which tells several splits of one module apart: in errors, and where
    /// it is saved.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
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
}

/// The targets of a split, and words about those that are selected and left out.
pub(crate) fn chosen(
    survey: &Survey,
    config: &OsftConfig,
    trains: impl Fn(&Place) -> bool,
) -> Result<(Vec<Place>, Vec<String>), OsftError> {
    let selected = config.targets.places(survey)?;
    let paths: Vec<&str> = selected.iter().map(|place| place.path.as_str()).collect();
    config.check_target_shares(&paths)?;
    let mut warnings = Vec::new();
    let mut chosen = Vec::with_capacity(selected.len());
    for place in &selected {
        if let Some(also) = &place.also {
            warnings.push(format!(
                "{} is left as it is: it is also {also}, and an optimizer would move one of the two \
                 alone; keep one parameter and use it twice",
                place.path
            ));
        } else if !trains(place) {
            warnings.push(format!("{} is left as it is: it is frozen", place.path));
        } else {
            chosen.push(place.clone());
        }
    }
    match chosen.is_empty() {
        true => Err(OsftError::NothingTrains {
            targets: selected.into_iter().map(|place| place.path).collect(),
        }),
        false => Ok((chosen, warnings)),
    }
}

/// A word about a layer of which a rule wants more energy protected than a sketch of its inputs knows
/// directions of.
fn out_of_reach((layer, rule): (&LayerSplit, &ShareRule)) -> Option<String> {
    let ShareRule::Energy(wanted) = rule else {
        return None;
    };
    let (known, found) = (layer.energies.len(), layer.protected_energy());
    let all_known = layer.k_in.max(layer.k_out) + layer.lost_directions >= known;
    // Rounding of a sum of squares.
    (all_known && found < wanted - 1e-9 && layer.total_energy > 0.0).then(|| {
        format!(
            "the sketch of the inputs of {} knows {known} directions, which hold {found:.4} of the energy and \
             not {wanted}",
            layer.path
        )
    })
}

/// A word about parameters beside the targets that train in a precision that cannot hold small steps.
fn in_two_bytes<M: Module>(module: &M, targets: &[Weight], known: &KnownIn<'_>) -> Option<String> {
    let mut types = dtypes(module);
    for target in targets {
        types.remove(&target.id);
    }
    types.retain(|id, dtype| is_half(*dtype) && known.trains(*id, ""));
    (!types.is_empty()).then(|| {
        format!(
            "{} parameters beside the targets train in two bytes, which lose small steps",
            types.len()
        )
    })
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
