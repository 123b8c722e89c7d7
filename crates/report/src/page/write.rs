//! Writes `report.md` and its pictures.

use std::fmt::Write;

use anyhow::Result;
use benchmarks::Published;
use continual::Protocol;

use super::{
    Summary, format_table, html_page, likelihood_section, orders_table, published_section,
    summary_table,
};
use crate::picture::{Curve, CurvesPicture, MatrixPicture, curves, heat_map};
use crate::record::{Manifest, RunFolder};

/// The explanation of the table's columns.
const LEGEND: &str = "\
With `T` tasks and `R[i][j]` the score on task `j` after learning `i` tasks (0–100): \
AA `1/T Σ R[T][j]` (mean over tasks); BWT `1/(T-1) Σ_{j<T} (R[T][j] - R[j][j])`; \
FWT `1/(T-1) Σ_{j>1} (R[j-1][j] - R[0][j])`; \
forgetting `1/(T-1) Σ_{j<T} (max_{j≤t<T} R[t][j] - R[T][j])`; learning `1/T Σ R[j][j]`. \
General: the knowledge probe before → after. Seconds: what the method cost over all tasks, from before its \
split until its weights are merged and its data measured; the loss on validation rows is in it; scoring, \
measuring leaks, saving, and text that the model generates once for all methods are not. lr: peak \
learning rate, *tuned* where it was found on validation rows with these settings. ± is the standard \
deviation over seeds.";

/// Writes `report.md`, the same as one HTML file (`report.html`), `matrix.svg` and, if tasks are learned in sequence, `curves.svg`.
///
/// # Errors
///
/// If a picture cannot be drawn or the folder cannot be written.
pub fn write_report(
    folder: &RunFolder,
    manifest: &Manifest,
    summaries: &[Summary],
    published: Option<&Published>,
    notes: &str,
) -> Result<()> {
    folder.write(
        "matrix.svg",
        matrices(&manifest.title, summaries)?.as_bytes(),
    )?;
    // Without a method that learns in sequence there is no curve.
    let curves = learning_curves(summaries)?;
    if let Some(curves) = &curves {
        folder.write("curves.svg", curves.as_bytes())?;
    }

    let mut page = String::new();
    writeln!(page, "# {}\n", manifest.title)?;
    writeln!(page, "{}\n", summary_table(summaries, true))?;
    if let Some(table) = orders_table(summaries, true) {
        writeln!(page, "By order:\n\n{table}\n")?;
    }
    writeln!(page, "{LEGEND}{}\n", meanings(summaries))?;
    if let Some(table) = format_table(summaries, true) {
        writeln!(
            page,
            "Answers after the last task that are among the answers that their task allows, right or wrong:\n\n\
             {table}\n"
        )?;
    }
    if let Some(section) = likelihood_section(summaries) {
        page.push_str(&section);
    }
    writeln!(page, "![Result matrices](matrix.svg)\n")?;
    if curves.is_some() {
        writeln!(
            page,
            "![Mean score of the tasks learned so far](curves.svg)\n"
        )?;
    }
    if let Some(published) = published {
        writeln!(page, "{}", published_section(published))?;
    }
    page.push_str(&manifest.remarks());
    if !notes.is_empty() {
        writeln!(page, "{notes}\n")?;
    }
    writeln!(
        page,
        "{} {}",
        manifest.origin(),
        match folder.path().join("config.toml").is_file() {
            true =>
                "All settings are in `config.toml`, every step and score in `metrics.jsonl`, the \
                 matrices in `matrix-*.csv`, what every task did to every layer in `layers-*.csv`.",
            false => "Settings, steps and scores are in the folders of the runs.",
        }
    )?;
    let html = html_page(&manifest.title, &page, &|name| {
        std::fs::read_to_string(folder.path().join(name)).ok()
    });
    folder.write("report.html", html.as_bytes())?;
    folder.write("report.md", page.as_bytes())
}

/// The explanation of the methods' own figures, for a legend.
pub fn meanings<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> String {
    let mut text = String::new();
    for figure in Summary::columns(summaries) {
        if !figure.meaning.is_empty() {
            text.push_str(&format!(" {}: {}.", figure.name, figure.meaning));
        }
    }
    text
}

fn matrices(title: &str, summaries: &[Summary]) -> Result<String> {
    let scores: Vec<_> = summaries.iter().map(Summary::mean_scores).collect();
    let titles: Vec<String> = summaries.iter().map(Summary::label).collect();
    let panels: Vec<MatrixPicture<'_>> = summaries
        .iter()
        .zip(&scores)
        .zip(&titles)
        .map(|((summary, scores), title)| MatrixPicture {
            title,
            tasks: &summary.runs[0].tasks,
            scores,
        })
        .collect();
    heat_map(title, &panels)
}

/// A picture of the mean score over the learned tasks after each task, with its deviation over
/// seeds.
fn learning_curves(summaries: &[Summary]) -> Result<Option<String>> {
    let several = summaries.iter().any(|summary| summary.order.is_some());
    let longest = summaries.iter().map(|summary| summary.runs[0].tasks.len());
    let ticks: Vec<String> = match several {
        // Each order has another task at the same position.
        true => (1..=longest.max().unwrap_or(0))
            .map(|n| n.to_string())
            .collect(),
        false => summaries[0].runs[0].tasks.clone(),
    };
    let labels: Vec<String> = summaries.iter().map(Summary::label).collect();
    let lines: Vec<Curve<'_>> = summaries
        .iter()
        .zip(&labels)
        .filter(|(summary, _)| summary.runs[0].protocol == Protocol::Sequential)
        .map(|(summary, label)| {
            let (mut points, mut spread) = (Vec::new(), Vec::new());
            for learned in 1..=summary.runs[0].tasks.len() {
                let figure = summary.figure(|matrix| {
                    let known: Option<Vec<f64>> =
                        matrix.row(learned)[..learned].iter().copied().collect();
                    Some(known?.iter().sum::<f64>() / learned as f64)
                });
                if let Some((mean, deviation)) = figure {
                    points.push(((learned - 1) as f64, mean));
                    spread.push(deviation);
                }
            }
            Curve {
                label,
                points,
                spread,
            }
        })
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let picture = curves(&CurvesPicture {
        title: "Mean score of the tasks learned so far",
        x_label: match several {
            true => "tasks learned",
            false => "task just learned",
        },
        y_label: "score",
        x_ticks: &ticks,
        y_range: (0.0, 100.0),
        curves: &lines,
    })?;
    Ok(Some(picture))
}
