//! A split: the protected and the free directions of every target weight.

mod attached;
mod chosen;
mod constraint;
mod context;
mod factors;
mod held;
mod layer;
mod per_target;
mod rounding;
mod side;
mod source;
mod spectra;
mod table;
mod triplets;

use std::sync::Arc;

use rayon::prelude::*;

pub(crate) use chosen::chosen;
pub use constraint::Constraint;
pub(crate) use constraint::transposed;
pub use context::{SplitCache, SplitContext};
pub(crate) use factors::{FactorIds, Factors, product};
pub use held::HeldNumbers;
pub(crate) use layer::{InputEnergy, check_count};
pub use layer::{LayerSplit, LayerSummary};
pub(crate) use per_target::PerTarget;
pub(crate) use rounding::{round_bases, round_parameters};
pub use side::Side;
pub(crate) use side::keeps_free_basis;
use source::Layer;
use spectra::Spectra;
pub use triplets::{SingularTriplets, WhichTriplets};

use crate::config::{Combine, OsftConfig};
use crate::error::OsftError;
use crate::module::{Trainability, Weight};
use crate::rule::{LayerFacts, Rule};

/// A module's split into protected and free directions.
///
/// Make a split at the start of a task from the current weights. Train the module that
/// [`prepare`](Self::prepare) returns, with the optimizer from [`optimizer`](Self::optimizer);
/// [`finish`](Self::finish) turns it into an ordinary module again. The next task starts with a new split.
///
/// A split is a value separate from the module. A module may have several splits, with names
/// ([`with_name`](Self::with_name)); it trains by the one that prepared it.
#[derive(Clone, Debug)]
pub struct Osft {
    pub(crate) config: OsftConfig,
    pub(crate) layers: Vec<LayerSplit>,
    /// The parameters that trained when the module was split.
    pub(crate) trainability: Trainability,
    pub(crate) warnings: Vec<String>,
    pub(crate) name: Option<String>,
}

impl Osft {
    /// Splits weights, without knowing their module.
    pub(crate) fn decomposed(
        targets: &[Weight],
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        on_temporary_threads(|| Self::decomposed_here(targets, config, context))
    }

    fn decomposed_here(
        targets: &[Weight],
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        let per_target = PerTarget::new(targets, config, context)?;
        let split = |&(index, target): &(usize, &Weight), spectra: &Spectra| {
            let weight = target.to_host()?;
            let moment = per_target.moments.get(index);
            let layer = Layer {
                weight: &weight,
                inputs: moment.and_then(|moment| Some((moment.as_ref(), spectra.of(moment)?))),
                rule: per_target.rules[index].clone(),
                gradients: per_target.gradients.get(index).map(Arc::as_ref),
                united: moment
                    .map(Arc::as_ref)
                    .zip(per_target.unions.get(index).map(Arc::as_ref)),
                retains_nothing: context.retains_nothing,
                importance: per_target.importance[index],
                progress: context.progress(),
                task: context.task(),
            };
            LayerSplit::new(target, &layer, moment.cloned(), config)
        };
        let reads_spectra = config.split.needs_calibration() && config.combine == Combine::Mean;
        let needed = match reads_spectra {
            true => per_target.moments.as_slice(),
            false => &[],
        };
        let mut spectra = Spectra::default();
        // The temporary memory of decompositions lies between the bases that stay. Copying the bases after
        // every few layers leaves large free blocks, for the next layers and at last for training.
        let mut layers = Vec::with_capacity(targets.len());
        let batch_size = LAYERS_PER_THREAD * rayon::current_num_threads();
        let indexed: Vec<_> = targets.iter().enumerate().collect();
        for batch in indexed.chunks(batch_size) {
            spectra = spectra.for_batch(batch, needed)?;
            let split = |target| split(target, &spectra);
            let batch: Result<Vec<_>, _> = batch.par_iter().map(split).collect();
            layers.extend(batch?.into_iter().map(LayerSplit::with_copied_bases));
        }
        let mut warnings = per_target.warnings;
        if reads_spectra {
            let layers = layers.iter().zip(&per_target.rules);
            warnings.extend(
                layers.filter_map(|(layer, rule)| sketch_warning(layer, rule.as_ref(), context)),
            );
        }
        Ok(Self {
            config: config.clone(),
            layers,
            trainability: Trainability::default(),
            warnings,
            name: None,
        })
    }

    /// Names the split. The name tells several splits of one module apart, in errors and in saved files.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name, if the split has one.
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

    /// Number of free degrees of freedom over all targets.
    pub fn free_parameters(&self) -> usize {
        self.layers.iter().map(LayerSplit::free_parameters).sum()
    }

    /// Number of trainable numbers over all targets, of which an optimizer stores moments.
    pub fn trainable_parameters(&self) -> usize {
        let layers = self.layers.iter();
        layers.map(LayerSplit::trainable_parameters).sum()
    }

    /// Summary of every layer, for reports.
    pub fn summary(&self) -> Vec<LayerSummary> {
        self.layers.iter().map(LayerSplit::summary).collect()
    }

    /// Warnings about the split, as sentences; empty if there is nothing to warn about.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// A warning about a layer whose sketch has too few directions for the energy that its rule wants to protect.
fn sketch_warning(
    layer: &LayerSplit,
    rule: &dyn Rule,
    context: &SplitContext<'_>,
) -> Option<String> {
    let wanted = rule.wanted_energy(&LayerFacts {
        directions: layer.shape[0],
        energies: &layer.energies,
        total_energy: layer.total_energy,
        importance: layer.importance,
        progress: context.progress(),
        task: context.task(),
    })?;
    let (directions, protected) = (layer.energies.len(), layer.protected_energy());
    if directions >= layer.shape[0] {
        // All directions are there: it is no sketch.
        return None;
    }
    let protects_all = layer.k_in.max(layer.k_out) + layer.lost_directions >= directions;
    // The tolerance is for rounding of a sum of squares.
    (protects_all && protected < wanted - 1e-9 && layer.total_energy > 0.0).then(|| {
        format!(
            "the sketch of the inputs of {} knows {directions} directions, which hold {protected:.4} of the \
             energy and not {wanted}",
            layer.path
        )
    })
}

/// Number of layers that a thread splits before the bases are copied.
const LAYERS_PER_THREAD: usize = 4;

/// Runs decompositions on threads that end with them: the library keeps a buffer of twice the processor's
/// third-level cache for every thread that has multiplied, and training would carry these buffers along.
fn on_temporary_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().build() {
        Ok(threads) => threads.install(work),
        Err(_) => work(),
    }
}
