//! The second-order change of a loss along one direction, by central differences.

use anyhow::{Result, ensure};

/// Second difference that a step must cause, in multiples of the loss's rounding: the curvature is then known to about a
/// thousandth, and at half the step, where the difference is a quarter, to four thousandths.
const DIFFERENCE_OVER_ROUNDING: f64 = 1000.0;

/// The same as a share of the loss, for losses that hardly round: a smaller one would measure the rounding of f64.
const DIFFERENCE_OVER_LOSS: f64 = 1e-6;

/// A second difference that is further off than this factor is measured again with another step.
const CLOSE_ENOUGH: f64 = 4.0;

/// Longest change of the step from one try to the next.
const LONGEST_CHANGE: f64 = 32.0;

/// Steps that are tried for one direction.
const TRIES: usize = 3;

/// Fewest and most losses that one direction takes: two for every try, two more at half the step.
pub const LOSSES_PER_DIRECTION: [usize; 2] = [4, 2 * TRIES + 2];

/// A loss at its starting point, and what bounds the steps away from it.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Loss at the start, in nats.
    pub loss: f64,
    /// Root mean square of second differences that rounding alone causes, in nats.
    pub rounding: f64,
    /// Longest step, in the unit of the direction.
    pub longest_step: f64,
}

/// What was measured along one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The step ε, in the unit of the direction.
    pub step: f64,
    /// `(L(ε) - 2 L(0) + L(-ε)) / ε²`.
    pub curvature: f64,
    /// The same with half the step.
    pub curvature_at_half: f64,
    /// The first-order part, `(L(ε) - L(-ε)) / 2ε`.
    pub slope: f64,
    /// Standard error of `curvature` by the rounding of the loss.
    pub standard_error: f64,
}

/// Measures the curvature along one direction; `loss` is the loss at a signed distance from the start, in nats.
///
/// The step is the one whose second difference is a thousand times the rounding, but never longer than
/// [`Start::longest_step`]: a shorter one would measure rounding, a longer one the fourth order. `first_step` is where
/// the search begins.
///
/// # Errors
///
/// A loss that is not finite, and the errors of `loss`.
pub fn along(
    start: &Start,
    first_step: f64,
    loss: &mut dyn FnMut(f64) -> Result<f64>,
) -> Result<Measured> {
    let rounding = start.rounding.max(f64::EPSILON * start.loss.abs());
    let wanted = (DIFFERENCE_OVER_ROUNDING * rounding).max(DIFFERENCE_OVER_LOSS * start.loss.abs());
    let mut step = first_step.min(start.longest_step);
    let mut losses = around(step, loss)?;
    for _ in 1..TRIES {
        let difference = losses.second_difference(start.loss).abs();
        let factor = (wanted / difference).sqrt();
        let is_close = (1.0 / CLOSE_ENOUGH..=CLOSE_ENOUGH).contains(&(difference / wanted));
        let is_longest = step >= start.longest_step && difference < wanted;
        if is_close || is_longest {
            break;
        }
        let factor = factor.clamp(1.0 / LONGEST_CHANGE, LONGEST_CHANGE);
        step = (step * factor).min(start.longest_step);
        losses = around(step, loss)?;
    }
    let half = 0.5 * step;
    let at_half = around(half, loss)?;
    Ok(Measured {
        step,
        curvature: losses.second_difference(start.loss) / step.powi(2),
        curvature_at_half: at_half.second_difference(start.loss) / half.powi(2),
        slope: (losses.ahead - losses.behind) / (2.0 * step),
        standard_error: rounding / step.powi(2),
    })
}

impl Measured {
    /// Whether the curvature is larger than what rounding explains: four standard errors, which rounding reaches once in
    /// 16,000 directions if it is normally distributed.
    pub fn is_resolved(&self) -> bool {
        self.curvature.abs() > 4.0 * self.standard_error
    }

    /// Difference of the curvatures at the step and at half the step, relative to the larger of the two; 0 if both are 0.
    pub fn disagreement(&self) -> f64 {
        let larger = self.curvature.abs().max(self.curvature_at_half.abs());
        match larger > 0.0 {
            true => (self.curvature - self.curvature_at_half).abs() / larger,
            false => 0.0,
        }
    }
}

/// The second difference of a loss at one distance from its start, in nats.
///
/// # Errors
///
/// As [`along`].
pub fn second_difference(
    at_start: f64,
    step: f64,
    loss: &mut dyn FnMut(f64) -> Result<f64>,
) -> Result<f64> {
    Ok(around(step, loss)?.second_difference(at_start))
}

/// Losses on both sides of the start.
struct Around {
    ahead: f64,
    behind: f64,
}

impl Around {
    fn second_difference(&self, at_start: f64) -> f64 {
        // Two small differences: the sum of the losses would round first.
        (self.ahead - at_start) + (self.behind - at_start)
    }
}

fn around(step: f64, loss: &mut dyn FnMut(f64) -> Result<f64>) -> Result<Around> {
    let mut finite = |distance: f64| {
        let value = loss(distance)?;
        ensure!(
            value.is_finite(),
            "the loss is {value} at distance {distance:e} from the model: the model does not predict these rows"
        );
        Ok(value)
    };
    Ok(Around {
        ahead: finite(step)?,
        behind: finite(-step)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const START: Start = Start {
        loss: 2.0,
        rounding: 0.0,
        longest_step: 1.0,
    };

    /// Losses in f64 and second differences of at least 1e-6 of the loss: rounding is at most some 1e-10 of them.
    const ROUNDING: f64 = 1e-8;

    #[test]
    fn a_parabola_has_its_curvature_and_slope_whatever_the_first_step() {
        for curvature in [3.0, 1e-3, -0.5, 400.0] {
            for first_step in [1e-4, 0.1, 1.0] {
                let mut loss = |x: f64| Ok(2.0 + 0.7 * x + 0.5 * curvature * x * x);
                let found = along(&START, first_step, &mut loss).unwrap();
                let error = (found.curvature - curvature).abs() / curvature.abs();
                assert!(error < ROUNDING, "{curvature} from {first_step}: {found:?}");
                assert!((found.slope - 0.7).abs() < ROUNDING * 100.0, "{found:?}");
                assert!(found.disagreement() < ROUNDING && found.is_resolved());
            }
        }
    }

    #[test]
    fn the_step_keeps_clear_of_rounding_and_of_the_fourth_order() {
        // Losses that are only known to a grid of 1e-7, as a sum in f32 is.
        let mut loss = |x: f64| Ok(((2.0 + 0.2 * x * x + 0.1 * x.powi(4)) * 1e7).round() / 1e7);
        let start = Start {
            rounding: 1e-7,
            ..START
        };
        let found = along(&start, 1e-3, &mut loss).unwrap();
        // A second difference of 1e-4 needs a step of sqrt(1e-4 / 0.4) = 0.016; half or double is close enough.
        assert!((0.007..0.032).contains(&found.step), "{found:?}");
        // Rounding is a thousandth to four thousandths of the difference, the fourth order 1.2 x²/0.4 < 0.3 %.
        assert!((found.curvature - 0.4).abs() < 0.02 * 0.4, "{found:?}");
        assert!(found.is_resolved());
    }

    #[test]
    fn where_the_loss_does_not_change_the_longest_step_is_taken_and_nothing_is_resolved() {
        let start = Start {
            rounding: 1e-7,
            ..START
        };
        let found = along(&start, 1e-3, &mut |_| Ok(2.0)).unwrap();
        assert_eq!(found.step, 1.0);
        assert_eq!((found.curvature, found.disagreement()), (0.0, 0.0));
        assert!(!found.is_resolved());
    }

    #[test]
    fn a_strong_fourth_order_is_seen_as_disagreement() {
        let start = Start {
            rounding: 1e-4,
            ..START
        };
        let mut loss = |x: f64| Ok(2.0 + 0.005 * x * x + 0.5 * x.powi(4));
        let found = along(&start, 0.1, &mut loss).unwrap();
        assert!(found.disagreement() > 0.5, "{found:?}");
    }

    #[test]
    fn a_loss_that_is_not_finite_is_an_error() {
        let error = along(&START, 0.1, &mut |_| Ok(f64::NAN)).unwrap_err();
        assert!(error.to_string().contains("the loss is NaN"), "{error}");
    }

    #[test]
    fn no_direction_takes_more_losses_than_announced() {
        let [fewest, most] = LOSSES_PER_DIRECTION;
        for curvature in [1e-9, 1e-3, 1.0, 1e6] {
            let mut count = 0;
            let mut loss = |x: f64| {
                count += 1;
                Ok(2.0 + curvature * x * x)
            };
            along(&START, 0.01, &mut loss).unwrap();
            assert!((fewest..=most).contains(&count), "{curvature}: {count}");
        }
    }
}
