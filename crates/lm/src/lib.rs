//! Language models in Burn: Hugging Face folders in and out, tokenizers, loss and generation.
//!
//! A model is read from the folder that other tools read and write
//! (`config.json`, safetensors in one file or in shards, `tokenizer.json`), and written back to
//! the same layout. Parameter paths are those of the checkpoint, less a leading `model.`
//! (`layers.0.self_attn.q_proj.weight`), so that spectra, targets and exports can be compared name
//! by name.
//!
//! What trains and evaluates a model needs only the [`LanguageModel`] trait; a new family is one
//! folder here and one line of [`Model`], which is whatever a folder holds.

mod backpropagation;
mod cache;
mod error;
mod family;
mod files;
pub mod folder;
mod frame;
pub mod generate;
mod head;
pub mod llama;
mod loss;
mod model;
mod ops;
mod padding;
mod projection;
mod rows;
mod span_corruption;
pub mod t5;
mod tokenizer;

pub use backpropagation::{Backpropagation, GradientSink};
pub use error::LmError;
pub use family::{Model, Pretrained};
pub use folder::{ExportPrecision, FolderFingerprint, HfFolder, Loaded};
pub use generate::{Decoding, GenerationOptions};
pub use llama::{Llama, LlamaConfig};
pub use loss::negative_log_likelihood;
pub use model::{Example, LanguageModel};
pub use projection::{InputNeeded, LinearMap, Observer, Unmapped};
pub use rows::{Lost, TokenRow};
pub use t5::{T5, T5Config};
pub use tokenizer::{Framing, TextTokenizer};
