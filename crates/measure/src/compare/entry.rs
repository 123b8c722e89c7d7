//! One compared method: its runs at the reported learning rate, and at the others.

use anyhow::Result;
use continual::metrics;
use continual::{Protocol, ResultMatrix};
use report::page::{Summary, summarize};
use report::record::{DivergedRun, RunFolder, RunResult};

use crate::batch::{Batch, Ended, PlannedRun};
use crate::study::Variant;

/// A method at all of its learning rates.
pub struct Entry {
    /// The method with the settings that distinguish it.
    pub label: String,
    /// The learning rate that it is reported at.
    pub chosen: f64,
    /// Its runs by learning rate, in ascending order.
    pub rates: Vec<AtRate>,
    /// Runs that are planned and not in the folder.
    pub missing: usize,
}

/// The runs of a method at one learning rate.
pub struct AtRate {
    /// The learning rate.
    pub rate: f64,
    /// The runs with scores, over their seeds; `None` if there is none.
    pub scored: Option<Summary>,
    /// The runs that diverged.
    pub diverged: Vec<DivergedRun>,
}

impl Entry {
    /// Reads what the folder has of the runs of a variant.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn read(
        batch: &Batch,
        folder: &RunFolder,
        variant: &Variant,
        label: String,
        runs: &[&PlannedRun],
    ) -> Result<Self> {
        let mut rates = variant.learning_rates.clone();
        rates.sort_by(f64::total_cmp);
        let mut entry = Self {
            label,
            chosen: variant.learning_rates[0],
            rates: Vec::new(),
            missing: 0,
        };
        for rate in rates {
            let (mut scored, mut diverged) = (Vec::new(), Vec::new());
            let at_rate = |run: &&&PlannedRun| run.config.learning_rate(&run.method) == rate;
            for run in runs.iter().filter(at_rate) {
                match batch.ended(folder, run)? {
                    None => entry.missing += 1,
                    Some(Ended::Scored(result)) => scored.push(*result),
                    Some(Ended::Diverged(run)) => diverged.push(*run),
                }
            }
            let mut scored = match scored.is_empty() {
                true => None,
                false => summarize(&scored)?.pop(),
            };
            if let Some(summary) = &mut scored {
                summary.method.clone_from(&entry.label);
            }
            entry.rates.push(AtRate {
                rate,
                scored,
                diverged,
            });
        }
        Ok(entry)
    }

    /// The runs at the reported learning rate.
    pub fn reported(&self) -> Option<&AtRate> {
        self.rates.iter().find(|at| at.rate == self.chosen)
    }

    /// The runs with scores at the reported learning rate.
    pub fn scored(&self) -> Option<&Summary> {
        self.reported()?.scored.as_ref()
    }

    /// Whether it learns one task after another; the others are no continual learning, and say what can be
    /// reached.
    pub fn is_sequential(&self) -> bool {
        // At any rate: that of the table may have no run with scores.
        let mut runs = self.runs();
        runs.next()
            .is_some_and(|run| run.protocol == Protocol::Sequential)
    }

    /// Whether a run at the reported learning rate diverged: its mean is that of the seeds that are left.
    pub fn diverged(&self) -> bool {
        self.reported().is_some_and(|at| !at.diverged.is_empty())
    }

    /// The mean AA at the reported learning rate, over seeds.
    pub fn accuracy(&self) -> Option<f64> {
        let mean = self.scored()?.figure(metrics::average_accuracy)?;
        Some(mean.0)
    }

    /// Every run with scores, at every learning rate.
    pub fn runs(&self) -> impl Iterator<Item = &RunResult> {
        let scored = self.rates.iter().filter_map(|at| at.scored.as_ref());
        scored.flat_map(|summary| &summary.runs)
    }
}

/// Kept: the share of what was learned that is there in the end, `100 AA / learning`, in percent.
pub fn kept(matrix: &ResultMatrix) -> Option<f64> {
    let learning = metrics::learning_accuracy(matrix).filter(|learning| *learning > 0.0)?;
    Some(100.0 * metrics::average_accuracy(matrix)? / learning)
}

/// The mean share of answers in the right format after the last task, over the tasks that have a list of
/// allowed answers, in percent.
pub fn in_format(run: &RunResult) -> Option<f64> {
    let shares: Vec<f64> = run.in_format.iter().copied().flatten().collect();
    metrics::mean_and_deviation(&shares).map(|(mean, _)| mean)
}

/// How far the model is from the base model after the last task.
pub fn distance(run: &RunResult) -> Option<f64> {
    let figure = run.figures.iter().find(|figure| figure.name == "distance");
    figure.map(|figure| figure.value)
}
