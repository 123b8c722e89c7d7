//! Command line of the OSFT toolkit.

// First: its macros are seen by what comes after it.
#[macro_use]
mod out;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator;
mod backend;
mod builtin;
mod cli;
mod commands;
mod config;
mod hash;
mod interrupt;
mod progress;
mod report;
mod run;
mod variant;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use config::BenchmarkName;

fn main() -> ExitCode {
    // Help and wrong arguments end here.
    let cli = Cli::parse();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    allocator::settle(cli.command.data());
    let result = match &cli.command {
        Command::Trace(args) => commands::sequence::run(BenchmarkName::Trace, args),
        Command::T5(args) => commands::sequence::run(BenchmarkName::T5, args),
        Command::Pretrain(args) => commands::pretrain::run(args),
        Command::Datasets(command) => commands::datasets::run(command),
        Command::List => commands::list::run(),
        Command::Validate(args) => commands::validate::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Portability(args) => commands::portability::run(args),
        Command::Bench(args) => commands::bench::run(args),
        Command::Scaling(args) => commands::scaling::run(args),
        Command::Study(command) => commands::study::run(command),
        Command::Report(args) => commands::report::run(args),
        Command::Completions(args) => {
            commands::completions::run(args);
            Ok(())
        }
    };
    match result.and_then(|()| out::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if interrupt::is_interruption(&error) => {
            eprintln!("{error:#}");
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
