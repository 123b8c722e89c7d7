//! Language models in Burn: reading and writing Hugging Face folders, tokenizers, loss and generation.
//!
//! Models are read from folders in the common Hugging Face layout (`config.json`, safetensors in one file or
//! in shards, `tokenizer.json`), and written back to the same layout. Parameter paths are those of the
//! checkpoint without the family's prefix (`layers.0.self_attn.q_proj.weight`), so that spectra, targets and
//! exports can be compared by name.
//!
//! Training and evaluation only need the [`LanguageModel`] trait. [`Model`] is a model of any supported
//! family.
//!
//! # Adding a family
//!
//! A decoder-only family whose parts [`Decoder`] has takes a folder beside those in `families` here, which reads its
//! `config.json`, and one line of the list there. For another network, implement [`LanguageModel`] and [`Family`], and
//! name it in a list of [`families!`]: add a line to [`Model`] here, or make your own list in another crate.
//! [`HfFolder`] then reads, tokenizes and exports the model as its [`FolderFormat`] says.

mod adapter;
pub mod chat;
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

pub use adapter::{Adapter, AdapterLayer};
pub use chat::{ChatTemplate, ChatTokens, Conversation};
pub use error::LmError;
pub use families::decoder::{self, Decoder, DecoderParts};
pub use families::llama;
pub use families::t5::{self, T5, T5Config};
pub use families::{Model, size_named, sizes};
pub use files::parse_config;
pub use folder::{ExportPrecision, FolderFingerprint, HfFolder, Loaded, linear_layer_paths};
pub use generate::{Decoding, GenerationOptions};
pub use layers::{InputNeeded, LinearMap, Observer, Product, Unmapped};
pub use model::{
    Family, FolderFormat, LanguageModel, PassNumbers, Pretrained, Size, TokenLosses, TokenNumbers,
    sizes_of,
};
pub use ops::MixedPrecision;
pub use text::{Example, Framing, Lost, TextTokenizer, TokenRow};
pub use training::{Backpropagation, GradientSink, negative_log_likelihood};

/// Items that the expansion of [`families!`] names.
#[doc(hidden)]
pub mod __private {
    pub use crate::model::{count, joined};
    pub use burn;
    pub use serde_json::Value;
}
