//! Command line of the OSFT toolkit.

use std::process::ExitCode;

use runs::Registries;

/// Returns freed blocks to the system, so that what one phase of a run frees another one can use.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    experiments::main(&Registries::builtin())
}
