//! Fetching models from a hub on this machine, which behaves as the real one does, or worse.

#![allow(clippy::unwrap_used)]

mod answers;
mod any_answer;
mod broken;
mod cached;
mod file;
mod kept;
mod processes;
mod repository;
mod server;
mod whole;
mod wrong;
