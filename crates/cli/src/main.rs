//! The command line `osft`.

use std::process::ExitCode;

/// Returns freed blocks to the system, so that what one phase of a run frees another one can use.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
