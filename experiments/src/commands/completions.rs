//! `experiments completions`: for the shell.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};

/// Prints the completion script.
pub fn run(args: &CompletionsArgs) {
    let mut command = Cli::command();
    // Not to standard output itself: it may be closed, where this would panic.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "experiments", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}
