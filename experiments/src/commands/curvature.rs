//! `experiments curvature`: the curvature of the loss along the directions of single weights.

use anyhow::Result;
use measure::curvature::{self, CurvatureRequest};
use runs::Registries;

use crate::cli::CurvatureArgs;

/// Prints how curvatures and singular values, or eigenvalues, go together.
pub fn run(registries: &Registries, args: &CurvatureArgs) -> Result<()> {
    curvature::run(
        registries,
        &CurvatureRequest {
            model: args.model.clone(),
            text: args.text.clone(),
            rows: args.rows as usize,
            tokens: args.tokens as usize,
            layers: args.layer.clone(),
            directions: args.directions as usize,
            outputs: args.outputs as usize,
            seed: args.seed,
            backend: args.backend,
            out: args.out.clone(),
        },
    )
}
