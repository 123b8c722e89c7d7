//! Command line of the OSFT toolkit.

use std::process::ExitCode;

use runs::Registries;

fn main() -> ExitCode {
    experiments::main(&Registries::builtin())
}
