//! Tests of the crate, in one program: what they compile of Burn is compiled once.

#![allow(clippy::unwrap_used)]

mod any_folder;
mod any_template;
mod backpropagation;
mod chat_turns;
mod common;
mod continuations;
mod ends;
mod families;
mod fingerprint;
mod folders;
mod generation;
mod heads;
mod naive;
mod observation;
mod other_family;
mod prefix;
mod reading;
mod refusals;
mod sizes;
mod t5;
mod tokenizer;
mod toy;
