//! The optimizer of a split.

use ::osft::Osft;
use burn::optim::{ModuleOptimizer, Optimizer};

use crate::error::ContinualError;
use crate::method::WithOptimizer;

/// Makes the optimizer of a split.
pub(super) struct ForSplit<'a>(pub(super) &'a Osft);

impl WithOptimizer for ForSplit<'_> {
    type Made = Result<ModuleOptimizer, ContinualError>;

    fn with<O: Optimizer>(self, optimizer: O) -> Self::Made {
        Ok(self.0.optimizer(optimizer)?)
    }

    fn with_two<O: Optimizer, R: Optimizer>(self, matrices: O, rest: R) -> Self::Made {
        Ok(self.0.optimizer_with_rest(matrices, rest))
    }
}
