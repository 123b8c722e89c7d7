//! README, `docs` and the other pages say what is so: their commands, numbers, tables and links.

#![allow(clippy::unwrap_used)]

mod commands;
mod numbers;
mod pages;
mod tables;
