//! The LLaMA family: LLaMA 1 to 3, Mistral, SmolLM2 and other models of this architecture.
//!
//! Pre-norm decoder blocks with rotary position embeddings (half-split, with LLaMA 3's frequency
//! scaling), grouped-query attention, a gated feed-forward network, tied or separate output
//! embeddings and Mistral's sliding window.
//!
//! # References
//!
//! `LlamaForCausalLM` and `MistralForCausalLM` of Hugging Face transformers; logits, loss and gradients agree
//! with theirs.

mod attention;
mod block;
mod config;
mod decode;
mod family;
mod gradients;
mod layout;
mod network;
mod pass_numbers;
mod rope;
mod rope_config;
mod sizes;

pub use config::LlamaConfig;
pub use network::Llama;
pub use rope_config::RopeScaling;
pub use sizes::LlamaShape;
