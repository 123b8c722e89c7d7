//! `experiments inspect`: what a split would protect in a model.

use anyhow::Result;
use clap::ArgMatches;
use measure::inspect::{self, InspectRequest};
use runs::Registries;

use crate::cli::{InspectArgs, method_flags};

/// Prints the split, the spectra behind it and the truncation probe.
pub fn run(registries: &Registries, args: &InspectArgs, matches: &ArgMatches) -> Result<()> {
    inspect::run(
        registries,
        &InspectRequest {
            model: args.model.clone(),
            text: args.text.clone(),
            rows: args.rows as usize,
            tokens: args.tokens as usize,
            methods: method_flags(registries, matches),
            targets: args.target.clone(),
            probe: !args.no_probe,
            shares_by_loss: args.shares_by_loss,
            backend: args.backend,
            out: args.out.clone(),
        },
    )
}
