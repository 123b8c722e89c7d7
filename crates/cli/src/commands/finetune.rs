//! `osft finetune`.

use anyhow::Result;
use finetune::FinetuneRequest;
use runs::Registries;

use crate::args::FinetuneArgs;

/// Learns a task, or goes on with a run that was stopped.
pub fn run(registries: &Registries, args: &FinetuneArgs) -> Result<()> {
    let request = FinetuneRequest {
        out: &args.out,
        resume: args.resume,
        tui: args.tui,
    };
    request.check()?;
    let running = request.running();
    let resumed = args.resume.then_some(running.as_path());
    let config = args.learning.config(&args.rows, registries, resumed)?;
    finetune::run(&config, &request)
}
