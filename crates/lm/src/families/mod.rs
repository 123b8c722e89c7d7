//! The families that are implemented: a folder each, and a line each of [`Model`].

pub mod llama;
pub mod t5;

use self::llama::Llama;
use self::t5::T5;
use crate::model::{Size, sizes_of};

crate::families! {
    /// A language model of any family that is implemented; `config.json` decides which.
    ///
    /// Its parameters have the paths of the model within: the family adds no level to them.
    pub enum Model {
        /// A decoder-only model.
        Llama(Llama),
        /// An encoder-decoder.
        T5(T5),
    }
}

/// The published shapes of all families of [`Model`].
pub fn sizes() -> impl Iterator<Item = &'static Size> {
    sizes_of::<Model>()
}

/// The published shape that a folder is named after, in whatever case; `None` if it is none of
/// [`sizes`].
pub fn size_named(folder_name: &str) -> Option<&'static Size> {
    sizes().find(|size| size.name.eq_ignore_ascii_case(folder_name))
}
