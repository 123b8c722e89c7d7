//! The supported architectures.

mod gemma3;
mod granite;
mod llama;
mod olmo2;
mod phi3;
mod qwen;
mod smollm3;

use super::Architecture;

/// All of them.
pub(super) const FAMILIES: [&Architecture; 8] = [
    &llama::LLAMA,
    &qwen::QWEN2,
    &qwen::QWEN3,
    &gemma3::GEMMA3,
    &phi3::PHI3,
    &olmo2::OLMO2,
    &granite::GRANITE,
    &smollm3::SMOLLM3,
];
