//! Models on the straight line between the base model and a trained one, scored on all tasks: the
//! whole curve of WiSE-FT from one run.

use anyhow::{Result, ensure};
use continual::methods::between;
use continual::{
    ContinualError, EvaluationSet, LabelScores, Protocol, evaluate, evaluate_by_likelihood,
};
use lm::Model;
use report::page::{empty_table, with_numbers};
use serde::{Deserialize, Serialize};

use crate::base::BaseModel;
use crate::data::PreparedTasks;
use crate::interrupt;
use crate::settings::RunConfig;

/// The scores of a model on the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointOnLine {
    /// Its share `a` of the change: `W_base + a (W_trained - W_base)`.
    pub share: f64,
    /// Its scores on the tasks in their order, in `[0, 100]`.
    pub scores: Vec<f64>,
    /// Its score of the general-knowledge probe, if there is one.
    pub general: Option<f64>,
}

/// Checks that shares are in `[0, 1]`.
///
/// # Errors
///
/// For the first one that is not.
pub fn check_shares(shares: &[f64]) -> Result<()> {
    for share in shares {
        ensure!(
            (0.0..=1.0).contains(share),
            "--interpolate {share} is out of range: a share of the change is from 0 (the base model) to 1 (the \
             trained model)"
        );
    }
    Ok(())
}

/// Whether a trained model of a protocol has a line to the base model: independent models are many.
pub fn has_line(protocol: Protocol) -> bool {
    protocol != Protocol::Independent
}

/// Scores the models at `shares` of the way from the base model to `trained`.
///
/// # Errors
///
/// If an answer cannot be decoded, or the process was asked to stop.
pub fn measure(
    config: &RunConfig,
    base: &BaseModel,
    prepared: &PreparedTasks,
    trained: &Model,
    shares: &[f64],
) -> Result<Vec<PointOnLine>> {
    let point = |&share: &f64| -> Result<PointOnLine> {
        let model = between(&base.model, trained.clone(), share);
        let score = |set: &EvaluationSet| -> Result<f64> {
            let mut on_answers = |_| match interrupt::requested() {
                true => Err(ContinualError::Interrupted),
                false => Ok(()),
            };
            let (batch, decoding) = (config.evaluation_batch, config.decoding.decoding());
            let tokenizer = &base.tokenizer;
            if config.label_scores == LabelScores::Instead {
                let found = evaluate_by_likelihood(&model, tokenizer, set, batch, &mut on_answers)?;
                if let Some(found) = found {
                    return Ok(found.score);
                }
            }
            Ok(evaluate(&model, tokenizer, set, batch, decoding, &mut on_answers)?.score)
        };
        let scores = prepared.tasks.iter().map(|task| score(&task.evaluation));
        Ok(PointOnLine {
            share,
            scores: scores.collect::<Result<_>>()?,
            general: prepared.general.as_ref().map(score).transpose()?,
        })
    };
    shares.iter().map(point).collect()
}

/// The section of a report: every point with its mean score and its general knowledge.
pub fn section(title: &str, points: &[PointOnLine]) -> String {
    let mut table = empty_table(true);
    table.set_header(["share of the change", "AA", "general"]);
    for point in points {
        let mean = point.scores.iter().sum::<f64>() / point.scores.len().max(1) as f64;
        let general = point
            .general
            .map_or("–".into(), |score| format!("{score:.1}"));
        table.add_row([point.share.to_string(), format!("{mean:.1}"), general]);
    }
    let table = with_numbers(table);
    format!(
        "## Between the base model and the trained one: {title}\n\n{table}\n\nEach row is the model `W_base + a \
         (W_trained - W_base)` after all tasks, `a` being the share.\n\n"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_share_outside_the_line_is_refused() {
        assert!(check_shares(&[0.0, 0.25, 1.0]).is_ok());
        for share in [-0.1, 1.5, f64::NAN] {
            let error = check_shares(&[0.5, share]).unwrap_err().to_string();
            assert!(error.contains("out of range"), "{error}");
        }
    }

    #[test]
    fn a_section_shows_the_mean_over_tasks() {
        let points = [
            PointOnLine {
                share: 0.25,
                scores: vec![10.0, 20.0],
                general: Some(99.5),
            },
            PointOnLine {
                share: 1.0,
                scores: vec![60.0, 80.0],
                general: None,
            },
        ];
        let text = section("seqft, seed 0", &points);
        for row in [["0.25", "15.0", "99.5"], ["1", "70.0", "–"]] {
            let found = text.lines().any(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                cells.get(1..4).is_some_and(|cells| cells == row)
            });
            assert!(found, "{row:?} in {text}");
        }
    }
}
