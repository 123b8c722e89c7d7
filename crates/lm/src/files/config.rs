//! Reading `config.json`, the same for all families.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::LmError;

/// Reads hyperparameters from the parsed `config.json` at `path`.
///
/// # Errors
///
/// [`LmError::Json`], with the key, if a key is missing or of the wrong type; [`LmError::Unsupported`] if the
/// weights are quantized.
pub fn parse_config<C: DeserializeOwned>(json: &Value, path: &Path) -> Result<C, LmError> {
    refuse_quantized(json, path)?;
    serde_path_to_error::deserialize(json).map_err(|error| {
        let key = error.path().to_string();
        LmError::Json {
            path: path.to_path_buf(),
            reason: match key.as_str() {
                "." => error.into_inner().to_string(),
                _ => format!("{key}: {}", error.into_inner()),
            },
        }
    })
}

/// Refuses quantized weights: their tensors have other names and types, and every method defines its own.
fn refuse_quantized(json: &Value, path: &Path) -> Result<(), LmError> {
    let found = &json["quantization_config"];
    if found.is_null() {
        return Ok(());
    }
    Err(LmError::Unsupported {
        path: path.to_path_buf(),
        field: "quantization_config",
        found: match found["quant_method"].as_str() {
            Some(method) => format!("{method:?}"),
            None => found.to_string(),
        },
        supported: "weights in f32, bf16 or f16, which the model's unquantized folder holds"
            .to_string(),
    })
}

/// The error about a key that asks for a computation that is not supported.
pub(crate) fn unsupported<T>(
    path: &Path,
    field: &'static str,
    found: &str,
    supported: &str,
) -> Result<T, LmError> {
    Err(LmError::Unsupported {
        path: path.to_path_buf(),
        field,
        found: format!("{found:?}"),
        supported: supported.to_string(),
    })
}

/// The error about a value from which no model can be built.
pub(crate) fn invalid<T>(path: &Path, reason: String) -> Result<T, LmError> {
    Err(LmError::InvalidConfig {
        path: path.to_path_buf(),
        reason,
    })
}

/// Refuses a size of 0, given with its key.
pub(crate) fn refuse_zeros(path: &Path, sizes: &[(&str, usize)]) -> Result<(), LmError> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => invalid(path, format!("{name} is 0; it must be at least 1")),
        None => Ok(()),
    }
}

/// Reads a token id or a list of them; `None` for anything else.
pub(crate) fn token_ids(value: &Value) -> Option<Vec<u32>> {
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(ids) => ids.iter().map(one).collect(),
        other => Some(vec![one(other)?]),
    }
}
