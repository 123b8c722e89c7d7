//! A run: reads, learns, measures, exports.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use report::record::{MetricsLog, RunFolder, check_writable};
use runs::base::BaseModel;
use runs::sequence::{SequenceRequest, run_prepared};
use runs::settings::RunConfig;
use runs::suites::GeneralSuites;

use crate::carried::{self, State};
use crate::export;
use crate::measured::Measured;
use crate::settings;
use crate::task::TaskReader;
use crate::unused;

/// Suffix of the folder in which a run stays until its model is complete.
const RUNNING: &str = ".running";

/// Where a run goes.
#[derive(Clone, Copy, Debug)]
pub struct FinetuneRequest<'a> {
    /// Folder of the trained model; must not exist.
    pub out: &'a Path,
    /// Whether to go on with a run that was stopped.
    pub resume: bool,
    /// Whether to draw the run on the terminal, if there is one.
    pub tui: bool,
}

impl FinetuneRequest<'_> {
    /// The folder of the run while its model is not complete.
    pub fn running(&self) -> PathBuf {
        let mut name = self.out.file_name().unwrap_or_default().to_os_string();
        name.push(RUNNING);
        self.out.with_file_name(name)
    }

    /// Checks that the run neither overwrites anything nor goes on with nothing.
    ///
    /// # Errors
    ///
    /// If the output exists, or the run's folder does not fit `resume`.
    pub fn check(&self) -> Result<()> {
        refuse_existing(self.out)?;
        let (out, running) = (self.out.display(), self.running());
        // A folder in which nothing could be written is no run.
        let empty = std::fs::read_dir(&running).map_or(true, |mut files| files.next().is_none());
        ensure!(
            !MetricsLog::is_in_use(&running),
            "another process is running in {}: wait for it, or end it first",
            running.display()
        );
        match (self.resume, running.is_dir() && !empty) {
            (false, true) => bail!(
                "a run to {out} was stopped before it was complete: add --resume to go on with it, or remove {}",
                running.display()
            ),
            (true, false) => bail!(
                "there is nothing to resume: {} does not exist or is empty",
                running.display()
            ),
            _ => Ok(()),
        }
    }
}

/// Checks settings that can be wrong whatever the model is, and returns what is exported.
///
/// # Errors
///
/// If the method cannot learn one more task, or a setting is unknown or has no effect.
pub(crate) fn check(config: &RunConfig) -> Result<export::ExportFormat> {
    let method = settings::method(config)?;
    let own = settings::rows(config)?;
    let protocol = config.kind(method)?.protocol();
    ensure!(
        protocol == continual::Protocol::Sequential,
        "{method} needs all tasks at once or a model for each: it cannot learn one more task"
    );
    unused::refuse(config)?;
    export::precision(&own.dtype)?;
    let format = export::ExportFormat::named(&own.format)?;
    if format == export::ExportFormat::Adapter && !config.kind(method)?.learns_adapter() {
        let kinds = config.registries.methods.iter();
        let kinds = kinds.filter(|kind| kind.learns_adapter());
        let names: Vec<&str> = kinds.map(|kind| kind.name()).collect();
        bail!(
            "--format adapter: {method} learns no adapter that stays apart; choose one of {}",
            names.join(", ")
        );
    }
    ensure!(
        own.max_new_tokens > 0,
        "--max-new-tokens must be at least 1; --questions 0 generates no answers"
    );
    ensure!(
        config.epochs > 0,
        "--epochs 0 learns nothing: expected at least 1"
    );
    ensure!(
        format == export::ExportFormat::Model || own.dtype.is_empty() || own.dtype == "auto",
        "--dtype {}: adapters are written in f32; give the type to `osft merge`",
        own.dtype
    );
    ensure!(
        own.answer_after.is_empty() || own.questions > 0,
        "--answer-after: no answer is compared with --questions 0"
    );
    ensure!(
        config.calibration.file().is_none() || config.reads_base_rows(),
        "--calibration-text: {method} does not read it"
    );
    Ok(format)
}

/// Checks that an output is a new folder, below folders, which can be written.
///
/// # Errors
///
/// If it is not.
pub(crate) fn refuse_existing(path: &Path) -> Result<()> {
    let out = path.display();
    ensure!(
        path.file_name().is_some(),
        "--out {out}: expected the name of a new folder"
    );
    ensure!(
        path.symlink_metadata().is_err(),
        "{out} exists already; choose another --out, so that nothing is overwritten"
    );
    let ancestors = path.ancestors().skip(1);
    // A link that leads nowhere is there too.
    let nearest = ancestors
        .into_iter()
        .find(|folder| folder.symlink_metadata().is_ok());
    ensure!(
        nearest.is_none_or(Path::is_dir),
        "--out {out} is below {}, which is not a folder",
        nearest.unwrap_or(path).display()
    );
    check_writable(path)
}

/// Learns one task, and writes the trained model with its card.
///
/// # Errors
///
/// An error in model, rows or output, before anything is learned; then the first error of the run.
pub fn run(config: &RunConfig, request: &FinetuneRequest<'_>) -> Result<()> {
    request.check()?;
    let method = settings::method(config)?.to_string();
    let format = check(config)?;
    let device = config.backend.device()?.autodiff();
    let mut base = BaseModel::open(config, &device)?;
    let source = base.folder.path().to_path_buf();
    let state = State::read(&source)?;
    ensure!(
        format == export::ExportFormat::Model || state.is_none(),
        "--format adapter: {} has learned tasks by `osft finetune`; an adapter is written for one task from a model \
         without such tasks: leave --format out",
        source.display()
    );
    // Finds a target that does not exist before anything is learned.
    let kind = config.kind(&method)?;
    kind.memory(config.method(&method), &base.model)?;
    if format == export::ExportFormat::Adapter {
        export::check_targets(config.method(&method), &base)?;
    }
    if let Some(state) = &state {
        base.carried = Some(state.carried(&source, &method)?);
        carried::check_protection(config, &source, &method)?;
        runs::job::check_carried(config, &base, &method)?;
        base.warnings.extend(unused::of_base(config)?);
        if state.weights != base.fingerprint.weights {
            base.warnings.push(format!(
                "the weights of {} are not those that its tasks were learned with: what protects them is of the \
                 earlier weights",
                source.display()
            ));
        }
    }
    let own = settings::rows(config)?;
    // Two tasks of one name could not be told apart. The settings keep the name that was asked for, so that the same command
    // goes on with the run.
    let name = match &state {
        Some(state) => state.free_name(&own.task),
        None => own.task.clone(),
    };
    let reader = TaskReader::open(&base.folder, config)?;
    let task = reader.task(config, &name)?;
    let earlier = reader.earlier(state.as_ref(), &source, own)?;
    let mut texts = Vec::new();
    for path in &own.texts {
        let (rows, remark) = reader.text(path)?;
        base.warnings.extend(remark);
        texts.push((text_name(path, &own.texts), rows));
    }
    let of_earlier = earlier.iter().flat_map(|set| set.remarks.iter().cloned());
    base.warnings.extend(of_earlier);
    let suites = GeneralSuites::around(config, &base)?;
    base.calibrate(config, std::slice::from_ref(&task.prepared))?;
    let running = request.running();
    let resumes = format!(
        "the same command with --resume (its folder is {})",
        running.display()
    );
    let sequence = SequenceRequest {
        out: Some(&running),
        resume: request.resume.then_some(running.as_path()),
        tui: request.tui,
        continue_with: Some(&resumes),
        ..SequenceRequest::default()
    };
    let measured = Measured {
        config,
        base: &base,
        task: &task,
        earlier: &earlier,
        texts: &texts,
        suites: suites.as_ref(),
        state: state.as_ref(),
    };
    let folder = run_prepared(
        config,
        &base,
        &task.prepared,
        &sequence,
        &mut |manifest, outcome| measured.export(manifest, outcome, &running),
    )?;
    complete(&folder, request.out)
}

/// The name of a text file on the card: its path where another file has its name.
fn text_name(path: &Path, all: &[PathBuf]) -> String {
    let name = path.file_name().unwrap_or_default();
    let same = all.iter().filter(|other| other.file_name() == Some(name));
    match same.count() > 1 {
        true => path.display().to_string(),
        false => name.to_string_lossy().into_owned(),
    }
}

/// Moves a complete model to its place, and removes the run's folder.
fn complete(folder: &RunFolder, out: &Path) -> Result<()> {
    export::complete(folder, out)?;
    println!(
        "\nmodel: {}\ncard:  {}\npage:  {}",
        out.display(),
        out.join("README.md").display(),
        out.join("osft/report.html").display()
    );
    Ok(())
}
