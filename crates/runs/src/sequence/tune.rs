//! Tunes learning rates on the validation split, with one grid for all methods: `experiments trace
//! --tune`.

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use continual::{ResultMatrix, metrics};

use report::record::RunResult;

use super::SequenceRequest;
use super::identities::contents;
use super::jobs::{self, PlannedJob, run_all};
use super::start::StartedRun;
use crate::base::BaseModel;
use crate::data::PreparedTasks;
use crate::job::Outcome;
use crate::settings::{RunConfig, ScoringName};

/// Tries every learning rate of the grid with every method, and chooses the rate with the highest
/// average accuracy on the validation split.
///
/// # Errors
///
/// The first error of a job, except divergence.
pub fn run(
    config: &RunConfig,
    base: &BaseModel,
    orders: &[PreparedTasks],
    request: &SequenceRequest<'_>,
) -> Result<()> {
    let mut config = config.clone();
    config.scoring = ScoringName::Final;
    config.calibration.save = false;
    let contents = contents(&config, base, orders)?;
    let mut planned = Vec::new();
    for method in &config.compare {
        for &rate in &config.tune_grid {
            let mut config = config.clone();
            config.learning_rates.insert(method.clone(), rate);
            for (prepared, contents) in orders.iter().zip(&contents) {
                for &seed in &config.seeds {
                    let mut ordered = config.with_order(&prepared.order)?;
                    // The rate to try overrides a rate that an order sets.
                    ordered.learning_rates.insert(method.clone(), rate);
                    let label = format!("{} lr{rate:e}", ordered.label(method)?);
                    let (settings, tasks) = ((&config, ordered), (prepared, orders));
                    planned.push(PlannedJob::new(
                        settings, tasks, contents, method, seed, label,
                    )?);
                }
            }
        }
    }
    jobs::name_apart(&mut planned);
    let going = request.going(planned.len(), &config, base);
    let started = StartedRun::open(
        &config,
        base,
        orders,
        &contents,
        &planned,
        (request, going.at_once),
    )?;
    let mut ignore = |_: &PlannedJob<'_>, _: &Outcome| Ok(());
    let outcome = run_all(&planned, base, &started, going, &mut ignore);
    let results = outcome.with_context(|| started.what_is_saved())?;

    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["method", "lr", "AA", "BWT", "learning"]);
    let mut rates = String::from("[learning_rates]\n");
    let mut tuned = String::from("[tuned]\n");
    let mut groups = results.chunks(orders.len() * config.seeds.len());
    for method in &config.compare {
        let mut chosen: Option<(f64, f64)> = None;
        for (&rate, results) in config.tune_grid.iter().zip(&mut groups) {
            let shown = |value: Option<f64>| value.map_or("–".into(), |v| format!("{v:.1}"));
            let accuracy = mean(results, metrics::average_accuracy)?;
            table.add_row([
                method.clone(),
                format!("{rate:e}"),
                shown(accuracy),
                shown(mean(results, metrics::backward_transfer)?),
                shown(mean(results, metrics::learning_accuracy)?),
            ]);
            if let Some(accuracy) = accuracy
                && chosen.is_none_or(|(_, highest)| accuracy > highest)
            {
                chosen = Some((rate, accuracy));
            }
        }
        if let Some((rate, _)) = chosen {
            let mut chosen = config.clone();
            chosen.learning_rates.insert(method.clone(), rate);
            tuned.push_str(&format!("{} = \"{}\"\n", method, chosen.tuned_for(method)?));
            rates.push_str(&format!("{method} = {rate:e}\n"));
        }
    }
    let best = format!("{rates}\n{tuned}");
    println!("{table}\n\n{best}");
    let title = &started.manifest.title;
    let origin = started.manifest.origin();
    let remarks = started.manifest.remarks();
    let page = format!(
        "# {title}\n\n{table}\n\nChosen by AA:\n\n```toml\n{best}```\n\n{remarks}{origin}\n"
    );
    started.folder.write("report.md", page.as_bytes())?;
    let report = started.folder.path().join("report.md");
    println!("report: {}", report.display());
    Ok(())
}

/// Mean of a figure over orders and seeds; `None` if a job diverged or lacks the figure.
fn mean(
    results: &[Option<RunResult>],
    figure: fn(&ResultMatrix) -> Option<f64>,
) -> Result<Option<f64>> {
    let mut values = Vec::new();
    for result in results {
        let Some(result) = result else {
            return Ok(None);
        };
        match figure(&result.matrix()?) {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    Ok(metrics::mean_and_deviation(&values).map(|(mean, _)| mean))
}
