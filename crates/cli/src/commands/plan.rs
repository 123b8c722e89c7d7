//! `osft plan`.

use anyhow::Result;
use runs::Registries;

use crate::args::PlanArgs;

/// Prints what a run will need.
pub fn run(registries: &Registries, args: &PlanArgs) -> Result<()> {
    let config = args.learning.config(&args.rows, registries, None)?;
    finetune::plan::run(&config, !args.no_probe)
}
