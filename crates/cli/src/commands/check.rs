//! `osft check`.

use anyhow::Result;
use lm::HfFolder;
use runs::Registries;

use crate::args::RowsArgs;

/// Prints what is in a file of rows.
pub fn run(registries: &Registries, args: &RowsArgs) -> Result<()> {
    let config = args.config(registries)?;
    finetune::check::run(&HfFolder::open(runs::model_folder(&args.model)?)?, &config)
}
