//! The command line of the OSFT toolkit, as a function of what there is to choose from: a program with a method,
//! a benchmark or a rule of its own adds them to the [`Registries`] and calls [`main`].
//!
//! ```no_run
//! use runs::Registries;
//!
//! // Registries::builtin().with_method(MyMethod).with_benchmark(MyBenchmark)
//! experiments::main(&Registries::builtin());
//! ```

#[macro_use(print, println, eprintln)]
extern crate report;

mod cli;
mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

use ::report::record::check_writable;
use anyhow::Result;
use clap::{ArgMatches, FromArgMatches};
use runs::settings::RunConfig;
use runs::{Registries, interrupt};

pub use cli::command;
use cli::{Cli, Command, SequenceArgs};

/// As [`run`] with the arguments of the process, for a program that does nothing else: on Linux it starts itself
/// anew first, with settings of the allocator that large tensors need.
pub fn main(registries: &Registries) -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let matches = cli::command(registries).get_matches();
        runs::allocator::settle(cli::data_of(&matches).as_slice());
    }
    run(registries, std::env::args_os())
}

/// Does what the arguments say, the first of which is the name of the program; prints what there is to say.
///
/// Help and wrong arguments end the process.
pub fn run(registries: &Registries, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = cli::command(registries).get_matches_from(arguments);
    interrupt::exit_code(dispatch(registries, &matches))
}

/// The settings of the run that arguments stand for, the first of which is the name of the program; `None` for a command
/// that runs nothing, or that goes on with a run.
///
/// # Errors
///
/// Arguments that are not accepted, and settings that are wrong or do not go together.
pub fn settings_of(
    registries: &Registries,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<RunConfig>> {
    let matches = cli::command(registries).try_get_matches_from(arguments)?;
    let Some((name, own)) = matches.subcommand() else {
        return Ok(None);
    };
    let (run, benchmark) = if registries.benchmarks.find(name).is_some() {
        let args = SequenceArgs::from_arg_matches(own)?;
        match args.resume {
            Some(_) => return Ok(None),
            None => (args.run, name.to_string()),
        }
    } else {
        match Cli::from_arg_matches(&matches)?.command {
            Command::Validate(args) => (args.run, args.benchmark),
            Command::Sweep(args) => (args.run, args.benchmark),
            Command::Compare(args) if args.plan.is_none() => {
                return args.settings(registries, own).map(Some);
            }
            _ => return Ok(None),
        }
    };
    run.resolve(registries, &benchmark, own).map(Some)
}

fn dispatch(registries: &Registries, matches: &ArgMatches) -> Result<()> {
    if let Some((name, own)) = matches.subcommand()
        && registries.benchmarks.find(name).is_some()
    {
        let args = parsed::<SequenceArgs>(own);
        return commands::sequence::run(registries, name, &args, own);
    }
    if let Some(out) = cli::out_of(matches) {
        check_writable(&out)?;
    }
    let typed = matches.subcommand().map_or(matches, |(_, own)| own);
    let Cli { command } = parsed(matches);
    match &command {
        Command::Pretrain(args) => commands::pretrain::run(args),
        Command::Datasets(command) => commands::datasets::run(registries, command),
        Command::List => commands::list::run(registries),
        Command::Validate(args) => commands::validate::run(registries, args, typed),
        Command::Inspect(args) => commands::inspect::run(registries, args, typed),
        Command::Curvature(args) => commands::curvature::run(registries, args),
        Command::Portability(args) => commands::portability::run(args),
        Command::Bench(args) => commands::bench::run(registries, args),
        Command::Scaling(args) => measure::scaling::run(&args.benches, args.out.as_deref()),
        Command::Sweep(args) => commands::sweep::run(registries, args, typed),
        Command::Compare(args) => commands::compare::run(registries, args, typed),
        Command::Study(command) => commands::study::run(registries, command),
        Command::Report(args) => commands::report::run(registries, args),
        Command::Completions(args) => {
            commands::completions::run(registries, args);
            Ok(())
        }
    }
}

/// Arguments that were accepted already, as a struct.
fn parsed<T: FromArgMatches>(matches: &ArgMatches) -> T {
    T::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}
