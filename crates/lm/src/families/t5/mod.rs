//! T5: encoder-decoder models, versions 1.0 and 1.1 (including Flan-T5).
//!
//! # References
//!
//! Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020.
//! Logits, loss and gradients agree with `modeling_t5.py` of transformers 4.57.

mod attention;
mod config;
mod decode;
mod family;
mod feed_forward;
mod gradients;
mod network;
mod pass_numbers;
mod position;
mod rows;
mod sizes;
mod stack;

pub use config::{Activation, T5Config};
pub use network::T5;
