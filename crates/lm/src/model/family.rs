//! Traits of a model family, and of a model of any family of a list.

use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;

use super::format::FolderFormat;
use super::language_model::LanguageModel;
use crate::error::LmError;

/// A model family: models that share an implementation. A family has its own folder (or file) and one line in
/// a list made by [`families!`](macro@crate::families).
pub trait Family: LanguageModel {
    /// Format of the family's model folders.
    const FORMAT: FolderFormat;

    /// Builds a model of the shape that the parsed `config.json` at `path` describes, with random weights.
    /// Its `model_type` is one of the family's.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`], [`LmError::Unsupported`] or [`LmError::InvalidConfig`] if the configuration does
    /// not describe a model.
    fn build(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError>;
}

/// A model that can be built from a `config.json` and filled with weights: a model of one [`Family`], or of
/// any family of a list.
pub trait Pretrained: LanguageModel {
    /// Formats of the model folders that can be read.
    const FAMILIES: &'static [&'static FolderFormat];

    /// Builds a model of the shape that the parsed `config.json` at `path` describes, with random weights.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] if no family supports its `model_type`, and the errors of [`Family::build`].
    fn from_config(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError>;
}

impl<F: Family> Pretrained for F {
    const FAMILIES: &'static [&'static FolderFormat] = &[&F::FORMAT];

    fn from_config(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        FolderFormat::of_config(Self::FAMILIES, config, path)?;
        F::build(config, path, device)
    }
}
