//! `osft inspect`.

use anyhow::Result;
use measure::inspect::{self, InspectRequest};
use runs::Registries;

use crate::args::InspectArgs;

/// Prints what a split would protect in a model.
pub fn run(args: &InspectArgs) -> Result<()> {
    anyhow::ensure!(
        args.rows > 0 && args.tokens > 0,
        "--rows and --tokens must be at least 1"
    );
    let request = InspectRequest {
        model: Some(args.model.clone()),
        text: args.text.clone(),
        rows: args.rows,
        tokens: args.tokens,
        methods: args.methods()?,
        targets: Vec::new(),
        probe: !args.no_probe,
        shares_by_loss: None,
        backend: args.backend,
        out: args.out.clone(),
    };
    inspect::run(&Registries::builtin(), &request)
}
