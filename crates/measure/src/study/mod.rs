//! `experiments study`: runs many variants at many learning rates, and compares them at equal
//! learning accuracy.

mod page;
mod plan;

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use report::record::{Identity, RunFolder, RunResult, stem};
use runs::base::BaseModel;
use runs::data::PreparedTasks;
use runs::job::{self, Job, Work};
use runs::sequence::{diverged, identities};
use runs::{Progress, Registries, at_once, side_by_side};

pub use page::report;
pub use plan::Part;
use plan::Plan;

/// The settings of a study.
#[derive(Clone, Copy, Debug)]
pub struct StudyRequest<'a> {
    /// File of the plan.
    pub plan: &'a Path,
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
    let plan = Plan::read(registries, args.plan)?;
    let first = plan.variants.first().context("the plan has no variant")?;
    let device = first.config.backend.device()?.autodiff();
    // All variants share the calibration text; it is generated for the first variant that needs it.
    let mut base = BaseModel::open(&first.config, &device)?;
    ensure!(
        first.config.orders().len() == 1,
        "a study runs one order of the tasks, not {}",
        first.config.order
    );
    let mut prepared = PreparedTasks::load(&first.config, &base.tokenizer, plan.rows)?;
    if !args.general {
        prepared.general = None;
    }
    println!("{}: {}\n", plan.title, prepared.title(&first.config));
    for line in &base.warnings {
        println!("model: {line}");
    }
    for line in &prepared.remarks {
        println!("data: {line}");
    }
    for variant in &plan.variants {
        base.check(&variant.config, &device)?;
        ensure!(
            (
                &variant.config.model,
                &variant.config.data,
                &variant.config.order
            ) == (&first.config.model, &first.config.data, &first.config.order),
            "all variants of a study share model, data and order"
        );
    }

    // Variants that do not read the calibration text omit it from their identity.
    let reader = plan.variants.iter().find(|v| v.config.reads_base_rows());
    let contents = identities::of(&reader.unwrap_or(first).config, &base, &prepared)?;
    let (mut missing, mut names) = (Vec::new(), Vec::new());
    let mut index = 0;
    for &seed in &plan.seeds {
        for variant in &plan.variants {
            for &rate in &variant.learning_rates {
                let config = variant.at(rate)?;
                let identity = config.identity(&config, &variant.method, &contents)?;
                let name = file_name(&variant.label()?, rate, &identity, seed);
                ensure!(
                    !names.contains(&name),
                    "the plan names {} at {rate:e} with seed {seed} twice",
                    variant.label()?
                );
                names.push(name.clone());
                if args.part.is_none_or(|part| part.takes(index)) && !args.out.join(&name).is_file()
                {
                    missing.push((variant, config, seed, name, identity));
                }
                index += 1;
            }
        }
    }
    let folder = RunFolder::reopen(args.out)?;
    println!("{} of {index} runs to do here", missing.len());
    let work = missing.iter().map(|(variant, ..)| {
        let work = Work::new(&variant.config, &prepared, &variant.method)?;
        Ok(work.total() as u64)
    });
    let all: u64 = work.sum::<Result<u64>>()?;
    let progress = Progress::new(all);
    for (_, config, ..) in &missing {
        if base.calibration.is_none() {
            base.calibrate(config)?;
        }
    }
    let at_once = at_once(missing.len(), args.jobs, first.config.backend, &base.model);
    if at_once > 1 {
        println!("{at_once} at the same time (--jobs 1: one after the other)");
    }
    side_by_side(missing.len(), at_once, |index, _| {
        let (variant, config, seed, name, identity) = &missing[index];
        let rate = config.learning_rate(&variant.method);
        let label = format!("{} seed {seed}", variant.label()?);
        let job = Job {
            config,
            base: &base,
            prepared: &prepared,
            method: &variant.method,
            seed: *seed,
            label: &label,
            progress: &progress,
            on_screen: false,
        };
        match job::sequence(&job, None) {
            Ok(mut outcome) => {
                outcome.result.identity = Some(identity.clone());
                let json = serde_json::to_string_pretty(&outcome.result)?;
                folder.write(name, json.as_bytes())?;
            }
            // A diverging learning rate is a result and does not end the study.
            Err(error) if diverged(&error) => {
                progress.line(&format!("{label} lr {rate:e}: {error:#}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    progress.finish();
    Ok(())
}

fn file_name(label: &str, rate: f64, identity: &Identity, seed: u64) -> String {
    let stem = stem(&format!("{label} lr{rate:e}"), identity, seed);
    format!("result-{stem}.json")
}

/// All results so far.
fn results(folder: &Path) -> Result<Vec<RunResult>> {
    RunResult::read_all(folder)
}
