//! Arguments of the commands that search hyperparameters and compare methods.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgMatches, Args};
use runs::Registries;
use runs::settings::RunConfig;

use super::RunArgs;

/// Arguments of `sweep`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments sweep --method seqft,osft --out sweep
  experiments sweep --method o-lora,osft --trials 12 --search-seed 1 --out sweep
  experiments sweep --method osft --osft-split weights --share adaptive --out around \\
    --around methods.osft.protected_share.adaptive.min=0.05 \\
    --around methods.osft.protected_share.adaptive.max=0.05
  experiments sweep --method osft --osft-split weights --share adaptive --first-task --out first \\
    --vary methods.osft.protected_share.adaptive.min=0,0.1,0.2
  experiments trace --config sweep/tuned.toml")]
pub struct SweepArgs {
    /// The command that would run it.
    #[arg(default_value = "trace")]
    pub benchmark: String,
    /// Settings of every trial.
    #[command(flatten)]
    pub run: RunArgs,
    /// Folder with one file per run; those that are there are not run again. tuned.toml and report.md are
    /// written there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Draw so many trials for every method instead of trying the learning rates of `tune_grid`: a learning
    /// rate between its ends, and the settings that the method names as worth searching.
    #[arg(long, value_name = "COUNT")]
    pub trials: Option<usize>,
    /// Seed of the draws [default: 0].
    #[arg(long, value_name = "SEED", requires = "trials")]
    pub search_seed: Option<u64>,
    /// Try a setting of the one method at its value and as much below and above, at the learning rate of the
    /// settings; several make all combinations.
    #[arg(long, value_name = "KEY=STEP", conflicts_with = "trials")]
    pub around: Vec<String>,
    /// Try a setting of the one method at these values, at the learning rate of the settings; several make all
    /// combinations.
    #[arg(long, value_name = "KEY=VALUE,VALUE", conflicts_with = "trials")]
    pub vary: Vec<String>,
    /// Learn and score the first task alone.
    #[arg(long)]
    pub first_task: bool,
    /// Runs that go on at the same time, each on a thread; the results are the same [default: one more
    /// than there are cores, if the model is small, computed on the processor and fits as often; otherwise 1].
    #[arg(long, value_name = "COUNT")]
    pub jobs: Option<NonZeroUsize>,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments compare --seeds 0,1,2 --config sweep/tuned.toml --out compared
  experiments compare --method seqft,o-lora,osft --preset tuned --curves --out compared
  experiments compare --plan experiments/plans/ablations.toml --out ablations
  experiments compare --seeds 0,1,2 --config sweep/tuned.toml --out compared --report")]
pub struct CompareArgs {
    /// The command that would run it [default: trace, or that of the plan].
    pub benchmark: Option<String>,
    /// Settings of every run; without --method, all methods are compared.
    #[command(flatten)]
    pub run: RunArgs,
    /// Folder with one file per run; those that are there are not run again. report.md and its pictures are
    /// written there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Compare the variants of this plan, with its benchmark, seeds and settings, instead of methods; each at one
    /// learning rate.
    #[arg(long, value_name = "FILE", conflicts_with = "RunArgs")]
    pub plan: Option<PathBuf>,
    /// Also run the learning rates of `tune_grid`, for curves and safe learning rates.
    #[arg(long)]
    pub curves: bool,
    /// Seeds of these runs, separated by commas [default: the first seed].
    #[arg(long, value_delimiter = ',', requires = "curves", value_parser = runs::settings::seed_parser())]
    pub curve_seeds: Vec<u64>,
    /// The method that the others are compared with [default: the first one].
    #[arg(long, value_name = "NAME")]
    pub reference: Option<String>,
    /// Runs that go on at the same time, each on a thread; the results are the same [default: one more
    /// than there are cores, if the model is small, computed on the processor and fits as often; otherwise 1].
    #[arg(long, value_name = "COUNT")]
    pub jobs: Option<NonZeroUsize>,
    /// Run nothing, and report on the runs that the folder has.
    #[arg(long)]
    pub report: bool,
}

impl CompareArgs {
    /// The settings of every run of a comparison without a plan: of all methods, unless some are named.
    ///
    /// # Errors
    ///
    /// As [`RunArgs::resolve`].
    pub fn settings(&self, registries: &Registries, matches: &ArgMatches) -> Result<RunConfig> {
        let mut run = self.run.clone();
        let benchmark = self.benchmark.as_deref().unwrap_or("trace");
        let given = run.overrides(registries, matches);
        if !given.sets(registries, benchmark, "compare")? {
            let all = registries.methods.names().into_iter();
            run.method = all.map(str::to_string).collect();
        }
        run.resolve(registries, benchmark, matches)
    }
}
