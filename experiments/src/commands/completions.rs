//! `experiments completions`: for the shell.

use runs::Registries;

use crate::cli::{self, CompletionsArgs};

/// Prints the completion script.
pub fn run(registries: &Registries, args: &CompletionsArgs) {
    let mut command = cli::command(registries);
    // Not to standard output itself: it may be closed, where this would panic.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "experiments", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}
