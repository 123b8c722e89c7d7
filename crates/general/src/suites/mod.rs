//! The built-in suites, a file for each.

mod bbh;
mod boolq;
mod gsm8k;
mod loss;
mod mmlu;
mod piqa;
mod tydiqa;

pub(crate) use bbh::Bbh;
pub(crate) use boolq::BoolQ;
pub(crate) use gsm8k::Gsm8k;
pub(crate) use loss::Loss;
pub use loss::open_texts;
pub(crate) use mmlu::Mmlu;
pub(crate) use piqa::Piqa;
pub(crate) use tydiqa::TyDiQa;
