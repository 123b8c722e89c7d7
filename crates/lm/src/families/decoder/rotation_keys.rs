//! The keys of `config.json` that describe rotary positions, read as a [`Rotation`].

use serde_json::Value;

use super::keys::Keys;
use super::parts::Rotation;
use super::rope_keys::RopeKeys;
use crate::error::LmError;
use crate::files::{invalid, unsupported};

/// Newer files store base and scaling together here.
const PARAMETERS: &str = "rope_parameters";

impl Keys<'_> {
    /// The rotation that `rope_theta`, `rope_scaling`, `partial_rotary_factor` and `rope_parameters` describe.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] for a scaling or a part of the head that the family does not support,
    /// [`LmError::InvalidConfig`] for keys that contradict each other, or values that are missing or invalid.
    pub(super) fn rotation(&self) -> Result<Rotation, LmError> {
        let top_level = RopeKeys {
            rope_theta: self.shared.rope_theta,
            partial_rotary_factor: self.shared.partial_rotary_factor,
            ..RopeKeys::default()
        };
        let scaling = self.rope_keys("rope_scaling", &self.json["rope_scaling"])?;
        let parameters = &self.json[PARAMETERS];
        let parameters = match &parameters["full_attention"] {
            full if self.rules.rope_by_layer && full.is_object() => full,
            _ => parameters,
        };
        let parameters = self.rope_keys(PARAMETERS, parameters)?;
        let all = scaling.joined(&parameters);
        let all = all.and_then(|all| all.joined(&top_level));
        self.rotation_by(all, self.rules.rope_base)
    }

    /// The rotation of layers with a window where it differs from that of the others: its base is the value of `key`,
    /// or in newer files that of their own entry in `rope_parameters`.
    ///
    /// # Errors
    ///
    /// As those of the other layers.
    pub(crate) fn rotation_of_windows(&self, key: &str, default: f64) -> Result<Rotation, LmError> {
        let top_level = RopeKeys {
            rope_theta: self.optional(key)?,
            ..RopeKeys::default()
        };
        let own = self.rope_keys(PARAMETERS, &self.json[PARAMETERS]["sliding_attention"])?;
        self.rotation_by(own.joined(&top_level), default)
    }

    /// Reads settings of rotary positions, and refuses a scaling that the family does not support.
    fn rope_keys(&self, name: &'static str, found: &Value) -> Result<RopeKeys, LmError> {
        let kinds = self.rules.rope_kinds;
        let other = |key: &str| found[key].as_str().filter(|kind| !kinds.contains(kind));
        if let Some(kind) = other("rope_type").or_else(|| other("type")) {
            return unsupported(self.path, "rope_type", kind, &kinds.join(", "));
        }
        let mut entries = found.as_object().into_iter().flatten();
        if let Some((layers, _)) = entries.find(|(_, entry)| entry.is_object()) {
            return unsupported(self.path, name, layers, "the same positions in all layers");
        }
        Ok(self.parsed(name, found)?.unwrap_or_default())
    }

    fn rotation_by(
        &self,
        keys: Result<RopeKeys, String>,
        default_base: f64,
    ) -> Result<Rotation, LmError> {
        let head_width = self.head_width();
        let read = || {
            let keys = keys?;
            let part = keys.partial_rotary_factor.unwrap_or(1.0);
            if !(part > 0.0 && part <= 1.0) {
                return Err(format!(
                    "partial_rotary_factor = {part}; it must be above 0 and at most 1"
                ));
            }
            Ok(Rotation {
                base: keys.base(default_base)?,
                // Rounded down, as in transformers.
                width: (head_width as f64 * part) as usize,
                scaling: keys.scaling()?,
            })
        };
        let rotation = read().or_else(|reason| invalid(self.path, reason))?;
        if rotation.width != head_width && !self.rules.rotates_parts {
            let found = format!("{} of {head_width} coordinates", rotation.width);
            return unsupported(self.path, "partial_rotary_factor", &found, "1");
        }
        Ok(rotation)
    }
}
