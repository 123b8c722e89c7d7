//! `experiments list`: what there is to choose from.

use anyhow::Result;
use comfy_table::{Table, presets};
use continual::method::OptimizerName;
use runs::data::builtin;
use runs::{Backend, Registries};

/// Prints backends, methods, optimizers, rules for the share, scores, suites, tasks and orders.
pub fn run(registries: &Registries) -> Result<()> {
    let mut backends = table(["backend", "in this build"]);
    for backend in Backend::ALL {
        let built = match backend.is_compiled_in() {
            true => "yes".to_string(),
            false => format!("no: build with --features {}", backend.name()),
        };
        backends.add_row([backend.name().to_string(), built]);
    }
    println!("{backends}\n");
    let methods = registries.methods.iter();
    list("method", methods.map(|kind| [kind.name(), kind.help()]));
    let optimizers = OptimizerName::ALL.into_iter();
    list("optimizer", optimizers.map(|(_, name, help)| [name, help]));
    let rules = registries.share_rules.kinds().iter();
    list(
        "share rule",
        rules.map(|rule| [rule.name(), rule.help().trim_end_matches('.')]),
    );
    let scores = registries.benchmarks.scores().iter();
    list("score", scores.map(|score| [score.name(), score.help()]));
    let benchmarks = || registries.benchmarks.iter();
    let builtin = benchmarks().filter_map(|benchmark| {
        let folder = builtin::suite(registries, benchmark.command()).ok()?;
        registries.benchmarks.open(&folder).ok()
    });
    for suite in builtin.chain(benchmarks().map(|benchmark| benchmark.suite())) {
        println!("{}", suite.name);
        let mut tasks = table(["task", "score", "new tokens", "epochs"]);
        for task in &suite.tasks {
            tasks.add_row([
                task.name.clone(),
                task.score.name().to_string(),
                task.max_new_tokens.to_string(),
                task.epochs.to_string(),
            ]);
        }
        println!("{tasks}");
        for (index, order) in suite.orders.iter().enumerate() {
            println!("order {}: {}", index + 1, order.join(", "));
        }
        println!();
    }
    Ok(())
}

/// Prints names with what they are.
fn list<'a>(what: &str, rows: impl Iterator<Item = [&'a str; 2]>) {
    let mut table = table([what, "what it is"]);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}\n");
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}
