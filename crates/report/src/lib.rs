//! What runs leave behind and what people look at: records of runs, summaries, tables, pictures, pages.
//!
//! A folder of a run holds one record per method and seed ([`record`]); results with the same key are one
//! run with other seeds, and [`page`] shows them side by side, with the pictures of [`picture`]. Methods are
//! known by their names and by the figures that they fill, nothing else.

#[macro_use]
pub mod out;
pub mod hash;
pub mod page;
pub mod picture;
pub mod record;
