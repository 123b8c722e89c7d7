//! Saving a split.

use crate::config::Removed;
use crate::error::OsftError;
use crate::linalg::vector_data;
use crate::persist::{Tensors, pack};
use crate::split::{FactorIds, Osft, Side};

use super::{Header, LayerHeader, Layout, MomentHeader, SAVED, SideKind};

impl Osft {
    /// The split as the bytes of one safetensors file, including the weights that it was made from.
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
            if let Some(mean) = layer.mean_scale {
                let reach = inputs.and_then(|inputs| inputs.reach).unwrap_or(0.0);
                tensors.push((name("scales"), vector_data(&[mean, reach])));
            }
            let mut side = |what: &str, side: &Side| {
                let (kind, basis) = match side {
                    Side::Open => (SideKind::Open, None),
                    Side::Free(basis) => (SideKind::Free, Some(basis)),
                    Side::Protected(basis) => (SideKind::Protected, Some(basis)),
                    Side::Scaled(basis) => (SideKind::Scaled, Some(basis)),
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
                protected_energies: (layer.protected_energies != layer.k_in.max(layer.k_out))
                    .then_some(layer.protected_energies),
                lost_directions: layer.lost_directions,
                has_importance: layer.importance.is_some(),
                has_input_energy: layer.inputs.is_some(),
                moment: layer.inputs.as_ref().map(|inputs| MomentHeader {
                    fingerprint: inputs.fingerprint.clone(),
                    total: inputs.total,
                }),
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
            trainability: Some(self.trainability.clone()),
            name: self.name.clone(),
        };
        let scaled = self.layers.iter().any(|layer| layer.mean_scale.is_some());
        pack(layout.written(scaled), &header, &tensors)
    }
}
