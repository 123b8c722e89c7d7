//! `experiments report`: finished runs side by side.

use anyhow::{Context, Result, ensure};

use crate::cli::ReportArgs;
use crate::report::{matrix_table, summarize, summary_table, write_report};
use crate::run::{Manifest, RunFolder, RunResult};

/// Joins the results of runs, prints the table and, if asked, writes the page with its pictures.
pub fn run(args: &ReportArgs) -> Result<()> {
    let mut results = Vec::new();
    let mut titles = Vec::new();
    for folder in &args.runs {
        results.extend(RunResult::read_all(folder)?);
        let path = folder.join("run.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Manifest =
            serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
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
        write_report(&folder, &manifest, &summaries, "")?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    Ok(())
}
