//! One file per command.

pub mod pretrain;
