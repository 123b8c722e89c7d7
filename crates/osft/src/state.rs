//! A split as bytes, for another run to continue with.

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, ParamId};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::archive::{Format, Stored, Tensors, pack, unpack, vector_data};
use crate::constraint::{Constraint, Removed};
use crate::form::{FactorIds, Factors};
use crate::layer::InputEnergy;
use crate::targets::{Weight, weights};
use crate::{LayerSplit, Osft, OsftConfig, OsftError, Side, SplitContext};

/// A layout of the file, and whether the weights are part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub format: Format,
    pub with_weights: bool,
}

const SAVED: Layout = Layout {
    format: Format {
        kind: "split",
        version: 2,
        oldest: 2,
    },
    with_weights: true,
};

#[derive(Serialize, Deserialize)]
struct Header {
    config: OsftConfig,
    layers: Vec<LayerHeader>,
    warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct LayerHeader {
    path: String,
    shape: [usize; 2],
    k_in: usize,
    k_out: usize,
    lost_directions: usize,
    has_importance: bool,
    has_input_energy: bool,
    removed_block: bool,
    /// Kinds of the two sides.
    sides: [SideKind; 2],
    /// Identity under which an optimizer keeps the state of the core.
    core: Option<u64>,
    /// Identities under which it keeps that of the factors.
    factors: Option<[u64; 3]>,
}

/// Which basis of a side is kept. Saved, not decided again: the coordinates of an optimizer's
/// moments depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SideKind {
    Open,
    Free,
    Protected,
    Closed,
}

impl Osft {
    /// The split as the bytes of one safetensors file, the weights it was made from included.
    ///
    /// # Errors
    ///
    /// [`OsftError::BrokenState`] if it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OsftError> {
        self.pack(SAVED)
    }

    pub(crate) fn pack(&self, layout: Layout) -> Result<Vec<u8>, OsftError> {
        let mut tensors = Tensors::new();
        let mut layers = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let name = |what: &str| format!("{index}.{what}");
            if layout.with_weights {
                tensors.push((name("start"), layer.start.clone().into_data()));
            }
            tensors.push((name("energies"), vector_data(&layer.energies)));
            let inputs = layer.inputs.as_ref();
            let numbers = [
                layer.total_energy,
                layer.importance.unwrap_or(0.0),
                inputs.map_or(0.0, |inputs| inputs.unprotected),
                inputs.map_or(0.0, |inputs| inputs.outputs),
            ];
            tensors.push((name("numbers"), vector_data(&numbers)));
            let mut side = |what: &str, side: &Side| {
                let (kind, basis) = match side {
                    Side::Open => (SideKind::Open, None),
                    Side::Free(basis) => (SideKind::Free, Some(basis)),
                    Side::Protected(basis) => (SideKind::Protected, Some(basis)),
                    Side::Closed => (SideKind::Closed, None),
                };
                if let Some(basis) = basis {
                    tensors.push((name(what), basis.clone().into_data()));
                }
                kind
            };
            let sides = [
                side("input", &layer.constraint.input),
                side("output", &layer.constraint.output),
            ];
            if let Some(factors) = &layer.factors {
                tensors.push((name("factor.input"), factors.input.clone().into_data()));
                tensors.push((name("factor.scale"), factors.scale.clone().into_data()));
                tensors.push((name("factor.output"), factors.output.clone().into_data()));
            }
            layers.push(LayerHeader {
                path: layer.path.clone(),
                shape: layer.shape,
                k_in: layer.k_in,
                k_out: layer.k_out,
                lost_directions: layer.lost_directions,
                has_importance: layer.importance.is_some(),
                has_input_energy: layer.inputs.is_some(),
                removed_block: layer.constraint.removed == Removed::Block,
                sides,
                core: layer.core.map(|core| core.val()),
                factors: layer.factors.as_ref().map(|factors| {
                    let FactorIds {
                        input,
                        scale,
                        output,
                    } = factors.ids;
                    [input.val(), scale.val(), output.val()]
                }),
            });
        }
        let header = Header {
            config: self.config.clone(),
            layers,
            warnings: self.warnings.clone(),
        };
        pack(layout.format, &header, &tensors)
    }

    /// A split that was saved, for a module whose target weights have the same paths and shapes.
    ///
    /// The module is not changed: load its own weights, and the optimizer's state, beside it. What
    /// the inputs' moments say is only measured on if the context has the calibration.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherFormat`] if another version of the layout wrote it,
    /// [`OsftError::BrokenState`] if it is no saved split, [`OsftError::OtherModule`],
    /// [`OsftError::OtherCalibration`].
    pub fn from_bytes<M: Module>(
        bytes: &[u8],
        module: &M,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        Self::unpack(SAVED, bytes, weights(module), context)
    }

    /// For weights of a module, which are what the split is measured against where the layout has none.
    pub(crate) fn unpack(
        layout: Layout,
        bytes: &[u8],
        weights: Vec<Weight>,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        let (header, mut tensors) = unpack::<Header>(layout.format, bytes)?;
        let Header {
            config,
            layers,
            warnings,
        } = header;
        let targets: HashMap<String, Weight> = weights
            .into_iter()
            .map(|weight| (weight.path.clone(), weight))
            .collect();
        let layers = layers
            .into_iter()
            .enumerate()
            .map(|(index, layer)| {
                let target = targets.get(&layer.path);
                match target.filter(|target| target.value.dims() == layer.shape) {
                    Some(target) => restored(index, layer, target, layout, &mut tensors, context),
                    None => Err(OsftError::OtherModule {
                        layer: layer.path,
                        d_in: layer.shape[0],
                        d_out: layer.shape[1],
                    }),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            config,
            layers,
            warnings,
        })
    }
}

fn restored(
    index: usize,
    layer: LayerHeader,
    target: &Weight,
    layout: Layout,
    tensors: &mut Stored,
    context: &SplitContext<'_>,
) -> Result<LayerSplit, OsftError> {
    let device = target.value.device();
    let name = |what: &str| format!("{index}.{what}");
    let input = side(layer.sides[0], &name("input"), tensors, &device)?;
    let output = side(layer.sides[1], &name("output"), tensors, &device)?;
    let factors = match layer.factors {
        Some([input, scale, output]) => Some(Factors {
            ids: FactorIds {
                input: ParamId::from(input),
                scale: ParamId::from(scale),
                output: ParamId::from(output),
            },
            input: Tensor::from_data(tensors.take(&name("factor.input"))?, &device),
            scale: Tensor::from_data(tensors.take(&name("factor.scale"))?, &device),
            output: Tensor::from_data(tensors.take(&name("factor.output"))?, &device),
        }),
        None => None,
    };
    let start = match layout.with_weights {
        true => {
            let data = tensors.take(&name("start"))?;
            let dtype = data.dtype();
            Tensor::from_data(data, (&device, dtype))
        }
        false => target.start(layer.core.is_some()),
    };
    let numbers = tensors.take_numbers(&name("numbers"))?;
    let [total_energy, importance, unprotected, outputs] = numbers;
    let inputs = match (layer.has_input_energy, context.calibration) {
        (true, Some(calibration)) => {
            let moment = calibration.shared_moment(&layer.path);
            let moment = moment.filter(|moment| moment.dimension() == layer.shape[0]);
            let Some(moment) = moment else {
                return Err(OsftError::OtherCalibration { layer: layer.path });
            };
            Some(InputEnergy {
                moment: moment.clone(),
                unprotected,
                outputs,
            })
        }
        _ => None,
    };
    Ok(LayerSplit {
        path: layer.path,
        id: target.id,
        shape: layer.shape,
        k_in: layer.k_in,
        k_out: layer.k_out,
        lost_directions: layer.lost_directions,
        energies: tensors.take_vector(&name("energies"))?,
        total_energy,
        importance: layer.has_importance.then_some(importance),
        constraint: Arc::new(Constraint {
            input,
            output,
            removed: match layer.removed_block {
                true => Removed::Block,
                false => Removed::EitherSide,
            },
        }),
        inputs,
        core: layer.core.map(ParamId::from),
        factors,
        start,
    })
}

fn side(
    kind: SideKind,
    name: &str,
    tensors: &mut Stored,
    device: &Device,
) -> Result<Side, OsftError> {
    let mut basis = || Ok(Tensor::from_data(tensors.take(name)?, device));
    Ok(match kind {
        SideKind::Open => Side::Open,
        SideKind::Free => Side::Free(basis()?),
        SideKind::Protected => Side::Protected(basis()?),
        SideKind::Closed => Side::Closed,
    })
}
