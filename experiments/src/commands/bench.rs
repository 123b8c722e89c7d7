//! `experiments bench`: time and memory of training steps.

use anyhow::Result;
use measure::bench;
use runs::Registries;

use crate::cli::BenchArgs;

/// Times what was asked for; or, in a process that a bench started, does its steps.
pub fn run(registries: &Registries, args: &BenchArgs) -> Result<()> {
    match &args.worker {
        Some(spec) => bench::run_worker(registries, spec),
        None => bench::run(registries, &args.settings()),
    }
}
