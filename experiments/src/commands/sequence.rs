//! `experiments trace`, `experiments t5` and the command of every other benchmark.

use anyhow::Result;
use clap::ArgMatches;
use measure::sweep::{self, Search, SweepRequest};
use report::record::{RunFolder, check_writable};
use runs::Registries;
use runs::sequence::{self, SequenceRequest};

use crate::cli::SequenceArgs;

/// Runs, goes on with a run, or searches learning rates.
pub fn run(
    registries: &Registries,
    benchmark: &str,
    args: &SequenceArgs,
    matches: &ArgMatches,
) -> Result<()> {
    match (&args.resume, &args.out) {
        (Some(_), _) => {}
        // A search goes on in its folder.
        (None, Some(out)) if args.tune => check_writable(out)?,
        (None, out) => RunFolder::check(out.as_deref())?,
    }
    let config = match &args.resume {
        None => args.run.resolve(registries, benchmark, matches)?,
        Some(folder) => {
            let overrides = args.run.overrides(registries, matches);
            let resumed = sequence::resumed(registries, benchmark, folder, &overrides)?;
            args.run.check_effect(&resumed, registries, matches)?;
            resumed
        }
    };
    if args.tune {
        return sweep::run(&SweepRequest {
            config: &config,
            search: &Search::Grid,
            first_task: false,
            out: args.out.as_deref(),
            jobs: args.jobs,
        });
    }
    let request = SequenceRequest {
        out: args.out.as_deref(),
        resume: args.resume.as_deref(),
        tui: args.tui,
        jobs: args.jobs,
        interpolate: &args.interpolate,
        save_models: args.save_model,
        continue_with: None,
    };
    sequence::run(&config, &request)
}
