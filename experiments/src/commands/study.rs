//! `experiments study`: many variants at many learning rates.

use anyhow::Result;
use measure::study::{self, StudyRequest};
use runs::Registries;

use crate::cli::StudyCommand;

/// Runs a plan, or reports on what was run.
pub fn run(registries: &Registries, command: &StudyCommand) -> Result<()> {
    match command {
        StudyCommand::Run(args) => study::run(
            registries,
            &StudyRequest {
                plan: &args.plan,
                set: &args.set,
                out: &args.out,
                part: args.part,
                jobs: args.jobs,
                general: args.general,
            },
        ),
        StudyCommand::Report(args) => study::report(registries, &args.plan, &args.set, &args.out),
    }
}
