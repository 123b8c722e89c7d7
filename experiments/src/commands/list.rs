//! `experiments list`: what there is to choose from.

use anyhow::Result;
use benchmarks::Suite;
use clap::ValueEnum;
use comfy_table::{Table, presets};

use crate::backend::Backend;
use crate::builtin;
use crate::config::{BenchmarkName, MethodName};

/// Prints backends, methods, suites, tasks and orders.
pub fn run() -> Result<()> {
    let mut backends = table(["backend", "in this build"]);
    for backend in Backend::ALL {
        let built = match backend.is_compiled_in() {
            true => "yes".to_string(),
            false => format!("no: build with --features {}", backend.name()),
        };
        backends.add_row([backend.name().to_string(), built]);
    }
    println!("{backends}\n");

    let mut methods = table(["method", "what it is"]);
    for method in MethodName::value_variants() {
        let help = method
            .to_possible_value()
            .and_then(|value| value.get_help().cloned());
        let help = help.map_or(String::new(), |help| help.to_string());
        methods.add_row([method.name().to_string(), help]);
    }
    println!("{methods}\n");

    let builtin = BenchmarkName::value_variants().iter();
    let builtin = builtin.filter_map(|&name| Suite::open(&builtin::suite(name).ok()?).ok());
    for suite in builtin.chain([Suite::trace(), Suite::cl_benchmark()]) {
        println!("{}", suite.name);
        let mut tasks = table(["task", "score", "new tokens", "epochs"]);
        for task in &suite.tasks {
            tasks.add_row([
                task.name.clone(),
                format!("{:?}", task.score),
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

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}
