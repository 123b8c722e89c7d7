//! `experiments report`: finished runs side by side.

use anyhow::{Result, ensure};
use benchmarks::{Suite, published};

use crate::cli::ReportArgs;
use crate::report::{matrix_table, summarize, summary_table, write_report};
use crate::run::{Manifest, RunFolder, RunResult};

/// Joins the results of runs, prints the table and, if asked, writes the page with its pictures.
pub fn run(args: &ReportArgs) -> Result<()> {
    let mut results = Vec::new();
    let mut titles = Vec::new();
    for folder in &args.runs {
        results.extend(RunResult::read_all(folder)?);
        let manifest = Manifest::read(folder)?;
        if !titles.contains(&manifest.title) {
            titles.push(manifest.title);
        }
    }
    for other in &results[1..] {
        ensure!(
            other.tasks == results[0].tasks,
            "the runs learn different tasks, or in another order: {} and {}",
            results[0].tasks.join(", "),
            other.tasks.join(", ")
        );
    }
    let summaries = summarize(&results)?;
    for title in &titles {
        println!("{title}");
    }
    for summary in &summaries {
        println!("\n{}\n{}", summary.method, matrix_table(summary));
    }
    println!("\n{}", summary_table(&summaries, false));
    if let Some(out) = &args.out {
        let folder = RunFolder::create(Some(out), "report")?;
        let manifest = Manifest::new(titles.join("; "), "as in the runs");
        // A report knows the tasks, not the suite; TRACE's are known by name.
        let trace = Suite::trace();
        let known = |task: &String| trace.tasks.iter().any(|spec| spec.name == *task);
        let published = results[0]
            .tasks
            .iter()
            .all(known)
            .then(|| published(&trace));
        write_report(
            &folder,
            &manifest,
            &summaries,
            published.flatten().as_ref(),
            "",
        )?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    Ok(())
}
