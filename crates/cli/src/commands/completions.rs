//! `osft completions`.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};

/// Prints completions for a shell.
pub fn run(args: &CompletionsArgs) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "osft", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}
