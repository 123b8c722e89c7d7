//! One decoder for all decoder-only families: a description says which parts it is made of.
//!
//! Blocks of attention and a gated feed-forward network; rotary position embeddings; grouped-query attention; a
//! tied or separate output head. [`DecoderParts`] says the rest: where norms stand, which projections are fused or
//! have biases, which layers see a window, what is multiplied. A family reads the description from its
//! `config.json`: it implements `DecoderFamily` in a folder beside this one.
//!
//! # References
//!
//! The classes of Hugging Face transformers that each family names; logits, loss and gradients agree with theirs.

mod attention;
mod batch;
mod block;
mod continuations;
mod decode;
mod family;
mod feed_forward;
mod gradients;
mod keys;
mod layout;
mod network;
mod norm;
mod parts;
mod pass_numbers;
mod prefix;
mod rope;
mod rope_keys;
mod rotation_keys;
mod tables;

pub(crate) use family::{DecoderFamily, Entry, plain_format};
pub(crate) use keys::{ClassRules, Keys, ignored};
pub use network::Decoder;
pub use parts::{
    Activation, AttentionParts, DecoderParts, FeedForwardParts, HeadNorm, LayerParts, Multipliers,
    NormParts, NormPlaces, NormWeight, RotaryScaling, Rotation,
};
