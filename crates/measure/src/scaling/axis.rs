//! The axes along which the measurements of a bench differ.

use crate::bench::{Case, Row, Shape, Spec};

/// A quantity that varies while everything else stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Width of the hidden states.
    Width,
    /// Tokens per step.
    Tokens,
    /// Length of the sequence, whose last task is timed.
    Tasks,
    /// Protected share.
    Share,
}

impl Axis {
    /// All axes, in the order of the report.
    pub const ALL: [Self; 4] = [Self::Width, Self::Tokens, Self::Tasks, Self::Share];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Tokens => "tokens",
            Self::Tasks => "tasks",
            Self::Share => "protected share",
        }
    }

    /// The position of a specification on the axis; `None` if it has none.
    fn position(self, spec: &Spec) -> Option<f64> {
        match (self, spec.shape) {
            (Self::Width, Shape::Llama { width, .. }) => Some(width as f64),
            (Self::Width, _) => None,
            (Self::Tokens, _) => Some(spec.tokens as f64),
            (Self::Tasks, _) => Some(f64::from(spec.tasks)),
            (Self::Share, _) => spec.share,
        }
    }

    /// The specification with its position on the axis removed: equal for all points of a series.
    fn origin(self, spec: &Spec) -> Spec {
        let mut origin = Spec {
            steps: 0,
            ..spec.clone()
        };
        match (self, &mut origin.shape) {
            (Self::Width, Shape::Llama { width, .. }) => *width = 0,
            (Self::Width, _) => {}
            (Self::Tokens, _) => origin.tokens = 0,
            (Self::Tasks, _) => origin.tasks = 1,
            (Self::Share, _) => {
                origin.label = spec.name();
                origin.share = None;
            }
        }
        origin
    }
}

/// One variant along an axis.
pub struct Series<'a> {
    /// The variant, with everything that stays the same.
    pub label: String,
    /// Positions on the axis in ascending order, each with its measurement and the measurement of
    /// plain fine-tuning.
    pub points: Vec<(f64, &'a Row, &'a Row)>,
}

/// All series along an axis with at least three positions, each measured in one call of the bench.
pub fn along<'a>(axis: Axis, benches: &'a [Vec<Case>]) -> Vec<Series<'a>> {
    let mut all = Vec::new();
    for (place, cases) in benches.iter().enumerate() {
        let mut series: Vec<(Spec, Series<'a>)> = Vec::new();
        for case in cases {
            for row in &case.rows {
                let Some(position) = axis.position(&row.spec) else {
                    continue;
                };
                let (origin, point) = (axis.origin(&row.spec), (position, row, case.plain_of(row)));
                match series.iter_mut().find(|(other, _)| *other == origin) {
                    Some((_, series)) => series.points.push(point),
                    None => series.push((
                        origin.clone(),
                        Series {
                            label: label(axis, &row.spec, &origin),
                            points: vec![point],
                        },
                    )),
                }
            }
        }
        all.extend(series.into_iter().map(|(_, series)| (place, series)));
    }
    for (_, series) in &mut all {
        series.points.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
        series.points.dedup_by(|(a, ..), (b, ..)| a == b);
    }
    all.retain(|(_, series)| series.points.len() >= 3);
    told_apart(all)
}

/// The series, of which those of one name get the number of their measurement, from 1.
fn told_apart(all: Vec<(usize, Series<'_>)>) -> Vec<Series<'_>> {
    let labels: Vec<String> = all.iter().map(|(_, series)| series.label.clone()).collect();
    let is_repeated = |label: &String| labels.iter().filter(|other| *other == label).count() > 1;
    let numbered = all.into_iter().map(|(place, mut series)| {
        if is_repeated(&series.label) {
            series.label += &format!(", measurement {}", place + 1);
        }
        series
    });
    numbered.collect()
}

/// Name of a series: `row` is any of its measurements, `origin` what they share.
fn label(axis: Axis, row: &Spec, origin: &Spec) -> String {
    let shape = match (axis, origin.shape) {
        (Axis::Width, Shape::Llama { blocks, .. }) => match blocks {
            1 => "1 block".to_string(),
            _ => format!("{blocks} blocks"),
        },
        (_, shape) => shape.to_string(),
    };
    let tokens = match axis {
        Axis::Tokens => String::new(),
        _ => format!(", {} tokens", origin.tokens),
    };
    // The splits come from a cache, so that the memory excludes making them.
    let found = match (&row.split_cache, row.share.is_some()) {
        (Some(_), true) => ", splits found",
        _ => "",
    };
    format!("{} ({shape}{tokens}{found})", origin.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_told_apart_by_their_measurement() {
        let series = |place: usize, label: &str| {
            let label = label.to_string();
            let points = Vec::new();
            (place, Series { label, points })
        };
        let all = vec![series(0, "plain"), series(0, "core"), series(1, "plain")];
        let labels = told_apart(all).into_iter().map(|series| series.label);
        let expected = ["plain, measurement 1", "core", "plain, measurement 2"];
        assert_eq!(labels.collect::<Vec<_>>(), expected);
    }
}
