//! `osft completions`.

use crate::args::CompletionsArgs;

/// Prints completions for a shell.
pub fn run(args: &CompletionsArgs) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "osft", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}
