//! The cost of a training step in one layer, in multiplications.

use serde::{Deserialize, Serialize};

use super::KeptInput;
use super::plan::{Plan, Reduction};

use crate::config::Removed;
use crate::split::{Constraint, LayerSplit, Side};

/// Number of multiplications (each with an addition) of one training step in one target layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCost {
    /// `x W`, and the gradient of `x`.
    pub passes: usize,
    /// The gradient of the core.
    pub gradient: usize,
    /// Applying the core in the forward and the backward pass, either by forming the weight or by a separate
    /// product, and projecting the core after the optimizer step.
    pub core: usize,
}

impl StepCost {
    /// Sum of all parts.
    pub fn total(&self) -> usize {
        self.passes + self.gradient + self.core
    }
}

impl LayerSplit {
    /// Cost of a step on `tokens` tokens with [`Osft::linear`](crate::Osft::linear), which computes the core
    /// gradient in the cheaper of two ways; `None` for the factored forms.
    pub fn step_cost(&self, tokens: usize) -> Option<StepCost> {
        if self.factors.is_some() {
            return None;
        }
        let constraint = &self.constraint;
        let passes = 2 * tokens * self.shape[0] * self.shape[1];
        if constraint.is_closed() {
            return Some(StepCost {
                passes,
                ..StepCost::default()
            });
        }
        let plan = Plan::new(constraint, self.shape, tokens, KeptInput::Whole);
        let gradient = match plan.narrow {
            true => core_gradient(constraint, self.shape, tokens),
            false => None,
        };
        let formed = lifting(constraint, self.shape);
        let forward = match plan.formed_forward {
            true => formed,
            false => separate_forward(constraint, self.shape, tokens),
        };
        let backward = match plan.formed_backward {
            true => formed,
            false => separate_backward(constraint, self.shape, tokens),
        };
        Some(StepCost {
            passes,
            gradient: gradient.unwrap_or_else(|| whole_gradient(constraint, self.shape, tokens)),
            core: forward + backward + removing_from_core(constraint, self.shape),
        })
    }
}

impl Plan {
    /// The plan with the fewest multiplications.
    pub(super) fn new(
        constraint: &Constraint,
        shape: [usize; 2],
        tokens: usize,
        kept: KeptInput,
    ) -> Self {
        let narrow = core_is_cheaper(constraint, shape, tokens);
        // Separate products read inputs and output gradients in coordinates, which exist only if the core
        // gradient is computed from them.
        let formed = |separate| !narrow || lifting(constraint, shape) <= separate;
        Self {
            input: Reduction::of(&constraint.input),
            output: Reduction::of(&constraint.output),
            narrow,
            formed_forward: formed(separate_forward(constraint, shape, tokens)),
            formed_backward: formed(separate_backward(constraint, shape, tokens)),
            coordinates_kept: narrow && kept == KeptInput::Coordinates,
            dtype: None,
        }
    }
}

/// Cost of `((x N_P) C) N_Qᵀ`.
fn separate_forward(constraint: &Constraint, shape: [usize; 2], tokens: usize) -> usize {
    let [_, b] = constraint.core_shape(shape);
    separate_backward(constraint, shape, tokens)
        + tokens * change_of_basis(&constraint.output, shape[1], b)
}

/// Cost of the gradient of `x` through `((x N_P) C) N_Qᵀ`, without `g N_Q`.
fn separate_backward(constraint: &Constraint, shape: [usize; 2], tokens: usize) -> usize {
    let [a, b] = constraint.core_shape(shape);
    tokens * (a * b + change_of_basis(&constraint.input, shape[0], a))
}

/// Cost of bringing a row to coordinates, or back.
fn change_of_basis(side: &Side, d: usize, coordinates: usize) -> usize {
    match side.reducing_basis() {
        Some(_) => d * coordinates,
        None => 0,
    }
}

/// Whether computing the gradient in core coordinates takes fewer multiplications than computing and
/// projecting the whole gradient.
fn core_is_cheaper(constraint: &Constraint, shape: [usize; 2], tokens: usize) -> bool {
    let core = core_gradient(constraint, shape, tokens);
    core.is_some_and(|core| core < whole_gradient(constraint, shape, tokens))
}

/// Cost of `xᵀ g` and its projection.
fn whole_gradient(constraint: &Constraint, [d_in, d_out]: [usize; 2], tokens: usize) -> usize {
    tokens * d_in * d_out + projection(constraint, [d_in, d_out])
}

/// Cost of `(x N_P)ᵀ (g N_Q)` and of removing the protected part on a side that stores no free basis; `None`
/// if neither side stores a free basis.
fn core_gradient(
    constraint: &Constraint,
    [d_in, d_out]: [usize; 2],
    tokens: usize,
) -> Option<usize> {
    if constraint.is_closed() || constraint.removed == Removed::Block {
        return None;
    }
    let (input, output) = (&constraint.input, &constraint.output);
    let [a, b] = constraint.core_shape([d_in, d_out]);
    let lowering = |side: &Side, d: usize| {
        let basis = side.reducing_basis()?;
        Some(tokens * d * basis.dims()[1])
    };
    let lowered = match (lowering(input, d_in), lowering(output, d_out)) {
        (None, None) => return None,
        (input, output) => input.unwrap_or(0) + output.unwrap_or(0),
    };
    Some(lowered + tokens * a * b + removal(constraint, [a, b]))
}

/// Cost of bringing a gradient of the weight's shape to coordinates.
fn projection(constraint: &Constraint, [d_in, d_out]: [usize; 2]) -> usize {
    let [a, _] = constraint.core_shape([d_in, d_out]);
    let lowering = |side: &Side, d: usize, columns: usize| match side.reducing_basis() {
        Some(basis) => d * basis.dims()[1] * columns,
        None => removing(side, d, columns),
    };
    match constraint.removed {
        Removed::EitherSide => {
            lowering(&constraint.input, d_in, d_out) + lowering(&constraint.output, d_out, a)
        }
        Removed::Block => removal(constraint, [d_in, d_out]),
    }
}

/// Cost of computing the change of the weight from coordinates.
fn lifting(constraint: &Constraint, [d_in, d_out]: [usize; 2]) -> usize {
    let [_, b] = constraint.core_shape([d_in, d_out]);
    let lift = |side: &Side, rows: usize, columns: usize| match side.reducing_basis() {
        Some(basis) => rows * basis.dims()[1] * columns,
        None => 0,
    };
    match constraint.removed {
        Removed::Block => 0,
        Removed::EitherSide => {
            lift(&constraint.input, d_in, b) + lift(&constraint.output, d_out, d_in)
        }
    }
}

/// Cost of removing the protected parts from a core.
fn removing_from_core(constraint: &Constraint, shape: [usize; 2]) -> usize {
    removal(constraint, constraint.core_shape(shape))
}

/// Cost of removing the protected parts of both sides from coordinates of this shape.
fn removal(constraint: &Constraint, [a, b]: [usize; 2]) -> usize {
    let sides = removing(&constraint.input, a, b) + removing(&constraint.output, b, a);
    match (constraint.removed, &constraint.input, &constraint.output) {
        // The block is also removed on a side that stores its free basis.
        (Removed::Block, Side::Free(input), Side::Free(output)) => {
            2 * a * b * (input.dims()[1] + output.dims()[1])
        }
        (Removed::Block, Side::Free(basis), _) | (Removed::Block, _, Side::Free(basis)) => {
            sides + 2 * a * b * basis.dims()[1]
        }
        _ => sides,
    }
}

/// Cost of `P (Pᵀ x)` for `columns` columns.
fn removing(side: &Side, d: usize, columns: usize) -> usize {
    match side {
        Side::Protected(basis) => 2 * d * basis.dims()[1] * columns,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;

    fn side(d: usize, columns: usize, free: bool) -> Side {
        let basis = Tensor::zeros([d, columns], &Device::flex());
        match free {
            true => Side::Free(basis),
            false => Side::Protected(basis),
        }
    }

    fn constraint(input: Side, output: Side) -> Constraint {
        Constraint {
            input,
            output,
            removed: Removed::EitherSide,
        }
    }

    #[test]
    fn the_gradient_with_fewer_multiplications_is_chosen() {
        let square = |free| constraint(side(100, free, true), side(100, free, true));
        // 2 f + f² is below 1 up to f = 0.41.
        assert!(core_is_cheaper(&square(20), [100, 100], 10_000));
        assert!(!core_is_cheaper(&square(48), [100, 100], 10_000));
        // Projecting the whole gradient costs the same for few tokens as for many.
        assert!(core_is_cheaper(&square(48), [100, 100], 100));
        let wide = constraint(side(100, 20, true), side(300, 80, false));
        assert!(core_is_cheaper(&wide, [100, 300], 10_000));
        let nothing_smaller = constraint(side(100, 20, false), side(300, 80, false));
        assert!(!core_is_cheaper(&nothing_smaller, [100, 300], 10_000));
        let open = constraint(Side::Open, Side::Open);
        assert!(!core_is_cheaper(&open, [100, 100], 10_000));
        let closed = constraint(Side::Closed, side(100, 20, true));
        assert!(!core_is_cheaper(&closed, [100, 100], 10_000));
    }

    #[test]
    fn few_tokens_use_a_separate_product_and_many_the_formed_weight() {
        let square = constraint(side(100, 20, true), side(100, 20, true));
        let plan = |tokens| {
            let plan = Plan::new(&square, [100, 100], tokens, KeptInput::Whole);
            (plan.narrow, plan.formed_forward, plan.formed_backward)
        };
        // Forming costs as much as 54.5 tokens of the forward pass, and as 100 of the backward pass, which finds
        // the output gradient in coordinates.
        assert_eq!(plan(54), (true, false, false));
        assert_eq!(plan(55), (true, true, false));
        assert_eq!(plan(99), (true, true, false));
        assert_eq!(plan(100), (true, true, true));
        // If the whole gradient is computed, nothing is in coordinates.
        let half = constraint(side(100, 50, true), side(100, 50, true));
        let plan = Plan::new(&half, [100, 100], 10_000, KeptInput::Coordinates);
        assert_eq!(
            (plan.narrow, plan.formed_forward, plan.formed_backward),
            (false, true, true)
        );
        assert!(!plan.coordinates_kept);
    }

    #[test]
    fn costs_count_the_multiplications_of_all_products() {
        let (d, a, tokens) = (100, 20, 1000);
        let square = constraint(side(d, a, true), side(d, a, true));
        assert_eq!(
            core_gradient(&square, [d, d], tokens),
            Some(tokens * (2 * d * a + a * a))
        );
        assert_eq!(
            whole_gradient(&square, [d, d], tokens),
            tokens * d * d + d * a * d + d * a * a
        );
        assert_eq!(lifting(&square, [d, d]), d * a * a + d * a * d);
        assert_eq!(removing_from_core(&square, [d, d]), 0);
        // The protected part of the outputs is removed from the coordinates, in the gradient and after the
        // step.
        let (d_out, k) = (300, 80);
        let wide = constraint(side(d, a, true), side(d_out, k, false));
        let removal = 2 * d_out * k * a;
        assert_eq!(
            core_gradient(&wide, [d, d_out], tokens),
            Some(tokens * (d * a + a * d_out) + removal)
        );
        assert_eq!(lifting(&wide, [d, d_out]), d * a * d_out);
        assert_eq!(removing_from_core(&wide, [d, d_out]), removal);
    }

    #[test]
    fn removing_a_block_is_counted_on_the_dense_change() {
        let (d, d_out, a, k) = (100, 300, 20, 80);
        let block = |input, output| Constraint {
            removed: Removed::Block,
            ..constraint(input, output)
        };
        // Both sides project with their free bases.
        let both = block(side(d, a, true), side(d_out, k, true));
        let projected = projection_cost(&both, [d, d_out]);
        assert_eq!(
            removing_from_core(&both, [d, d_out]),
            2 * d * d_out * (a + k)
        );
        assert_eq!(projected, 2 * d * d_out * (a + k));
        // One side has a free basis, the other a protected one.
        for (input, output, basis) in [
            (
                side(d, a, true),
                side(d_out, k, false),
                (a, 2 * d_out * k * d),
            ),
            (
                side(d, a, false),
                side(d_out, k, true),
                (k, 2 * d * a * d_out),
            ),
        ] {
            let one = block(input, output);
            let removed = basis.1 + 2 * d * d_out * basis.0;
            assert_eq!(removing_from_core(&one, [d, d_out]), removed);
        }
        assert_eq!(lifting(&both, [d, d_out]), 0);
        assert_eq!(core_gradient(&both, [d, d_out], 10), None);
    }

    /// Cost of the whole gradient without the product of inputs and output gradients.
    fn projection_cost(constraint: &Constraint, [d_in, d_out]: [usize; 2]) -> usize {
        whole_gradient(constraint, [d_in, d_out], 7) - 7 * d_in * d_out
    }
}
