//! `experiments inspect`: what a split would protect in a model.

use anyhow::Result;
use clap::ArgMatches;
use measure::inspect::{self, InspectRequest};
use runs::Registries;

use crate::cli::{InspectArgs, method_flags};

/// Prints the split, the spectra behind it and the truncation probe.
pub fn run(
    registries: &Registries,
    args: &InspectArgs,
    matches: Option<&ArgMatches>,
) -> Result<()> {
    let methods = matches.map(|matches| method_flags(registries, matches));
    inspect::run(
        registries,
        &InspectRequest {
            model: args.model.clone(),
            text: args.text.clone(),
            rows: args.rows as usize,
            tokens: args.tokens as usize,
            methods: methods.unwrap_or_default(),
            targets: args.target.clone(),
            probe: !args.no_probe,
            backend: args.backend,
            out: args.out.clone(),
        },
    )
}
