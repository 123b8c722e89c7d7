//! The lifecycle of a task: splitting, preparing and finishing a module.

mod prepare;
mod split;
mod truncate;
