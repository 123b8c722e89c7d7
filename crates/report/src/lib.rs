//! Records of runs, and reports on them: summaries, tables, pictures, pages.
//!
//! The folder of a run holds one [`record`] per method and seed. Results with the same key belong
//! to one run with several seeds. [`page`] compares runs, with the pictures of [`picture`]. Methods
//! are known only by their names and their figures.

#[macro_use]
pub mod out;
pub mod hash;
pub mod page;
pub mod picture;
pub mod record;
