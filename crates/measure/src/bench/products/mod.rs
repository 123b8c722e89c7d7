//! `experiments bench --gemm`: the matrix products of a training step, in GFLOP/s, beside other programs'.

mod list;
mod page;
mod worker;

use anyhow::{Result, ensure};
use report::record::RunFolder;
use runs::Progress;
use serde::{Deserialize, Serialize};

use super::process::Process;
use super::{BenchSettings, shape};
use list::Product;
use page::{Column, ProductCase};
pub(super) use worker::run as run_worker;

/// Who multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Program {
    /// The toolkit's own products.
    Own,
    /// Burn's `matmul` on the backend.
    Burn,
    /// Another program.
    Peer,
}

/// What a worker multiplies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductSpec {
    program: Program,
    backend: runs::Backend,
    products: Vec<Product>,
}

/// A worker's report when it is ready: nothing but that it is.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    ready: bool,
}

/// A worker's report on one round.
#[derive(Debug, Serialize, Deserialize)]
struct Timed {
    /// Mean seconds of a product, in the order of the products.
    seconds: Vec<f64>,
}

/// Times the products, and prints a table per shape and number of tokens. Every program runs in a process of its
/// own; in each round, each goes through all products.
///
/// # Errors
///
/// A process that fails, a folder that cannot be written.
pub(super) fn run(args: &BenchSettings) -> Result<()> {
    let device = args.backend.device()?;
    ensure!(
        args.backend.is_processor(),
        "--gemm compares programs on the processor; {} is none",
        args.backend.describe(&device)
    );
    let folder = match &args.out {
        Some(out) => Some(RunFolder::create(Some(out), "bench")?),
        None => None,
    };
    let mut cases = Vec::new();
    for &shape in &args.shapes {
        for &tokens in &args.tokens {
            let tokens = shape::whole_rows(tokens);
            let case = case(args, shape, tokens)?;
            println!("{}\n", page::table(&case, false));
            cases.push(case);
        }
    }
    if let Some(folder) = folder {
        page::write(&folder, &cases, &args.backend.describe(&device))?;
        println!("report: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

fn case(args: &BenchSettings, shape: super::Shape, tokens: usize) -> Result<ProductCase> {
    let products = list::products(shape, tokens, &args.shares)?;
    let own = |program, name: &str, threads| (program, name.to_string(), None, threads);
    let mut programs = vec![
        own(Program::Own, "ours, 1 thread", Some(1)),
        own(Program::Own, "ours", None),
        own(Program::Burn, "Burn", None),
    ];
    let peers = args.peers.iter();
    programs.extend(peers.map(|peer| (Program::Peer, peer.name.clone(), Some(peer), None)));
    let rounds = args.warmup + args.rounds;
    let progress = Progress::new(programs.len() as u64 * u64::from(rounds));
    let mut columns = Vec::new();
    for (program, name, peer, threads) in programs {
        let spec = ProductSpec {
            program,
            backend: args.backend,
            products: products.clone(),
        };
        let started = Process::start::<Ready>(name.clone(), peer, threads, &spec)?;
        let (process, Ready { ready }) = started;
        ensure!(ready, "{name} is not ready");
        columns.push((process, Column::new(name, products.len())));
    }
    for round in 0..rounds {
        for (process, column) in &mut columns {
            let timed: Timed = process.round()?;
            ensure!(
                timed.seconds.len() == products.len(),
                "{} timed {} products of {}",
                column.name,
                timed.seconds.len(),
                products.len()
            );
            if round >= args.warmup {
                column.add(&timed.seconds);
            }
            let message = format!("{shape} · {tokens} tokens · {}", column.name);
            progress.advance(1, &message);
        }
    }
    progress.finish();
    let mut timed = Vec::new();
    for (process, column) in columns {
        process.finish()?;
        timed.push(column);
    }
    Ok(ProductCase {
        shape: shape.to_string(),
        tokens,
        products,
        columns: timed,
    })
}
