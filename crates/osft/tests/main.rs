//! Tests of the crate, in one program: what they compile of Burn is compiled once.

#![allow(clippy::unwrap_used)]

mod any_module;
mod cache;
mod calibration;
mod common;
mod core_reference;
mod custom_rule;
mod device_sums;
mod exactness;
mod forms;
mod found;
mod free_energy;
mod gradients;
mod held;
mod inputs;
mod kinds;
mod learner;
mod lifecycle;
mod linear;
mod mixed_types;
mod moments;
mod moments_kept;
mod number_types;
mod observing;
mod optimizers;
mod other_places;
mod output_limit;
mod precision;
mod saved;
mod scaling;
mod selection;
mod since_base;
mod sketches;
mod splits;
mod state;
mod target_shares;
mod triplets;
mod united;
mod wide;
