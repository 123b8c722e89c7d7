//! The model families: one folder and one line of a list for each.
//!
//! Decoder-only families are descriptions for one network, [`Decoder`], in the list [`DECODERS`]. A family with a
//! network of its own has a line of [`Model`].

pub mod decoder;
mod gemma3;
mod granite;
pub mod llama;
mod mistral;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod smollm3;
pub mod t5;

use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;

use self::decoder::{Decoder, DecoderFamily, Entry};
use self::t5::T5;
use crate::error::LmError;
use crate::model::{FolderFormat, Pretrained, Size, sizes_of};

/// The families that [`Decoder`] serves.
const DECODERS: &[Entry] = &[
    llama::Llama::ENTRY,
    mistral::Mistral::ENTRY,
    qwen2::Qwen2::ENTRY,
    qwen3::Qwen3::ENTRY,
    gemma3::Gemma3::ENTRY,
    phi3::Phi3::ENTRY,
    olmo2::Olmo2::ENTRY,
    granite::Granite::ENTRY,
    smollm3::SmolLm3::ENTRY,
];

crate::families! {
    /// A language model of any family; `config.json` decides which.
    ///
    /// Its parameters have the paths of the inner model: the enum adds no level.
    pub enum Model {
        /// A decoder-only model.
        Decoder(Decoder),
        /// An encoder-decoder model.
        T5(T5),
    }
}

impl Pretrained for Decoder {
    const FAMILIES: &'static [&'static FolderFormat] = &{
        let mut formats = [&FolderFormat::PLAIN; DECODERS.len()];
        let mut index = 0;
        while index < formats.len() {
            formats[index] = DECODERS[index].format;
            index += 1;
        }
        formats
    };

    fn from_config(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        // Refuses a `model_type` that no family supports.
        FolderFormat::of_config(Self::FAMILIES, config, path)?;
        let family = DECODERS.iter().find(|family| family.format.reads(config));
        let family = family.expect("invariant: a format of the list reads the configuration");
        Ok(Self::new((family.describe)(config, path)?, device))
    }
}

/// The published shapes of all families of [`Model`].
pub fn sizes() -> impl Iterator<Item = &'static Size> {
    sizes_of::<Model>()
}

/// The published shape with the name of a folder, ignoring case; `None` if there is none.
pub fn size_named(folder_name: &str) -> Option<&'static Size> {
    sizes().find(|size| size.name.eq_ignore_ascii_case(folder_name))
}
