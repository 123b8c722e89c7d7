//! `experiments portability`: runs the same small job on every backend and compares the results
//! number by number.

mod compare;
mod job;
mod network;
mod page;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use clap::ValueEnum;
use osft::BasePrecision;
use report::record::RunFolder;
use runs::Backend;
use serde::Serialize;

use compare::{Comparison, compare};
use job::Outcome;

/// The settings of a comparison.
#[derive(Clone, Debug)]
pub struct PortabilitySettings {
    /// The backends to compare, the reference first; all if empty.
    pub backends: Vec<Backend>,
    /// Precision in which the job holds the weights that it splits.
    pub weights: HeldWeights,
    /// Whether a backend that is not available is an error.
    pub strict: bool,
    /// Folder of the report.
    pub out: Option<PathBuf>,
}

/// Precision in which the weights of OSFT's core form are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldWeights {
    /// That of the model, f32.
    Full,
    /// bf16: only the parts of the job in core coordinates, which can hold them so, and steps in mixed precision. Backends
    /// without bf16 fail.
    Bf16,
}

impl HeldWeights {
    fn precision(self) -> BasePrecision {
        match self {
            Self::Full => BasePrecision::Full,
            Self::Bf16 => BasePrecision::Bf16,
        }
    }
}

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
/// If a quantity deviates beyond its limit, a backend fails, or fewer than two backends ran; in a
/// strict comparison, also if a backend is not available.
pub fn run(settings: &PortabilitySettings) -> Result<()> {
    let mut backends = settings.backends.clone();
    if backends.is_empty() {
        backends.extend(Backend::ALL);
    }
    let folder = match &settings.out {
        Some(out) => Some(RunFolder::create(Some(out), "portability")?),
        None => None,
    };
    let mut computed_by = Vec::new();
    let results: Vec<(Backend, Status)> = backends
        .into_iter()
        .map(|backend| {
            let status = attempt(backend, settings.weights, &mut computed_by);
            (backend, status)
        })
        .collect();
    let comparison = compare(&results);
    println!("{}", page::table(&comparison, false));
    for line in page::remarks(&results) {
        println!("{line}");
    }
    if let Some(folder) = folder {
        let (weights, computed_by) = (settings.weights, computed_by.join(", "));
        page::write(&folder, weights, &comparison, &results, &computed_by)?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    verdict(&comparison, &results, settings.strict)
}

fn attempt(backend: Backend, weights: HeldWeights, computed_by: &mut Vec<String>) -> Status {
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
    match catch_unwind(AssertUnwindSafe(|| job::run(&device, weights.precision()))) {
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
