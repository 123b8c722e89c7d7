//! What a split does to a module, from the start of a task to its end.

mod prepare;
mod split;
mod truncate;
