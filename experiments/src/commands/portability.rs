//! `experiments portability`: the same small job on every backend.

use anyhow::Result;
use measure::portability::{self, PortabilitySettings};

use crate::cli::PortabilityArgs;

/// Compares the backends that were asked for.
pub fn run(args: &PortabilityArgs) -> Result<()> {
    portability::run(&PortabilitySettings {
        backends: args.backends.clone(),
        weights: args.base_precision,
        strict: args.strict,
        out: args.out.clone(),
    })
}
