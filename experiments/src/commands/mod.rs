//! One file per command: arguments to settings, settings to a call of the library.

pub mod bench;
pub mod compare;
pub mod completions;
pub mod curvature;
pub mod datasets;
pub mod inspect;
pub mod list;
pub mod portability;
pub mod pretrain;
pub mod report;
pub mod sequence;
pub mod study;
pub mod sweep;
pub mod validate;
