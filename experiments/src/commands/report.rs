//! `experiments report`: finished runs side by side.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use report::page::{
    likelihood_note, likelihood_table, matrix_table, orders_table, several_revisions, summarize,
    summary_table, write_report,
};
use report::record::{Manifest, RunFolder, RunResult};
use runs::Registries;

use crate::cli::ReportArgs;

/// Joins the results of runs, prints the table and, if asked, writes the page with its pictures.
pub fn run(registries: &Registries, args: &ReportArgs) -> Result<()> {
    let mut results: Vec<RunResult> = Vec::new();
    let (mut titles, mut suites): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut revisions: Vec<String> = Vec::new();
    let mut joined = Manifest::new(String::new(), "as in the runs");
    let mut machines: Vec<String> = Vec::new();
    for folder in &args.runs {
        let found = RunResult::read_all(folder)?;
        let manifest = Manifest::read(folder)?;
        if found.len() < manifest.runs {
            let missing = format!(
                "{} is not finished: {} of {} runs have a result",
                folder.display(),
                found.len(),
                manifest.runs
            );
            eprintln!("warning: {missing}");
            joined.data.push(missing);
        }
        for mut result in found {
            result.scale.clone_from(&manifest.title);
            result
                .revision
                .get_or_insert_with(|| manifest.revision.clone());
            results.push(result);
        }
        let own = results.iter().filter(|result| result.folder == *folder);
        let own = own.filter_map(|result| result.revision.clone());
        extend_new(&mut machines, vec![manifest.machine()]);
        let own: BTreeSet<String> = own
            .chain(manifest.resumed_by)
            .chain([manifest.revision])
            .collect();
        revisions.extend(own);
        joined.at_once = joined.at_once.max(manifest.at_once);
        extend_new(&mut joined.data, manifest.data);
        extend_new(&mut joined.model, manifest.model);
        suites.push(suite_of(registries, manifest.suite, &results));
        if !titles.contains(&manifest.title) {
            titles.push(manifest.title);
        }
    }
    if let Some(other) = suites.iter().find(|other| **other != suites[0]) {
        bail!(
            "the runs are over different suites: {} and {other}",
            suites[0]
        );
    }
    for other in &results[1..] {
        let (first, same) = (&results[0], other.tasks == results[0].tasks);
        // Other orders stand side by side where it is known which they are.
        let known = |result: &RunResult| result.order.parse::<usize>().is_ok();
        ensure!(
            same || known(first) && known(other) && first.order != other.order,
            "the runs learn different tasks, or in another order: {} and {}",
            first.tasks.join(", "),
            other.tasks.join(", ")
        );
    }
    let summaries = summarize(&results)?;
    for title in &titles {
        println!("{title}");
    }
    let notes = several_revisions(revisions.iter().map(String::as_str)).unwrap_or_default();
    if !notes.is_empty() {
        eprintln!("warning: {notes}");
    }
    for summary in &summaries {
        println!("\n{}\n{}", summary.label(), matrix_table(summary));
    }
    println!("\n{}", summary_table(&summaries, false));
    if let Some(table) = orders_table(&summaries, false) {
        println!("\n{table}");
    }
    if let Some(table) = likelihood_table(&summaries, false) {
        println!("\ngenerated answers and the likeliest labels\n{table}");
    }
    if let Some(note) = likelihood_note(&summaries) {
        println!("\n{note}");
    }
    if let Some(out) = &args.out {
        let folder = RunFolder::create(Some(out), "report")?;
        joined.title = titles.join("; ");
        joined.machines = machines;
        let mut orders: Vec<&str> = results.iter().map(|r| r.order.as_str()).collect();
        orders.dedup();
        let published = match suites.first() {
            Some(suite) => registries.benchmarks.published(suite, &orders)?,
            None => None,
        };
        write_report(&folder, &joined, &summaries, published.as_ref(), &notes)?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

/// Takes over what is not there yet.
fn extend_new(all: &mut Vec<String>, lines: Vec<String>) {
    for line in lines {
        if !all.contains(&line) {
            all.push(line);
        }
    }
}

/// The suite of a run; one that did not record it is that of the benchmark that has all of its tasks.
fn suite_of(registries: &Registries, recorded: String, results: &[RunResult]) -> String {
    if !recorded.is_empty() {
        return recorded;
    }
    let has_all = |suite: &benchmarks::Suite| {
        let mut tasks = results.iter().flat_map(|result| &result.tasks);
        tasks.all(|task| suite.tasks.iter().any(|spec| spec.name == *task))
    };
    let mut suites = registries.benchmarks.iter().map(|entry| entry.suite());
    suites.find(has_all).map_or(recorded, |suite| suite.name)
}
