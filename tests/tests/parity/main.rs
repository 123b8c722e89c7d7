//! Agreement with reference implementations, on reference numbers read from fixtures.
//!
//! - `chat`: chat templates, from transformers.
//! - `decoders`: random weights of every family that the decoder serves, from transformers.
//! - `osf`: the factored form of OSFT, from PEFT.
//! - `smollm2`: a real pretrained model, from transformers.
//! - `t5`: both versions of T5, random and trained weights, and a tokenizer, from transformers.

#![allow(clippy::unwrap_used)]

mod chat;
mod common;
mod decoders;
mod osf;
mod smollm2;
mod t5;
