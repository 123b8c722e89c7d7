//! `experiments portability`: runs the same small job on every backend and compares the results
//! number by number.

mod compare;
mod job;
mod network;
mod page;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Result, bail, ensure};

use report::record::RunFolder;
use runs::Backend;

use compare::{Comparison, compare};
use job::Outcome;

/// The outcome of one backend.
pub(crate) enum Status {
    /// It completed the job.
    Ran(Outcome),
    /// It is not available, for this reason.
    NotRun(String),
    /// It is available but failed, for this reason.
    Failed(String),
}

/// Runs the job on the given backends, or on all if none is given, and prints the comparison.
///
/// # Errors
///
/// If a quantity deviates beyond its limit, a backend fails, or fewer than two backends ran; with
/// `strict`, also if a backend is not available.
pub fn run(backends: &[Backend], strict: bool, out: Option<&Path>) -> Result<()> {
    let mut backends = backends.to_vec();
    if backends.is_empty() {
        backends.extend(Backend::ALL);
    }
    let folder = match out {
        Some(out) => Some(RunFolder::create(Some(out), "portability")?),
        None => None,
    };
    let mut computed_by = Vec::new();
    let results: Vec<(Backend, Status)> = backends
        .into_iter()
        .map(|backend| (backend, attempt(backend, &mut computed_by)))
        .collect();
    let comparison = compare(&results);
    println!("{}", page::table(&comparison, false));
    for line in page::remarks(&results) {
        println!("{line}");
    }
    if let Some(folder) = folder {
        page::write(&folder, &comparison, &results, &computed_by.join(", "))?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    verdict(&comparison, &results, strict)
}

fn attempt(backend: Backend, computed_by: &mut Vec<String>) -> Status {
    let name = backend.name();
    let device = match backend.device() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{name}: not run");
            return Status::NotRun(format!("{error:#}"));
        }
    };
    computed_by.push(backend.describe(&device));
    eprintln!("{name}: running");
    // A kernel that a driver refuses panics; the other backends are compared nevertheless.
    match catch_unwind(AssertUnwindSafe(|| job::run(&device))) {
        Ok(Ok(outcome)) => Status::Ran(outcome),
        Ok(Err(error)) => Status::Failed(format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Status::Failed(format!("panicked: {}", text.unwrap_or("no message")))
        }
    }
}

fn verdict(comparison: &Comparison, results: &[(Backend, Status)], strict: bool) -> Result<()> {
    let failed = comparison.failures();
    ensure!(
        failed == 0,
        "{failed} of {} figures are beyond their limits",
        comparison.figures()
    );
    for (backend, status) in results {
        match status {
            Status::Failed(reason) => bail!("{} broke off: {reason}", backend.name()),
            Status::NotRun(reason) if strict => {
                bail!("{} was not run: {reason}", backend.name());
            }
            _ => {}
        }
    }
    let ran = results.iter().filter(|(_, s)| matches!(s, Status::Ran(_)));
    ensure!(
        ran.count() >= 2,
        "fewer than two backends ran: there is nothing to compare"
    );
    Ok(())
}
