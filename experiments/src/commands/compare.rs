//! `experiments compare`: all methods side by side.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use clap::ArgMatches;
use measure::compare::{self, CompareRequest};
use measure::study::{Plan, Variant};
use runs::Registries;
use runs::data::ScoredRows;
use runs::settings::RunConfig;

use crate::cli::{CompareArgs, typed_flags};

/// Runs what is missing, and reports.
pub fn run(registries: &Registries, args: &CompareArgs, matches: &ArgMatches) -> Result<()> {
    let (mut variants, seeds, rows) = match &args.plan {
        Some(path) => {
            let plan = Plan::read(registries, path, &[])?;
            check_plan(&plan, path, args, &typed_flags(registries, matches))?;
            for variant in &plan.variants {
                ensure!(
                    variant.learning_rates.len() == 1,
                    "{} has {} learning rates in {}: a comparison reports every variant at one, which was \
                     chosen on validation rows; --curves adds others",
                    variant.label()?,
                    variant.learning_rates.len(),
                    path.display()
                );
            }
            (plan.variants, plan.seeds, plan.rows)
        }
        None => {
            let config = args.settings(registries, matches)?;
            let variant = |method: &String| {
                Ok(Variant {
                    method: method.clone(),
                    learning_rates: vec![config.common_learning_rate(method)?],
                    pictures: Vec::new(),
                    // What the others need is not this variant's matter.
                    config: RunConfig {
                        compare: vec![method.clone()],
                        ..config.clone()
                    },
                })
            };
            let variants = config.compare.iter().map(variant).collect::<Result<_>>()?;
            (variants, config.seeds.clone(), ScoredRows::Test)
        }
    };
    if args.curves {
        for variant in &mut variants {
            for &rate in &variant.config.tune_grid {
                if !variant.learning_rates.contains(&rate) {
                    variant.learning_rates.push(rate);
                }
            }
        }
    }
    let curve_seeds = match args.curve_seeds.is_empty() {
        true => seeds.iter().copied().take(1).collect(),
        false => args.curve_seeds.clone(),
    };
    ensure!(
        !args.curves || curve_seeds.iter().any(|seed| seeds.contains(seed)),
        "--curve-seeds shares no seed with --seeds, so that no curve would have a point in common with the reported rate: \
         name one of {}",
        seeds
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    );
    compare::run(&CompareRequest {
        variants: &variants,
        seeds: &seeds,
        curve_seeds: &curve_seeds,
        rows,
        reference: args.reference.as_deref(),
        out: &args.out,
        jobs: args.jobs,
        report_only: args.report,
    })
}

/// Checks that nothing was typed that a plan says, and otherwise.
fn check_plan(
    plan: &Plan,
    path: &Path,
    args: &CompareArgs,
    flags: &[(String, &'static str)],
) -> Result<()> {
    if let Some(benchmark) = &args.benchmark {
        ensure!(
            *benchmark == plan.benchmark,
            "{} is a plan for `experiments {}`, not for `experiments {benchmark}`: its `benchmark` says which",
            path.display(),
            plan.benchmark
        );
    }
    if let Some((_, flag)) = flags.first() {
        bail!(
            "--{flag} has no effect with --plan: set it as a setting of a variant in {}",
            path.display()
        );
    }
    Ok(())
}
