//! Loading a split.

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, ParamId};
use burn::tensor::Device;

use crate::calibration::Moment;
use crate::config::Removed;
use crate::error::OsftError;
use crate::module::{Place, Survey, Trainability, Weight};
use crate::persist::{Stored, unpack};
use crate::split::{
    Constraint, FactorIds, Factors, InputEnergy, LayerSplit, Osft, Side, SplitContext,
};

use super::{Header, LayerHeader, Layout, SAVED, SideKind};

/// The parameter that a saved layer belongs to.
enum Target<'a> {
    Place(&'a Place),
    /// Contains the reference of the change if the file has no weights.
    Weight(&'a Weight),
}

impl Target<'_> {
    fn id(&self) -> ParamId {
        match self {
            Self::Place(place) => place.id,
            Self::Weight(weight) => weight.id,
        }
    }

    fn device(&self) -> Device {
        match self {
            Self::Place(place) => place.device.clone(),
            Self::Weight(weight) => weight.value.device(),
        }
    }

    fn has_shape(&self, shape: [usize; 2]) -> bool {
        match self {
            Self::Place(place) => place.has_shape(shape),
            Self::Weight(weight) => weight.value.dims() == shape,
        }
    }
}

impl Osft {
    /// Loads a split that [`to_bytes`](Self::to_bytes) saved, for a module whose target weights have the same
    /// paths and shapes.
    ///
    /// The module is only read and may be uninitialized (a file of version 2 initializes it). Load the
    /// module's own weights and the optimizer's state separately: before the module is
    /// [prepared](Self::prepare) or, from a record of a prepared module, afterwards. Output changes are only
    /// measured if the context contains the calibration that the split was made with.
    ///
    /// Custom rules of the configuration stay unresolved, since an existing split does not need them; see
    /// [`OsftConfig::with_rules`](crate::OsftConfig::with_rules).
    ///
    /// Cores keep the identities under which optimizer state is saved. Two modules that train side by side
    /// need separate splits.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherFormat`] if the version of the file cannot be read, [`OsftError::BrokenState`] if
    /// the bytes are not a saved split or were changed, [`OsftError::OtherModule`] if the module lacks a
    /// target or has it in another shape, [`OsftError::OtherCalibration`] if the context contains another
    /// calibration than that of the split, [`OsftError::NotOnDevice`] if the device does not support a number
    /// type of the split.
    pub fn from_bytes<M: Module>(
        bytes: &[u8],
        module: &M,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        let survey = Survey::of(module);
        let places = survey.matrices.iter();
        let targets = places.map(|place| (place.path.as_str(), Target::Place(place)));
        let (mut split, trainability) = Self::unpack(SAVED, bytes, targets.collect(), context)?;
        split.trainability = match trainability {
            Some(saved) => saved.identified_by(module),
            // Files of version 2 have no record. Targets were trainable at the split, even if they are frozen
            // now.
            None => {
                let targets = split.layers.iter().map(|layer| layer.path.as_str());
                Trainability::of(module).with_trained(targets)
            }
        };
        Ok(split)
    }

    /// Loads a split of these weights from a file without weights.
    pub(crate) fn unpack_cached(
        layout: Layout,
        bytes: &[u8],
        weights: &[Weight],
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        let weights = weights.iter();
        let targets = weights.map(|weight| (weight.path.as_str(), Target::Weight(weight)));
        Ok(Self::unpack(layout, bytes, targets.collect(), context)?.0)
    }

    fn unpack(
        layout: Layout,
        bytes: &[u8],
        targets: HashMap<&str, Target<'_>>,
        context: &SplitContext<'_>,
    ) -> Result<(Self, Option<Trainability>), OsftError> {
        let (header, mut tensors) = unpack::<Header>(layout.format, bytes)?;
        header.config.validate_made()?;
        let layers = header
            .layers
            .into_iter()
            .enumerate()
            .map(|(index, layer)| {
                let target = targets.get(layer.path.as_str());
                match target.filter(|target| target.has_shape(layer.shape)) {
                    Some(target) => restored(index, layer, target, layout, &mut tensors, context),
                    None => Err(OsftError::OtherModule {
                        layer: layer.path,
                        d_in: layer.shape[0],
                        d_out: layer.shape[1],
                    }),
                }
            })
            .collect::<Result<_, _>>()?;
        let split = Self {
            config: header.config,
            layers,
            trainability: Trainability::default(),
            warnings: header.warnings,
            name: header.name,
        };
        Ok((split, header.trainability))
    }
}

fn restored(
    index: usize,
    layer: LayerHeader,
    target: &Target<'_>,
    layout: Layout,
    tensors: &mut Stored,
    context: &SplitContext<'_>,
) -> Result<LayerSplit, OsftError> {
    let device = &target.device();
    let name = |what: &str| format!("{index}.{what}");
    let ([d_in, d_out], [k_in, k_out]) = (layer.shape, [layer.k_in, layer.k_out]);
    let input = side(
        layer.sides[0],
        [d_in, k_in],
        &name("input"),
        tensors,
        device,
    )?;
    let output = side(
        layer.sides[1],
        [d_out, k_out],
        &name("output"),
        tensors,
        device,
    )?;
    let constraint = Constraint {
        input,
        output,
        removed: match layer.removed_block {
            true => Removed::Block,
            false => Removed::EitherSide,
        },
    };
    let factors = match layer.factors {
        Some([input, scale, output]) => {
            let count = (d_in - k_in).min(d_out - k_out);
            Some(Factors {
                ids: FactorIds {
                    input: ParamId::from(input),
                    scale: ParamId::from(scale),
                    output: ParamId::from(output),
                },
                input: tensors.tensor(&name("factor.input"), [d_in, count], device)?,
                scale: tensors.tensor(&name("factor.scale"), [count], device)?,
                output: tensors.tensor(&name("factor.output"), [count, d_out], device)?,
            })
        }
        None => None,
    };
    let start = match (layout.with_weights, target) {
        (false, Target::Weight(weight)) => weight.start(layer.core.is_some()),
        _ => tensors.tensor(&name("start"), layer.shape, device)?,
    };
    if constraint.is_closed() && (layer.core.is_some() || factors.is_some()) {
        return Err(tensors.broken(format!("{:?} has nothing that could train", layer.path)));
    }
    let numbers = tensors.take_numbers(&name("numbers"))?;
    let [total_energy, importance, unprotected, outputs] = numbers;
    let moment = match (layer.has_input_energy, context.calibration) {
        (true, Some(calibration)) => {
            let moment = calibration.shared_moment(&layer.path);
            let moment = moment.filter(|moment| moment.dimension() == d_in);
            let same = |moment: &&Arc<Moment>| {
                let saved = layer.moment.as_ref();
                saved.is_none_or(|saved| saved.fingerprint == moment.fingerprint())
            };
            let Some(moment) = moment.filter(same) else {
                return Err(OsftError::OtherCalibration { layer: layer.path });
            };
            Some(moment.clone())
        }
        _ => None,
    };
    let scales = match layer.sides[0] {
        SideKind::Scaled => Some(tensors.take_numbers::<2>(&name("scales"))?),
        _ => None,
    };
    let reach = scales.map(|[_, reach]| reach);
    let inputs = match (layer.moment, moment) {
        (Some(saved), moment) => Some(InputEnergy {
            moment,
            fingerprint: saved.fingerprint,
            total: saved.total,
            unprotected,
            outputs,
            reach,
        }),
        // From a file of version 2.
        (None, Some(moment)) => Some(InputEnergy {
            fingerprint: moment.fingerprint(),
            total: moment.trace(),
            moment: Some(moment),
            unprotected,
            outputs,
            reach,
        }),
        (None, None) => None,
    };
    Ok(LayerSplit {
        id: target.id(),
        shape: layer.shape,
        k_in,
        k_out,
        mean_scale: scales.map(|[mean, _]| mean),
        lost_directions: layer.lost_directions,
        protected_energies: layer.protected_energies.unwrap_or(k_in.max(k_out)),
        energies: tensors.take_vector(&name("energies"))?,
        total_energy,
        importance: layer.has_importance.then_some(importance),
        constraint: Arc::new(constraint),
        inputs,
        core: layer.core.map(ParamId::from),
        factors,
        start,
        path: layer.path,
    })
}

/// A side of dimension `d` with `k` protected directions.
fn side(
    kind: SideKind,
    [d, k]: [usize; 2],
    name: &str,
    tensors: &mut Stored,
    device: &Device,
) -> Result<Side, OsftError> {
    let fits = match kind {
        SideKind::Open => k == 0,
        SideKind::Closed => k == d,
        SideKind::Free | SideKind::Protected => 0 < k && k < d,
        SideKind::Scaled => k < d,
    };
    if !fits {
        return Err(tensors.broken(format!("{k} of {d} directions do not fit {name:?}")));
    }
    Ok(match kind {
        SideKind::Open => Side::Open,
        SideKind::Free => Side::Free(tensors.tensor(name, [d, d - k], device)?),
        SideKind::Protected => Side::Protected(tensors.tensor(name, [d, k], device)?),
        SideKind::Scaled => Side::Scaled(tensors.tensor(name, [d, d - k], device)?),
        SideKind::Closed => Side::Closed,
    })
}
