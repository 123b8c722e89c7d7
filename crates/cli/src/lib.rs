//! The command line `osft`, for a model and rows of one's own: each command in a file of its own, over the same
//! libraries as `experiments`.

#[macro_use(print, println, eprintln)]
extern crate report;

mod args;
mod commands;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use finetune::settings::OwnRows;
use runs::{Registries, interrupt};

pub use args::{Cli, Command};

/// Does what the arguments of the process say. On Linux, the program starts itself anew first, with settings of the
/// allocator that large tensors need.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    runs::allocator::settle(&cli.data());
    run(&cli)
}

/// The parser.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the arguments say, and prints what there is to say.
fn run(cli: &Cli) -> ExitCode {
    interrupt::exit_code(dispatch(&cli.command))
}

fn dispatch(command: &Command) -> Result<()> {
    let registries = Registries::builtin().with_benchmark(OwnRows);
    match command {
        Command::Finetune(args) => commands::finetune::run(&registries, args),
        Command::Check(args) => commands::check::run(&registries, args),
        Command::Plan(args) => commands::plan::run(&registries, args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Evaluate(args) => commands::evaluate::run(args),
        Command::Fetch(args) => commands::fetch::run(args),
        Command::Generate(args) => commands::generate::run(args),
        Command::Chat(args) => commands::chat::run(args),
        Command::Merge(args) => commands::merge::run(args),
        Command::Completions(args) => {
            commands::completions::run(args);
            Ok(())
        }
    }
}
