//! `experiments sweep`: hyperparameters, searched on validation rows.

use anyhow::{Result, ensure};
use clap::ArgMatches;
use measure::sweep::{self, Axis, Search, SweepRequest};
use runs::Registries;

use crate::cli::SweepArgs;

/// Searches, and says what was chosen.
pub fn run(registries: &Registries, args: &SweepArgs, matches: &ArgMatches) -> Result<()> {
    let config = args.run.resolve(registries, &args.benchmark, matches)?;
    let search = search(args)?;
    ensure!(
        args.run.lr.is_none() || matches!(search, Search::Axes(_)),
        "--lr: a search tries the learning rates of `tune_grid`; set that, or search other settings with --vary \
         or --around"
    );
    sweep::run(&SweepRequest {
        config: &config,
        search: &search,
        first_task: args.first_task,
        out: Some(&args.out),
        jobs: args.jobs,
    })
}

fn search(args: &SweepArgs) -> Result<Search> {
    let around = args.around.iter().map(|text| Axis::around(text));
    let lists = args.vary.iter().map(|text| text.parse());
    let axes = around.chain(lists).collect::<Result<Vec<Axis>>>()?;
    Ok(match (args.trials, axes.is_empty()) {
        (Some(trials), _) => Search::Random {
            trials,
            seed: args.search_seed.unwrap_or(0),
        },
        (None, true) => Search::Grid,
        (None, false) => Search::Axes(axes),
    })
}
