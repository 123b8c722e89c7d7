//! Tests of the crate, in one program: what they compile of Burn is compiled once.

#![allow(clippy::unwrap_used)]

mod adapter_methods;
mod answers;
mod carried;
mod common;
mod distillation;
mod families;
mod importance;
mod input_projection;
mod label_runs;
mod labels;
mod lora;
mod lora_decay;
mod merging;
mod missing_rows;
#[path = "../../lm/tests/common/mod.rs"]
mod models;
mod osft;
mod osft_lwf;
mod penalties;
mod probes;
mod protocol;
mod registry;
mod renewed_adapters;
mod replay;
mod resume;
mod samples;
mod seq_svd;
mod singular_adapters;
mod t5_methods;
