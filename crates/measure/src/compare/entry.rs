//! One compared method: its runs at the reported learning rate, and at the others.

use std::path::Path;

use anyhow::Result;
use continual::metrics;
use continual::{Protocol, ResultMatrix};
use evaluate::course::{self, Course};
use report::page::{Summary, summarize};
use report::record::{DivergedRun, RunResult};

use crate::batch::{Ended, PlannedRun};
use crate::study::Variant;

/// A method at all of its learning rates.
pub struct Entry {
    /// The method with the settings that distinguish it.
    pub label: String,
    /// The learning rate that it is reported at.
    pub chosen: f64,
    /// Its runs by learning rate, in ascending order.
    pub rates: Vec<AtRate>,
    /// What its runs at the reported learning rate reach on suites of general ability, in their course; those that
    /// measured some.
    pub courses: Vec<Course>,
}

/// The runs of a method at one learning rate.
pub struct AtRate {
    /// The learning rate.
    pub rate: f64,
    /// The runs with scores, over their seeds; `None` if there is none.
    pub scored: Option<Summary>,
    /// The runs that diverged.
    pub diverged: Vec<DivergedRun>,
    /// Seeds of the runs that are planned and not in the folder.
    pub missing: Vec<u64>,
}

impl AtRate {
    /// The seeds of the runs that have ended, with scores or without.
    pub fn ended(&self) -> Vec<u64> {
        let scored = self.scored.iter().flat_map(|summary| &summary.runs);
        let diverged = self.diverged.iter().map(|run| run.seed);
        scored.map(|run| run.seed).chain(diverged).collect()
    }

    /// The runs with scores over some of their seeds; `None` if there is none.
    pub fn over(&self, seeds: &[u64]) -> Option<Summary> {
        self.scored.as_ref()?.over(seeds)
    }
}

impl Entry {
    /// A method with what is known of its planned runs.
    ///
    /// # Errors
    ///
    /// If a result has an incomplete matrix, or the scores of suites in `folder` cannot be read.
    pub fn new(
        folder: &Path,
        variant: &Variant,
        label: String,
        mut runs: Vec<(&PlannedRun, Option<Ended>)>,
    ) -> Result<Self> {
        let mut planned = variant.learning_rates.clone();
        planned.sort_by(f64::total_cmp);
        planned.dedup();
        let mut courses = Vec::new();
        for (run, ended) in &runs {
            let reported = run.config.learning_rate(&run.method) == variant.learning_rates[0];
            if let (true, Some(Ended::Scored(_))) = (reported, ended) {
                let course = course::read(folder, &run.stem)?;
                courses.extend(course.filter(|course| course.last().is_some()));
            }
        }
        let mut rates = Vec::new();
        for rate in planned {
            let at_rate = |run: &PlannedRun| run.config.learning_rate(&run.method) == rate;
            let (own, others): (Vec<_>, Vec<_>) =
                runs.into_iter().partition(|(run, _)| at_rate(run));
            runs = others;
            let mut at = AtRate {
                rate,
                scored: None,
                diverged: Vec::new(),
                missing: Vec::new(),
            };
            let mut results = Vec::new();
            for (run, ended) in own {
                match ended {
                    None => at.missing.push(run.seed),
                    Some(Ended::Scored(result)) => results.push(*result),
                    Some(Ended::Diverged(run)) => at.diverged.push(*run),
                }
            }
            if !results.is_empty() {
                at.scored = summarize(&results)?.pop();
            }
            if let Some(summary) = &mut at.scored {
                summary.method.clone_from(&label);
            }
            rates.push(at);
        }
        Ok(Self {
            label,
            chosen: variant.learning_rates[0],
            rates,
            courses,
        })
    }

    /// The learning rates of which a run has ended.
    pub fn tried(&self) -> impl Iterator<Item = &AtRate> {
        self.rates.iter().filter(|at| !at.ended().is_empty())
    }

    /// The seeds that have ended at every learning rate that was tried: on these, rates can be compared.
    pub fn common_seeds(&self) -> Vec<u64> {
        let mut tried = self.tried();
        let mut common = tried.next().map_or_else(Vec::new, AtRate::ended);
        for at in tried {
            let own = at.ended();
            common.retain(|seed| own.contains(seed));
        }
        common.sort_unstable();
        common
    }

    /// How many runs at the reported learning rate have scores.
    pub fn scored_seeds(&self) -> usize {
        self.scored().map_or(0, |summary| summary.runs.len())
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
