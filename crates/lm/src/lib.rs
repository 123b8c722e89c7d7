//! Language models in Burn: Hugging Face folders in and out, tokenizers, loss and generation.
//!
//! A model is read from the folder that other tools read and write
//! (`config.json`, safetensors in one file or in shards, `tokenizer.json`), and written back to
//! the same layout. Parameter paths are those of the checkpoint, less the family's prefix
//! (`layers.0.self_attn.q_proj.weight`), so that spectra, targets and exports can be compared name
//! by name.
//!
//! What trains and evaluates a model needs only the [`LanguageModel`] trait. [`Model`] is whatever a
//! folder holds.
//!
//! # One more family
//!
//! Implement [`LanguageModel`] and [`Family`] for the model, in a folder or file of its own, and name it in
//! a list that [`families!`] makes: a line of [`Model`] here, or a list of your own in another crate.
//! [`HfFolder`] reads, tokenizes and exports by what the list says.

mod error;
mod families;
mod files;
pub mod folder;
pub mod generate;
mod layers;
mod model;
mod ops;
mod text;
mod training;

pub use error::LmError;
pub use families::llama::{self, Llama, LlamaConfig};
pub use families::t5::{self, T5, T5Config};
pub use families::{Model, size_named, sizes};
pub use files::parse_config;
pub use folder::{ExportPrecision, FolderFingerprint, HfFolder, Loaded};
pub use generate::{Decoding, GenerationOptions};
pub use layers::{InputNeeded, LinearMap, Observer, Unmapped};
pub use model::{Family, FolderFormat, LanguageModel, Pretrained, Size, sizes_of};
pub use text::{Example, Framing, Lost, TextTokenizer, TokenRow};
pub use training::{Backpropagation, GradientSink, negative_log_likelihood};

/// What [`families!`] names.
#[doc(hidden)]
pub mod __private {
    pub use burn;
    pub use serde_json::Value;
}
