//! What a person looks at: tables, pictures and the page that holds them.

mod curves;
mod heat_map;
mod orders;
mod page;
mod published;
mod style;
mod summary;
mod table;

pub(crate) use curves::{Curve, CurvesPicture, curves};
pub use orders::orders_table;
pub use page::write_report;
pub use published::published_section;
pub use summary::{Summary, matrix_table, several_revisions, summarize, summary_table};
pub use table::{empty_table, with_numbers};
