//! Tables, and the page of a run with tables and pictures.

mod by_likelihood;
mod format;
mod html;
mod orders;
mod published;
mod summary;
mod table;
mod write;

pub use by_likelihood::{LabelFigures, likelihood_note, likelihood_section, likelihood_table};
pub use format::format_table;
pub use html::html_page;
pub use orders::orders_table;
pub use published::published_section;
pub use summary::{Summary, matrix_table, several_revisions, summarize, summary_table};
pub use table::{empty_table, with_numbers};
pub use write::{meanings, write_report};
