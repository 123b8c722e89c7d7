//! `experiments validate`: everything that can be known about a run before it starts.

mod missing;

use anyhow::Result;
use burn::module::Module;
use clap::ArgMatches;
use continual::method::MemoryNeeds;
use continual::trainer::step_count;
use runs::Registries;
use runs::base::BaseModel;
use runs::base::calibration::check_files;
use runs::data::{PreparedTasks, ScoredRows};
use runs::job::Work;
use runs::sequence::identities::contents;
use runs::suites::GeneralSuites;

use crate::cli::ValidateArgs;

/// Loads what a run would load, and says what it would do.
pub fn run(registries: &Registries, args: &ValidateArgs, matches: &ArgMatches) -> Result<()> {
    let config = args.run.resolve(registries, &args.benchmark, matches)?;
    if args.print {
        print!("{}", toml::to_string(&config)?);
        return Ok(());
    }
    if let Some(model) = &config.model
        && !runs::model_folder(model)?.join("config.json").is_file()
    {
        return missing::explain(&config, model);
    }
    let device = config.backend.device()?.autodiff();
    let base = BaseModel::open(&config, &device)?;
    for line in &base.warnings {
        println!("model: {line}");
    }
    let end = base.tokenizer.end_token();
    println!(
        "model: answers end with token {end} ({:?})",
        base.tokenizer.decode(&[end], false)?
    );
    // What cannot be read is found now, and not after the first task.
    check_files(&config, &base.tokenizer)?;
    let orders = PreparedTasks::load_orders(&config, &base.tokenizer, ScoredRows::Test)?;
    for prepared in &orders {
        println!("{}, order {}\n", prepared.title(&config), prepared.order);
        for line in &prepared.remarks {
            println!("data: {line}");
        }
        for task in &prepared.tasks {
            let count = step_count(task.train.len(), task.epochs, &config.train);
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
    if let Some(suites) = GeneralSuites::open(&config, &base)? {
        println!(
            "general ability: rows before the first and after the last task: {}, after every other: {}\n",
            suites.rows(),
            suites.rows_between()
        );
    }
    println!("model: {} parameters", base.model.num_params());
    let contents = contents(&config, &base, &orders)?;
    for method in &config.compare {
        let kind = config.kind(method)?;
        let needs = kind.memory(config.method(method), &base.model)?;
        println!(
            "{method}: {}, {}, {} seed{}",
            trainable(&needs),
            memory(&needs),
            config.seeds.len(),
            if config.seeds.len() == 1 { "" } else { "s" },
        );
        for (prepared, contents) in orders.iter().zip(&contents) {
            let ordered = config.with_order(&prepared.order)?;
            let work = Work::new(&ordered, prepared, method)?;
            let identity = config.identity(&ordered, method, contents)?;
            println!(
                "  order {}: learning rate {:e} ({}), key {}, {} rows in {} steps, {} answers per seed{}",
                prepared.order,
                ordered.learning_rate(method),
                if ordered.is_tuned(method) {
                    "tuned"
                } else {
                    "not tuned"
                },
                identity.short(),
                work.trained(),
                work.steps(),
                work.answers(),
                match work.likelihoods() {
                    0 => String::new(),
                    count => format!(", {count} of them by the likelihood of labels"),
                }
            );
        }
    }
    let command = &args.benchmark;
    println!("\nthe run can start: experiments {command} with the same arguments");
    Ok(())
}

/// The memory, in words.
fn memory(needs: &MemoryNeeds) -> String {
    let megabytes = needs.bytes() / 1_000_000;
    match needs.trainable {
        Some(_) => format!("at least {megabytes} MB"),
        None => format!("about {megabytes} MB, by a share that the values will decide"),
    }
}

/// What trains, in words.
fn trainable(needs: &MemoryNeeds) -> String {
    match needs.trainable {
        Some(count) => format!("{count} trainable"),
        None => "at most all of the targets trainable".to_string(),
    }
}
