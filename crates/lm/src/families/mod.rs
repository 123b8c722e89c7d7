//! The model families, one folder and one line of [`Model`] for each.

pub mod llama;
pub mod t5;

use self::llama::Llama;
use self::t5::T5;
use crate::model::{Size, sizes_of};

crate::families! {
    /// A language model of any family; `config.json` decides which.
    ///
    /// Its parameters have the paths of the inner model: the enum adds no level.
    pub enum Model {
        /// A decoder-only model.
        Llama(Llama),
        /// An encoder-decoder model.
        T5(T5),
    }
}

/// The published shapes of all families of [`Model`].
pub fn sizes() -> impl Iterator<Item = &'static Size> {
    sizes_of::<Model>()
}

/// The published shape with the name of a folder, ignoring case; `None` if there is none.
pub fn size_named(folder_name: &str) -> Option<&'static Size> {
    sizes().find(|size| size.name.eq_ignore_ascii_case(folder_name))
}
