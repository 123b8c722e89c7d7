//! The best trial of every method, as a file of settings.

use std::collections::BTreeMap;

use anyhow::Result;
use continual::{Protocol, ResultMatrix, metrics};
use runs::settings::RunConfig;
use toml::{Table, Value};

use super::trial::Trial;
use crate::batch::Ended;

/// Name of the file with the chosen settings.
pub const TUNED_FILE: &str = "tuned.toml";

/// What a trial found: means over orders and seeds.
pub struct Outcome<'a> {
    /// The trial.
    pub trial: &'a Trial,
    /// AA on the validation rows; `None` if a run diverged.
    pub accuracy: Option<f64>,
    /// BWT; `None` if a run diverged, there is only one task, or tasks are not learned one after another.
    pub transfer: Option<f64>,
    /// Mean score right after each task; `None` as for BWT.
    pub learning: Option<f64>,
    /// Runs that diverged.
    pub diverged: usize,
}

impl<'a> Outcome<'a> {
    /// What the runs of a trial found.
    ///
    /// # Errors
    ///
    /// If a result has an incomplete matrix.
    pub fn new(trial: &'a Trial, runs: &[Ended]) -> Result<Self> {
        let (mut matrices, mut diverged, mut sequential) = (Vec::new(), 0, true);
        for run in runs {
            match run {
                Ended::Scored(result) => {
                    sequential &= result.protocol == Protocol::Sequential;
                    matrices.push(result.matrix()?);
                }
                Ended::Diverged(_) => diverged += 1,
            }
        }
        let mean = |figure: fn(&ResultMatrix) -> Option<f64>| {
            let values: Option<Vec<f64>> = matrices.iter().map(figure).collect();
            let values = values.filter(|_| diverged == 0)?;
            metrics::mean_and_deviation(&values).map(|(mean, _)| mean)
        };
        Ok(Self {
            trial,
            accuracy: mean(metrics::average_accuracy),
            transfer: mean(metrics::backward_transfer).filter(|_| sequential),
            learning: mean(metrics::learning_accuracy).filter(|_| sequential),
            diverged,
        })
    }
}

/// The trial of a method with the highest AA, the first of equals; `None` if all of them diverged.
pub fn chosen<'a, 'b>(method: &str, outcomes: &'a [Outcome<'b>]) -> Option<&'a Outcome<'b>> {
    let mut best: Option<(&Outcome<'_>, f64)> = None;
    for outcome in outcomes.iter().filter(|o| o.trial.method == method) {
        if let Some(accuracy) = outcome.accuracy
            && best.is_none_or(|(_, highest)| accuracy > highest)
        {
            best = Some((outcome, accuracy));
        }
    }
    best.map(|(outcome, _)| outcome)
}

/// The chosen settings as TOML, for `--config`: learning rates, what they are tuned for, and the settings of
/// methods that were tried beside. A rate gets its mark only with `rates_are_searched`: where several were tried, on all
/// tasks.
///
/// # Errors
///
/// If the settings cannot be written as TOML.
pub fn tuned(
    config: &RunConfig,
    outcomes: &[Outcome<'_>],
    rates_are_searched: bool,
) -> Result<String> {
    let mut text = String::from("[learning_rates]\n");
    let mut marks = String::from("\n[tuned]\n");
    let mut methods = BTreeMap::new();
    for method in &config.compare {
        let Some(best) = chosen(method, outcomes) else {
            continue;
        };
        let trial = best.trial;
        text.push_str(&format!("{method} = {:e}\n", trial.rate));
        let rates = outcomes.iter().map(|outcome| outcome.trial);
        let mut rates = rates.filter(|other| other.method == *method);
        if rates.any(|other| other.rate != trial.rate) {
            let mark = trial.config.tuned_for(method)?;
            marks.push_str(&format!("{method} = \"{mark}\"\n"));
        }
        // All settings of the method: the defaults of the others may depend on what was tried.
        if !trial.tried.is_empty() {
            let own = trial.config.method(method).clone();
            methods.insert(method.clone(), Value::Table(own));
        }
    }
    if rates_are_searched {
        text.push_str(&marks);
    }
    if !methods.is_empty() {
        let methods = Value::Table(methods.into_iter().collect());
        let all = Table::from_iter([("methods".to_string(), methods)]);
        text.push('\n');
        text.push_str(&toml::to_string(&all)?);
    }
    Ok(text)
}
