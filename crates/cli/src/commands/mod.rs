//! One file per command.

pub mod chat;
pub mod check;
pub mod completions;
pub mod evaluate;
pub mod fetch;
pub mod finetune;
pub mod generate;
pub mod inspect;
pub mod merge;
pub mod plan;
