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
    let config = args.config(registries, args.resume.then_some(running.as_path()))?;
    finetune::run(&config, &request)
}
