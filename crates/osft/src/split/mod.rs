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
mod table;

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
pub(crate) use rounding::{hold, stored};
pub use side::Side;
pub(crate) use side::keeps_free_basis;
use source::Layer;

use crate::config::OsftConfig;
use crate::error::OsftError;
use crate::module::{Trainability, Weight};
use crate::rule::Rule;

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
        let found = PerTarget::new(targets, config, context)?;
        let split = |&(index, target): &(usize, &Weight)| {
            let weight = target.to_host()?;
            let moment = found.moments.get(index);
            let layer = Layer {
                weight: &weight,
                inputs: moment
                    .zip(found.spectra.get(index))
                    .map(|(moment, spectrum)| (moment.as_ref(), spectrum.as_ref())),
                rule: found.rules[index].clone(),
                importance: found.importance[index],
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
            let some: Result<Vec<_>, _> = some.par_iter().map(split).collect();
            layers.extend(some?.into_iter().map(LayerSplit::settled));
        }
        let mut warnings = found.warnings;
        warnings.extend(layers.iter().zip(&found.rules).filter_map(out_of_reach));
        Ok(Self {
            config: config.clone(),
            layers,
            trainability: Trainability::default(),
            warnings,
            name: None,
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

/// A word about a layer of which a rule wants more energy protected than a sketch of its inputs knows
/// directions of.
fn out_of_reach((layer, rule): (&LayerSplit, &Arc<dyn Rule>)) -> Option<String> {
    let wanted = rule.wanted_energy()?;
    let (directions, found) = (layer.energies.len(), layer.protected_energy());
    let protects_all = layer.k_in.max(layer.k_out) + layer.lost_directions >= directions;
    // Rounding of a sum of squares.
    (protects_all && found < wanted - 1e-9 && layer.total_energy > 0.0).then(|| {
        format!(
            "the sketch of the inputs of {} knows {directions} directions, which hold {found:.4} of the \
             energy and not {wanted}",
            layer.path
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
