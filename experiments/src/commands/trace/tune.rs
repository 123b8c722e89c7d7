//! `experiments trace --tune`: learning rates by the validation split, one grid for all methods.

use std::cell::RefCell;

use anyhow::Result;
use comfy_table::{Table, presets};
use continual::metrics;

use super::execute::{self, Job, method_label};
use super::prepare::Prepared;
use super::start::Started;
use super::{Base, work};
use crate::cli::TraceArgs;
use crate::config::{RunConfig, ScoringName};
use crate::progress::Progress;
use crate::run::Recorder;

/// Tries every learning rate of the grid for every method; the one with the highest average
/// accuracy on the validation split is the method's.
pub fn run(
    config: &RunConfig,
    base: &Base,
    mut prepared: Prepared,
    args: &TraceArgs,
) -> Result<()> {
    let mut config = config.clone();
    config.scoring = ScoringName::Final;
    config.calibration.save = false;
    prepared.general = None;
    let mut started = Started::open("tune", &config, &prepared, args)?;
    let runs = config.tune_grid.len();
    let progress = Progress::new((runs * work::total(&config, &prepared)) as u64);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["method", "lr", "AA", "BWT", "learning"]);
    let mut best = String::from("[learning_rates]\n");
    for &method in &config.methods {
        let mut chosen: Option<(f64, f64)> = None;
        for &rate in &config.tune_grid {
            config.learning_rates.insert(method, rate);
            let mut results = Vec::new();
            for &seed in &config.seeds {
                let job = Job {
                    config: &config,
                    base,
                    prepared: &prepared,
                    method,
                    seed,
                    progress: &progress,
                };
                let label = method_label(&config, method);
                let recorder = RefCell::new(Recorder::new(&mut started.log, &label, seed));
                let outcome = execute::sequence(&job, Some(&recorder));
                match outcome {
                    Ok(outcome) => results.push(outcome.result.matrix()?),
                    // A rate that diverges is a result of the search, not its end.
                    Err(error) => progress.line(&format!("lr {rate:e}: {error:#}")),
                }
            }
            let mean = |figure: fn(&continual::ResultMatrix) -> Option<f64>| {
                let values: Option<Vec<f64>> = results.iter().map(figure).collect();
                let complete = values.filter(|v| v.len() == config.seeds.len())?;
                metrics::mean_and_deviation(&complete).map(|(mean, _)| mean)
            };
            let shown = |value: Option<f64>| value.map_or("–".into(), |v| format!("{v:.1}"));
            let accuracy = mean(metrics::average_accuracy);
            table.add_row([
                method.name().to_string(),
                format!("{rate:e}"),
                shown(accuracy),
                shown(mean(metrics::backward_transfer)),
                shown(mean(metrics::learning_accuracy)),
            ]);
            if let Some(accuracy) = accuracy
                && chosen.is_none_or(|(_, highest)| accuracy > highest)
            {
                chosen = Some((rate, accuracy));
            }
        }
        if let Some((rate, _)) = chosen {
            best.push_str(&format!("{} = {rate:e}\n", method.name()));
        }
    }
    progress.finish();
    println!("{table}\n\n{best}");
    let title = &started.manifest.title;
    let folder = &started.folder;
    let page = format!("# {title}\n\n{table}\n\nChosen by AA:\n\n```toml\n{best}```\n");
    folder.write("report.md", page.as_bytes())?;
    println!("report: {}", folder.path().join("report.md").display());
    Ok(())
}
