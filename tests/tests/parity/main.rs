//! Agreement with reference implementations, on reference numbers read from fixtures.
//!
//! - `llama_family`: random weights of every shape of the family, from transformers.
//! - `osf`: the factored form of OSFT, from PEFT.
//! - `smollm2`: a real pretrained model, from transformers.

#![allow(clippy::unwrap_used)]

mod llama_family;
mod osf;
mod smollm2;
