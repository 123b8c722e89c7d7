//! `experiments study`: runs many variants at many learning rates, and compares them at equal
//! learning accuracy.

mod csv;
mod groups;
mod page;
mod plan;

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use runs::Registries;
use runs::settings::RunConfig;

use crate::batch::{Batch, PlannedRun, own_folder};
pub use page::report;
pub use plan::{Part, Plan, Variant, labels};

/// The settings of a study.
#[derive(Clone, Copy, Debug)]
pub struct StudyRequest<'a> {
    /// File of the plan.
    pub plan: &'a Path,
    /// Settings of every run, over those of the plan, as `key=value`.
    pub set: &'a [String],
    /// Folder with one result file per run.
    pub out: &'a Path,
    /// The part of the runs to execute, if several processes share a plan.
    pub part: Option<Part>,
    /// How many runs go on at the same time; as many as a small model leaves cores for, if absent.
    pub jobs: Option<NonZeroUsize>,
    /// Whether to answer the general-knowledge probe too.
    pub general: bool,
}

/// Runs a plan; every run writes one file. Existing results are not run again, so an interrupted
/// study resumes.
///
/// # Errors
///
/// A plan that cannot be read, and the first error of a run, except divergence.
pub fn run(registries: &Registries, args: &StudyRequest<'_>) -> Result<()> {
    let plan = Plan::read(registries, args.plan, args.set)?;
    let first = plan.variants.first().context("the plan has no variant")?;
    ensure!(
        first.config.orders().len() == 1,
        "a study runs one order of the tasks, not {}",
        first.config.order
    );
    for variant in &plan.variants {
        variant.config.suites.unused_by("a study")?;
    }
    let configs: Vec<_> = plan.variants.iter().map(|v| &v.config).collect();
    let mut batch = Batch::open(&configs, plan.rows)?;
    match args.general {
        false => batch = batch.without_general()?,
        true => ensure!(
            batch.orders.iter().all(|order| order.general.is_some()),
            "--general: {} has no questions about general knowledge (`general` of its suite.json)",
            batch.orders[0].suite
        ),
    }
    let titled = RunConfig {
        seeds: plan.seeds.clone(),
        ..first.config.clone()
    };
    println!("{}: {}\n", plan.title, batch.orders[0].title(&titled));
    batch.print_remarks();
    let mut runs = Vec::new();
    for &seed in &plan.seeds {
        for variant in &plan.variants {
            for &rate in &variant.learning_rates {
                for run in batch.plan(&variant.config, &variant.method, rate, seed)? {
                    ensure!(
                        !runs.iter().any(|other: &PlannedRun| other.stem == run.stem),
                        "the plan names {} at {rate:e} with seed {seed} twice",
                        run.label
                    );
                    runs.push(run);
                }
            }
        }
    }
    let count = runs.len();
    let mut index = 0;
    runs.retain(|_| {
        index += 1;
        args.part.is_none_or(|part| part.takes(index - 1))
    });
    let folder = own_folder(args.out, &OTHERS)?;
    let ended = batch.ended(&folder, &runs)?;
    let missing = ended.iter().filter(|ended| ended.is_none()).count();
    println!("{missing} of {count} runs to do here");
    batch.run(&folder, &runs, ended, args.jobs)?;
    Ok(())
}

/// Files of commands that fill a folder with runs too, and write a report of their own.
const OTHERS: [&str; 2] = ["compare.csv", "tuned.toml"];
