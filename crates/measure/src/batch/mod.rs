//! Runs of one model on the same rows, each of which leaves one file: what studies, searches and
//! comparisons have in common.
//!
//! A run is known by everything that can change its numbers. So a folder that is filled again takes what it
//! has, and runs what is missing: after a kill, with more seeds, or with one more method.

mod cost;
mod go;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use evaluate::course;
use report::record::{Contents, DivergedRun, Identity, RunFolder, RunResult, stem};
use runs::base::BaseModel;
use runs::data::{PreparedTasks, ScoredRows};
use runs::job::Work;
use runs::sequence::identities;
use runs::settings::RunConfig;
use runs::suites::GeneralSuites;

pub use cost::Cost;

/// The model and the rows that all runs of a batch share.
pub struct Batch {
    /// The model that every run starts from.
    pub base: BaseModel,
    /// The rows of every order.
    pub orders: Vec<PreparedTasks>,
    /// Suites of general ability that every run measures in its course.
    pub suites: Option<GeneralSuites>,
    device: Device,
    contents: Vec<Contents>,
}

/// One method with one seed on one order, with all of its settings.
#[derive(Clone)]
pub struct PlannedRun {
    /// The method.
    pub method: String,
    /// The method with the settings that distinguish it.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// Its settings on its order.
    pub config: RunConfig,
    /// Number of its order.
    pub order: usize,
    /// Everything that can change a number.
    pub identity: Identity,
    /// The stem of its file.
    pub stem: String,
    /// Whether it measures the suites of the batch.
    pub measures_suites: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// With scores.
    Scored(Box<RunResult>),
    /// With a loss or a gradient that was not finite.
    Diverged(Box<DivergedRun>),
}

/// Opens a folder for results, or makes it. `others` are files of other commands beside those of `trace`.
///
/// # Errors
///
/// If another command wrote the folder: its report would be replaced.
pub fn own_folder(path: &Path, others: &[&str]) -> Result<RunFolder> {
    for file in others.iter().chain(&["run.json"]) {
        ensure!(
            !path.join(file).exists(),
            "{} has {file}, so another command wrote it: choose another --out",
            path.display()
        );
    }
    RunFolder::reopen(path)
}

impl Batch {
    /// Opens the model and the rows of the first of `configs`, and checks that every other one can run on
    /// them.
    ///
    /// # Errors
    ///
    /// A model or rows that cannot be read or do not fit the settings, and settings that ask for another
    /// model, other rows or other orders.
    pub fn open(configs: &[&RunConfig], rows: ScoredRows) -> Result<Self> {
        let first = *configs.first().context("there is nothing to run")?;
        let device = first.backend.device()?.autodiff();
        let base = BaseModel::open(first, &device)?;
        let orders = PreparedTasks::load_orders(first, &base.tokenizer, rows)?;
        let mut batch = Self {
            base,
            orders,
            suites: None,
            device,
            contents: Vec::new(),
        };
        for config in configs {
            batch.check(config)?;
            ensure!(
                (&config.model, &config.data, &config.order)
                    == (&first.model, &first.data, &first.order),
                "all runs of a folder share model, data and order"
            );
        }
        // Runs that do not read the calibration text omit it from their identity.
        let reader = configs.iter().find(|config| config.reads_base_rows());
        batch.contents =
            identities::contents(reader.unwrap_or(&first), &batch.base, &batch.orders)?;
        Ok(batch)
    }

    /// Checks that settings can run on the model and its device.
    ///
    /// # Errors
    ///
    /// As [`BaseModel::check`].
    pub fn check(&self, config: &RunConfig) -> Result<()> {
        self.base.check(config, &self.device)
    }

    /// Opens the suites of general ability that settings name, measures the base model on them, and keeps its scores in
    /// the folder.
    ///
    /// # Errors
    ///
    /// As [`GeneralSuites::before`], and if the folder cannot be written.
    pub fn measure_suites(&mut self, config: &RunConfig, folder: &RunFolder) -> Result<()> {
        self.suites = GeneralSuites::before(config, &self.base)?;
        match &self.suites {
            Some(suites) => suites.keep_base(folder),
            None => Ok(()),
        }
    }

    /// How runs ended, in their order; `None` for those that have no file in the folder yet, or none of the suites that
    /// the batch measures. Reads every file once.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is of another run.
    pub fn ended(&self, folder: &RunFolder, runs: &[PlannedRun]) -> Result<Vec<Option<Ended>>> {
        let mut all = Vec::new();
        for run in runs {
            let ended = run.ended(folder)?;
            let measured = match (&self.suites, &ended) {
                (Some(suites), Some(Ended::Scored(result))) if run.measures_suites => {
                    let course = course::read(folder.path(), &run.stem)?;
                    let count = result.tasks.len();
                    suites.are_in(course.as_ref(), result.protocol, count)
                }
                _ => true,
            };
            all.push(ended.filter(|_| measured));
        }
        Ok(all)
    }

    /// Leaves out the probe of general knowledge.
    ///
    /// # Errors
    ///
    /// If a row cannot be read.
    pub fn without_general(mut self) -> Result<Self> {
        for (order, contents) in self.orders.iter_mut().zip(&mut self.contents) {
            order.general = None;
            let rows = order.rows()?;
            (contents.rows, contents.general) = (rows.all, rows.general);
        }
        Ok(self)
    }

    /// What there is to say about model and data, in sentences.
    pub fn remarks(&self) -> Vec<String> {
        let model = self.base.warnings.iter();
        let mut remarks: Vec<String> = model.map(|line| format!("Model: {line}.")).collect();
        for line in self.orders.iter().flat_map(|order| &order.remarks) {
            let line = format!("Data: {line}.");
            if !remarks.contains(&line) {
                remarks.push(line);
            }
        }
        remarks
    }

    /// Prints what there is to say about model and data.
    pub fn print_remarks(&self) {
        for line in self.remarks() {
            println!("{line}");
        }
    }

    /// Plans a method with a seed at a learning rate, once for every order.
    ///
    /// # Errors
    ///
    /// If the rate is out of range, or an order has settings that are.
    pub fn plan(
        &self,
        config: &RunConfig,
        method: &str,
        rate: f64,
        seed: u64,
    ) -> Result<Vec<PlannedRun>> {
        let mut config = config.clone();
        config.learning_rates.insert(method.to_string(), rate);
        config.calibration.save = false;
        config.train_config(method).validate()?;
        let mut planned = Vec::new();
        for (index, (prepared, contents)) in self.orders.iter().zip(&self.contents).enumerate() {
            let mut ordered = config.with_order(&prepared.order)?;
            // An order may have a rate of its own.
            ordered.learning_rates.insert(method.to_string(), rate);
            let label = ordered.label(method)?;
            let identity = config.identity(&ordered, method, contents)?;
            let name = prepared.among(&self.orders, &format!("{label} lr{rate:e}"));
            planned.push(PlannedRun {
                stem: stem(&name, &identity, seed),
                method: method.to_string(),
                config: ordered,
                order: index,
                identity,
                label,
                seed,
                measures_suites: true,
            });
        }
        Ok(planned)
    }

    /// The suites that a run measures.
    fn suites_of(&self, run: &PlannedRun) -> Option<&GeneralSuites> {
        self.suites.as_ref().filter(|_| run.measures_suites)
    }

    /// Rows to train on and questions to answer.
    ///
    /// # Errors
    ///
    /// If there is no such method.
    pub fn work(&self, run: &PlannedRun) -> Result<Work> {
        let work = Work::new(&run.config, &self.orders[run.order], &run.method)?;
        Ok(work.with_suites(self.suites_of(run)))
    }
}

impl Ended {
    /// The revision of the program that made the run; `None` for results from before revisions were recorded.
    pub fn revision(&self) -> Option<&str> {
        match self {
            Self::Scored(run) => run.revision.as_deref(),
            Self::Diverged(run) => Some(&run.revision),
        }
    }
}

impl PlannedRun {
    fn ended(&self, folder: &RunFolder) -> Result<Option<Ended>> {
        let scored = RunResult::read(folder, &self.stem)?;
        let ended = match scored {
            Some(mut result) => {
                // Whether its rate was searched is said by the settings of now: it is no part of what a run is known by.
                result.tuned = Some(self.config.is_tuned(&self.method));
                Some(Ended::Scored(Box::new(result)))
            }
            None => DivergedRun::read(folder.path(), &self.stem)?
                .map(|run| Ended::Diverged(Box::new(run))),
        };
        let (identity, seed, rate) = match &ended {
            Some(Ended::Scored(run)) => (run.identity.as_ref(), run.seed, run.learning_rate),
            Some(Ended::Diverged(run)) => (Some(&run.identity), run.seed, run.learning_rate),
            None => return Ok(None),
        };
        ensure!(
            identity.is_some_and(|identity| identity.key == self.identity.key)
                && seed == self.seed
                && rate == self.config.learning_rate(&self.method),
            "the file of {} in {} is of another run: remove it, or take another folder",
            self.stem,
            folder.path().display()
        );
        Ok(ended)
    }
}
