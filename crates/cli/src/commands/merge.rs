//! `osft merge`.

use anyhow::Result;
use finetune::{MergeRequest, merge};

use crate::args::MergeArgs;

/// Writes a model with the change of an adapter in its weights.
pub fn run(args: &MergeArgs) -> Result<()> {
    merge(&MergeRequest {
        adapter: &args.adapter,
        model: args.model.as_deref(),
        out: &args.out,
        dtype: &args.dtype,
    })
}
