use experiments::run;
use runs::Registries;

use crate::{benchmark::Colours, method::GrowingDecay, score::Beginning, share_rule::one_of};

/// What there is to choose from, with what this program adds.
pub fn registries() -> Registries {
    Registries::builtin()
        .with_method(GrowingDecay { per_task: 0.1 })
        .with_benchmark(Colours)
        .with_score(Beginning)
        .with_share_rule(one_of())
}

/// The command line over it.
pub fn experiments(arguments: &[&str]) -> std::process::ExitCode {
    let program = std::iter::once("experiments");
    let arguments = program.chain(arguments.iter().copied());
    run(&registries(), arguments.map(Into::into))
}
