//! `experiments validate`: everything that can be known about a run before it starts.

use anyhow::Result;
use burn::module::Module;
use continual::trainer::step_count;
use osft::Osft;

use super::trace::{Base, Prepared, Split};
use crate::cli::ValidateArgs;
use crate::config::MethodName;

/// Loads what a run would load, and says what it would do.
pub fn run(args: &ValidateArgs) -> Result<()> {
    let config = args.run.resolve()?;
    if args.print {
        print!("{}", toml::to_string(&config)?);
        return Ok(());
    }
    let device = config.backend.device()?.autodiff();
    let base = Base::open(&config, &device)?;
    let prepared = Prepared::load(&config, &base.tokenizer, Split::Test)?;
    println!("{}\n", prepared.title(&config));
    let mut steps = 0;
    for task in &prepared.tasks {
        let count = step_count(task.train.len(), task.epochs, &config.train);
        steps += count;
        println!(
            "{:12} {:5} training rows, {} epochs, {count} steps; {} test rows",
            task.name,
            task.train.len(),
            task.epochs,
            task.evaluation.questions.len()
        );
    }
    let parameters = base.model.num_params();
    println!("\nmodel: {parameters} parameters");
    for &method in &config.methods {
        let trainable = match method {
            MethodName::Seqft | MethodName::PerTask | MethodName::MultiTask => Some(parameters),
            // The targets are looked up, which is what most often goes wrong.
            MethodName::Lora => Some(config.lora.adapter_parameters(&base.model)?),
            MethodName::OLora => Some(config.o_lora.adapter_parameters(&base.model)?),
            // Counting needs no split, unless the share follows from what is decomposed.
            MethodName::OsftPaper | MethodName::Osft => match config.osft_config(method) {
                Some(osft) => Osft::free_parameters_of(&base.model, osft)?,
                None => None,
            },
        };
        let (count, trainable) = match trainable {
            Some(count) => (format!("{count} trainable"), count),
            None => (
                "at most all of the targets trainable".to_string(),
                parameters,
            ),
        };
        // Weights, gradients, and two moments per number that trains.
        let megabytes = (2 * parameters + 2 * trainable) * 4 / 1_000_000;
        println!(
            "{}: {count}, learning rate {:e}, {} runs of {steps} steps, at least \
             {megabytes} MB",
            method.name(),
            config.learning_rate(method),
            config.seeds.len(),
        );
    }
    println!("\nthe run can start: experiments trace with the same arguments");
    Ok(())
}
