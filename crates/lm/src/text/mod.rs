//! Text to tokens and back: the tokenizer of a folder, rows of limited length, and T5's pre-training task.

mod example;
mod frame;
mod rows;
mod span_corruption;
mod tokenizer;

pub use example::Example;
pub use rows::{Lost, TokenRow};
pub(crate) use tokenizer::read as read_tokenizer;
pub use tokenizer::{Framing, TextTokenizer};
