//! The command line `osft`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
