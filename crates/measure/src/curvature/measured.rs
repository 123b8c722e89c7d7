//! What the points of a layer say together.

use super::directions::Family;
use super::layer::Point;
use super::rank::{Correlation, Pairs, mean_over};

/// Relative difference of two curvatures, at a step and at half the step, above which they are said to disagree.
pub const DISAGREEMENT: f64 = 0.1;

/// A layer and its points.
#[derive(Clone, Debug)]
pub struct MeasuredLayer {
    /// Path of the weight.
    pub path: String,
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
    /// Its points.
    pub points: Vec<Point>,
}

/// How the points of a layer were measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Number of points.
    pub points: usize,
    /// Those whose curvature is larger than rounding explains.
    pub resolved: usize,
    /// Resolved ones with a curvature below 0.
    pub negative: usize,
    /// Resolved ones whose two steps disagree.
    pub disagreeing: usize,
    /// Median of the curvatures' sizes, in nats.
    pub median_curvature: f64,
    /// Median of the slopes' sizes, in nats.
    pub median_slope: f64,
}

impl MeasuredLayer {
    /// The layer's name: its path without the word that every path ends with.
    pub fn name(&self) -> &str {
        self.path.strip_suffix(".weight").unwrap_or(&self.path)
    }

    /// What kind of layer it is: the last part of its name.
    pub fn kind(&self) -> &str {
        self.name().rsplit('.').next().unwrap_or_default()
    }

    /// Values and curvatures of a set; the mean over the output directions where there are several.
    pub fn pairs(&self, family: Family) -> Pairs {
        let of = |output: usize| self.with_output(family, output);
        let outputs: Vec<Vec<&Point>> = self.outputs(family).map(of).collect();
        let Some(first) = outputs.first() else {
            return Pairs::new();
        };
        let mean = |index: usize| {
            let curvatures = outputs.iter().map(|points| points[index].curvature);
            curvatures.sum::<f64>() / outputs.len() as f64
        };
        let values = first.iter().enumerate();
        values
            .map(|(index, point)| (point.value, mean(index)))
            .collect()
    }

    /// The mean of a correlation over the single output directions of a set, as one direction of each place would have it.
    pub fn with_one_output(&self, family: Family, correlation: Correlation) -> Option<f64> {
        let pairs = self.outputs(family).map(|output| {
            let points = self.with_output(family, output).into_iter();
            points.map(|point| (point.value, point.curvature)).collect()
        });
        let pairs: Vec<Pairs> = pairs.collect();
        mean_over(&pairs, correlation)
    }

    /// How the points were measured.
    pub fn quality(&self) -> Quality {
        let resolved = || self.points.iter().filter(|p| p.measured().is_resolved());
        let disagrees = |point: &&Point| point.measured().disagreement() > DISAGREEMENT;
        Quality {
            points: self.points.len(),
            resolved: resolved().count(),
            negative: resolved().filter(|point| point.curvature < 0.0).count(),
            disagreeing: resolved().filter(disagrees).count(),
            median_curvature: median(self.points.iter().map(|point| point.curvature.abs())),
            median_slope: median(self.points.iter().map(|point| point.slope.abs())),
        }
    }

    /// The numbers of a set's output directions.
    fn outputs(&self, family: Family) -> impl Iterator<Item = usize> {
        let of = self.points.iter().filter(|point| point.family == family);
        let last = of.map(|point| point.output).max();
        let first = usize::from(family != Family::Singular);
        first..last.map_or(first, |last| last + 1)
    }

    fn with_output(&self, family: Family, output: usize) -> Vec<&Point> {
        let points = self.points.iter();
        points
            .filter(|point| (point.family, point.output) == (family, output))
            .collect()
    }
}

/// The middle of some numbers, the upper one of two; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::rank::spearman;
    use super::*;

    fn point(family: Family, output: usize, value: f64, curvature: f64, at_half: f64) -> Point {
        Point {
            family,
            place: 1,
            output,
            value,
            step: 1.0,
            curvature,
            curvature_at_half: at_half,
            slope: 0.5,
            standard_error: 0.1,
        }
    }

    fn layer() -> MeasuredLayer {
        use Family::{Inputs, Singular};
        MeasuredLayer {
            path: "layers.0.self_attn.q_proj.weight".to_string(),
            shape: [2, 2],
            points: vec![
                point(Singular, 0, 2.0, 1.0, 1.05),
                point(Singular, 0, 1.0, -3.0, -3.0),
                point(Inputs, 1, 9.0, 4.0, 8.0),
                point(Inputs, 1, 5.0, 0.2, 9.0),
                point(Inputs, 2, 9.0, 6.0, 6.0),
                point(Inputs, 2, 5.0, 7.0, 7.0),
            ],
        }
    }

    #[test]
    fn curvatures_are_means_over_the_output_directions() {
        let layer = layer();
        assert_eq!(layer.pairs(Family::Singular), [(2.0, 1.0), (1.0, -3.0)]);
        assert_eq!(layer.pairs(Family::Inputs), [(9.0, 5.0), (5.0, 3.6)]);
        assert_eq!(layer.pairs(Family::SingularInputs), []);
        // One output direction orders the two as the eigenvalues do, the other one the other way round.
        assert_eq!(layer.with_one_output(Family::Inputs, spearman), Some(0.0));
        assert_eq!(
            (layer.kind(), layer.name()),
            ("q_proj", "layers.0.self_attn.q_proj")
        );
    }

    #[test]
    fn only_resolved_points_are_negative_or_disagree() {
        // 0.2 is two standard errors, so that its other value at half the step says nothing.
        let expected = Quality {
            points: 6,
            resolved: 5,
            negative: 1,
            disagreeing: 1,
            median_curvature: 4.0,
            median_slope: 0.5,
        };
        assert_eq!(layer().quality(), expected);
    }
}
