//! `experiments portability`: the same small job on every backend, compared number by number.

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

/// What became of one backend.
pub(crate) enum Status {
    /// It did the whole job.
    Ran(Outcome),
    /// It is not there, for this reason.
    NotRun(String),
    /// It is there and broke off.
    Broke(String),
}

/// Runs the job everywhere, prints the comparison and fails if anything deviates: on the given backends, or on
/// all; where `strict`, also if one of them is not there.
///
/// # Errors
///
/// Figures beyond their limits, a backend that breaks off, fewer than two that ran.
pub fn run(backends: &[Backend], strict: bool, out: Option<&Path>) -> Result<()> {
    let mut backends = backends.to_vec();
    if backends.is_empty() {
        backends.extend(Backend::ALL);
    }
    let folder = match out {
        Some(out) => Some(RunFolder::create(Some(out), "portability")?),
        None => None,
    };
    let results: Vec<(Backend, Status)> = backends
        .into_iter()
        .map(|backend| (backend, attempt(backend)))
        .collect();
    let comparison = compare(&results);
    println!("{}", page::table(&comparison, false));
    for line in page::remarks(&results) {
        println!("{line}");
    }
    if let Some(folder) = folder {
        page::write(&folder, &comparison, &results)?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    verdict(&comparison, &results, strict)
}

fn attempt(backend: Backend) -> Status {
    let name = backend.name();
    let device = match backend.device() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{name}: not run");
            return Status::NotRun(format!("{error:#}"));
        }
    };
    eprintln!("{name}: running");
    // A kernel that a driver refuses panics; the other backends are compared all the same.
    match catch_unwind(AssertUnwindSafe(|| job::run(&device))) {
        Ok(Ok(outcome)) => Status::Ran(outcome),
        Ok(Err(error)) => Status::Broke(format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Status::Broke(format!("panicked: {}", text.unwrap_or("no message")))
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
            Status::Broke(reason) => bail!("{} broke off: {reason}", backend.name()),
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
