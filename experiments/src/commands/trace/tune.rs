//! `experiments trace --tune`: learning rates by the validation split, one grid for all methods.

use anyhow::Result;
use comfy_table::{Table, presets};
use continual::metrics;

use super::prepare::{Prepared, Split};
use super::{Base, execute, start};
use crate::cli::TraceArgs;
use crate::config::{RunConfig, ScoringName};
use crate::progress::Progress;

/// Tries every learning rate of the grid for every method; the one with the highest average
/// accuracy on the validation split is the method's.
pub fn run(config: &RunConfig, base: &Base, args: &TraceArgs) -> Result<()> {
    let mut config = config.clone();
    config.scoring = ScoringName::Final;
    config.calibration.save = false;
    let mut prepared = Prepared::load(&config, &base.tokenizer, Split::Validation)?;
    prepared.general = None;
    let title = format!("Tuning on validation rows: {}", prepared.title(&config));
    let (folder, _, mut log) = start("tune", title.clone(), &config, args)?;
    println!("{title}\n");

    let runs = config.methods.len() * config.tune_grid.len() * config.seeds.len();
    let progress = Progress::new((runs * execute::work(&config, &prepared)) as u64);
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
                let outcome = execute::sequence(
                    &config,
                    base,
                    &prepared,
                    method,
                    seed,
                    &progress,
                    &mut |name, event| log.event(name, seed, event),
                );
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
    let page = format!("# {title}\n\n{table}\n\nChosen by AA:\n\n```toml\n{best}```\n");
    folder.write("report.md", page.as_bytes())?;
    println!("report: {}", folder.path().join("report.md").display());
    Ok(())
}
