//! The traits of language models and their families, and lists of families.

mod family;
mod format;
mod language_model;
mod list;
mod pass_numbers;
mod size;

pub use family::{Family, Pretrained};
pub use format::{FolderFormat, count, joined};
pub use language_model::{LanguageModel, TokenLosses};
pub use pass_numbers::{PassNumbers, TokenNumbers};
pub use size::{Size, sizes_of};
