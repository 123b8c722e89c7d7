//! GGUF files of language models, read without trust and unpacked to Hugging Face folders.
//!
//! [`Gguf::open`] reads metadata and the table of tensors and checks every number against the size of the file.
//! [`Gguf::tensor`] gives the numbers of one tensor as f32. [`Gguf::unpack`] writes the folder that transformers
//! would load: `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` and
//! `generation_config.json`; what llama.cpp's converter did to tensors and settings is undone.
//! [`Gguf::fingerprint`] is the name under which a caller keeps an unpacked folder.

mod error;

mod blocks;
mod file;

mod architecture;
mod tokenizer;

mod unpack;

pub use architecture::Weight;
pub use blocks::TensorType;
pub use error::GgufError;
pub use file::{Array, Gguf, Integers, Tensor, TensorInfo, Value};
pub use tokenizer::TokenizerFiles;
