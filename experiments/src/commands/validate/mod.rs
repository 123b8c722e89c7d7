//! `experiments validate`: everything that can be known about a run before it starts.

mod known;
mod missing;
mod needs;

use anyhow::Result;
use burn::module::Module;
use continual::trainer::step_count;

use super::sequence::{Base, Prepared, Split};
use crate::cli::ValidateArgs;
use needs::needs;

/// Loads what a run would load, and says what it would do.
pub fn run(args: &ValidateArgs) -> Result<()> {
    let config = args.run.resolve(args.benchmark)?;
    if args.print {
        print!("{}", toml::to_string(&config)?);
        return Ok(());
    }
    if let Some(model) = &config.model
        && !model.join("config.json").is_file()
    {
        return missing::explain(&config, model);
    }
    let device = config.backend.device()?.autodiff();
    let base = Base::open(&config, &device)?;
    let mut steps = 0;
    for prepared in Prepared::load_orders(&config, &base.tokenizer, Split::Test)? {
        println!("{}, order {}\n", prepared.title(&config), prepared.order);
        for line in &prepared.remarks {
            println!("data: {line}");
        }
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
        println!();
    }
    println!("model: {} parameters", base.model.num_params());
    for &method in &config.methods {
        let needs = needs(&config, method, &base.model)?;
        println!(
            "{}: {}, learning rate {:e}, {} runs of {steps} steps, {}",
            method.name(),
            needs.trainable(),
            config.learning_rate(method),
            config.seeds.len(),
            needs.memory()
        );
    }
    let command = args.benchmark.name();
    println!("\nthe run can start: experiments {command} with the same arguments");
    Ok(())
}
