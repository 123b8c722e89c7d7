//! A user's own training rows: from JSONL, JSON and gzip files to tokens.
//!
//! [`RowSet::read`] reads files and detects the format of their rows. [`Encoder`] turns rows into tokens, with the
//! model's chat template where they are conversations. [`RowSet::hold_out`] divides rows for validation, and
//! [`check`] finds repeated and contradictory rows.

pub mod check;
mod encode;
mod error;
mod format;
mod hold_out;
mod read;
mod row;
mod source;

pub use encode::{Encoded, Encoder, Limits, LostTokens, Question, divided};
pub use error::{Place, RowsError};
pub use format::Format;
pub use row::{Content, Row, RowSet};
pub use source::Source;
