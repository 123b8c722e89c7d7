//! What a family of decoder-only models is: how its folders look, and how its `config.json` becomes a description.

use std::path::Path;

use serde_json::Value;

use super::keys::{ClassRules, Keys};
use super::parts::DecoderParts;
use super::pass_numbers::pass_numbers;
use crate::error::LmError;
use crate::model::FolderFormat;

/// A family that the decoder serves. It has its own folder, and one line in the list of `families`.
pub(crate) trait DecoderFamily {
    /// Format of the family's model folders; [`plain_format`] has what most share.
    const FORMAT: FolderFormat;
    /// What the family's class in transformers makes of the keys that all families share.
    const RULES: ClassRules;

    /// The description of a model. [`Keys::parts`] gives that of a LLaMA with the sizes of `config.json`; the family
    /// changes what differs, and refuses the values of its own keys that ask for something else.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`], [`LmError::InvalidConfig`] or [`LmError::Json`] with the name of the key.
    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError>;

    /// The family in the list.
    const ENTRY: Entry = Entry {
        format: &Self::FORMAT,
        describe: described::<Self>,
    };
}

/// One family in the list of those that the decoder serves.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Format of the family's model folders.
    pub format: &'static FolderFormat,
    /// Reads and checks the description in the parsed `config.json` at a path.
    pub describe: fn(&Value, &Path) -> Result<DecoderParts, LmError>,
}

/// The format that most families of decoder-only models share, for the family `F`.
pub(crate) const fn plain_format<F: DecoderFamily + ?Sized>() -> FolderFormat {
    FolderFormat {
        prefix: "model.",
        // Rotary frequencies, which are computed from the configuration.
        is_leftover: |tensor| tensor.ends_with("rotary_emb.inv_freq"),
        pass_numbers: |config| {
            let parts = described::<F>(config, Path::new("config.json")).ok()?;
            Some(pass_numbers(&parts))
        },
        ..FolderFormat::PLAIN
    }
}

/// The description in a `config.json`, checked.
fn described<F: DecoderFamily + ?Sized>(
    config: &Value,
    path: &Path,
) -> Result<DecoderParts, LmError> {
    let keys = Keys::read(config, path, F::FORMAT.ties(config), F::RULES)?;
    let parts = F::describe(&keys)?;
    parts.validate(path)?;
    Ok(parts)
}
