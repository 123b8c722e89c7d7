//! `experiments compare`: every method with every seed on one suite, and one report on all of them.

mod csv;
mod entry;
mod page;
mod pictures;
mod rates;
mod statistics;
mod student;
mod suites;
mod table;

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use report::page::likelihood_table;
use runs::data::ScoredRows;
use runs::settings::RunConfig;

use crate::batch::{Batch, Ended, PlannedRun, own_folder};
use crate::study::{Variant, labels};
use entry::Entry;
pub use statistics::{Interval, Paired, rank_correlation};

/// What to compare, and where the runs go.
#[derive(Clone, Copy)]
pub struct CompareRequest<'a> {
    /// The methods with their settings. The first learning rate of each is the one that it is reported at; the
    /// others draw its curve.
    pub variants: &'a [Variant],
    /// Seeds of the reported runs.
    pub seeds: &'a [u64],
    /// Seeds of the runs at the other learning rates.
    pub curve_seeds: &'a [u64],
    /// The split whose rows are scored.
    pub rows: ScoredRows,
    /// Method or label of the variant that the others are compared with; the first one if absent.
    pub reference: Option<&'a str>,
    /// Folder with one file per run.
    pub out: &'a Path,
    /// How many runs go on at the same time; as many as a small model leaves cores for, if absent.
    pub jobs: Option<NonZeroUsize>,
    /// Whether to report on the runs that the folder has, and to run nothing.
    pub report_only: bool,
}

/// Runs what the folder lacks, and reports on everything in it that is planned.
///
/// # Errors
///
/// Settings, a model or rows that cannot be used, and the first error of a run, except divergence.
pub fn run(request: &CompareRequest<'_>) -> Result<()> {
    let variants = request.variants;
    let first = variants.first().context("there is nothing to compare")?;
    ensure!(
        first.config.orders().len() == 1,
        "a comparison runs one order of the tasks, not {}: name it with --order, and take a folder for each",
        first.config.order
    );
    let labels = labels(variants)?;
    let reference = match request.reference {
        None => 0,
        Some(name) => place_of(name, variants, &labels)?,
    };
    let configs: Vec<_> = variants.iter().map(|variant| &variant.config).collect();
    let mut batch = Batch::open(&configs, request.rows)?;
    let titled = RunConfig {
        seeds: request.seeds.to_vec(),
        ..first.config.clone()
    };
    let title = format!("Comparison: {}", batch.orders[0].title(&titled));
    println!("{title}\n");
    batch.print_remarks();
    let (places, runs): (Vec<usize>, Vec<PlannedRun>) = plan(request, &batch)?.into_iter().unzip();
    println!("{}: {}\n", summary(request), labels.join(", "));
    ensure!(
        !request.report_only || request.out.is_dir(),
        "there is no folder {} to report on",
        request.out.display()
    );
    let folder = own_folder(request.out, &["tuned.toml", "study.csv"])?;
    if !request.report_only {
        batch.measure_suites(&first.config, &folder)?;
    }
    let mut ended = batch.ended(&folder, &runs)?;
    if !request.report_only {
        let all = batch.run(&folder, &runs, ended, request.jobs)?;
        ended = all.into_iter().map(Some).collect();
    }
    let mut own: Vec<Vec<(&PlannedRun, Option<Ended>)>> = vec![Vec::new(); variants.len()];
    for ((place, run), ended) in places.into_iter().zip(&runs).zip(ended) {
        own[place].push((run, ended));
    }
    let named = variants.iter().zip(labels).zip(own);
    let entries =
        named.map(|((variant, label), own)| Entry::new(folder.path(), variant, label, own));
    let entries = entries.collect::<Result<Vec<Entry>>>()?;
    ensure!(
        !request.report_only || entries.iter().any(|entry| entry.tried().next().is_some()),
        "{} holds no run with these settings: give the flags that the comparison was run with",
        request.out.display()
    );
    let page = page::Page {
        title: &title,
        remarks: &batch.remarks(),
        scored: request.rows.name(),
        computed_by: &first
            .config
            .backend
            .describe(&first.config.backend.device()?),
        entries: &entries,
        reference,
    };
    page.write(&folder)?;
    println!("{}", table::methods(&entries, false));
    let summaries = entries.iter().filter_map(Entry::scored);
    if let Some(table) = likelihood_table(summaries, false) {
        println!("\ngenerated answers and the likeliest labels\n{table}");
    }
    println!("\nreport: {}", folder.path().join("report.md").display());
    Ok(())
}

/// The place of the variant with a label, or of the only one of a method.
fn place_of(name: &str, variants: &[Variant], labels: &[String]) -> Result<usize> {
    if let Some(place) = labels.iter().position(|label| label == name) {
        return Ok(place);
    }
    let of_method = variants.iter().enumerate();
    let of_method: Vec<usize> = of_method
        .filter(|(_, variant)| variant.method == name)
        .map(|(place, _)| place)
        .collect();
    match of_method.as_slice() {
        [place] => Ok(*place),
        _ => bail!(
            "--reference {name:?} must name one of what is compared: {}",
            labels.join(", ")
        ),
    }
}

/// All runs, each with the place of its variant: seed by seed, so that every method has a result early, and
/// the curves last.
fn plan(request: &CompareRequest<'_>, batch: &Batch) -> Result<Vec<(usize, PlannedRun)>> {
    let mut planned: Vec<(usize, PlannedRun)> = Vec::new();
    let mut add = |place: usize, rate: f64, seed: u64| -> Result<()> {
        let variant = &request.variants[place];
        for mut run in batch.plan(&variant.config, &variant.method, rate, seed)? {
            // The report shows suites at the reported rate only.
            run.measures_suites = rate == variant.learning_rates[0];
            let twin = planned.iter().find(|(_, other)| other.stem == run.stem);
            ensure!(
                twin.is_none_or(|(other, _)| *other == place),
                "{} is compared twice with the same settings",
                run.label
            );
            if twin.is_none() {
                planned.push((place, run));
            }
        }
        Ok(())
    };
    for &seed in request.seeds {
        for (place, variant) in request.variants.iter().enumerate() {
            add(place, variant.learning_rates[0], seed)?;
        }
    }
    for &seed in request.curve_seeds {
        for (place, variant) in request.variants.iter().enumerate() {
            for &rate in &variant.learning_rates[1..] {
                add(place, rate, seed)?;
            }
        }
    }
    Ok(planned)
}

/// A number of seeds in words.
fn seeds(seeds: &[u64]) -> String {
    match seeds.len() {
        1 => "1 seed".to_string(),
        count => format!("{count} seeds"),
    }
}

/// What is planned, in a sentence.
fn summary(request: &CompareRequest<'_>) -> String {
    let others = request.variants.iter().map(|v| v.learning_rates.len() - 1);
    let curves = match others.sum::<usize>() {
        0 => String::new(),
        rates => format!(
            ", and {rates} other learning rates with {} each",
            seeds(request.curve_seeds)
        ),
    };
    format!(
        "{} methods with {} each{curves}",
        request.variants.len(),
        seeds(request.seeds)
    )
}
