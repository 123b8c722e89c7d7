//! `experiments bench`: time and memory of a training step, for every variant and for plain
//! fine-tuning.

mod answers;
mod memory;
mod page;
mod plain;
mod process;
mod products;
mod settings;
mod shape;
mod spec;
mod worker;

use anyhow::{Context, Result, ensure};
use continual::method::KindVariant;
use report::record::RunFolder;
use runs::{Progress, Registries};
use serde_json::Value;

pub use page::{Case, Row, median, median_ratio};
use process::Process;
pub use settings::{Activations, BenchSettings, PLAIN, Peer, Shape, TimedPart};
pub use spec::Spec;
use spec::{Ready, Timed};

/// Executes what a bench asks of a process that it starts: steps of a variant, matrix products, or answers.
///
/// # Errors
///
/// If the request cannot be read or executed.
pub fn run_worker(registries: &Registries, spec: &str) -> Result<()> {
    let request: Value = serde_json::from_str(spec).context("what to time")?;
    if request.get("products").is_some() {
        let spec = serde_json::from_value(request).context("which products to time")?;
        return products::run_worker(&spec);
    }
    if request.get("batches").is_some() {
        let spec = serde_json::from_value(request).context("which answers to time")?;
        return answers::run_worker(&spec);
    }
    worker::run(registries, spec)
}

/// The available variants: those of every method, by name, and [`PLAIN`].
pub fn variants(registries: &Registries) -> Vec<KindVariant> {
    let of_methods = registries.methods.iter().flat_map(|kind| kind.variants());
    std::iter::once(plain::variant())
        .chain(of_methods)
        .collect()
}

/// Times the requested variants, and prints a table per shape and number of tokens.
///
/// Every variant runs in a process of its own. The processes take turns, one step each, so that
/// other load on the machine affects all of them alike: ratios are reliable even if seconds are
/// not.
///
/// # Errors
///
/// Settings out of range, a process that fails, a folder that cannot be written.
pub fn run(registries: &Registries, args: &BenchSettings) -> Result<()> {
    for share in &args.shares {
        ensure!(
            (0.0..=1.0).contains(share),
            "--share {share} is out of range: from 0 to 1"
        );
    }
    ensure!(
        args.peers.is_empty() || args.tasks == [1],
        "--peer takes its turns in the first task alone: leave --tasks out"
    );
    match args.timed {
        TimedPart::Products => return products::run(args),
        TimedPart::Answers => return answers::run(args),
        TimedPart::Steps => {}
    }
    let computed_by = args.backend.describe(&args.backend.device()?);
    let folder = match &args.out {
        Some(out) => Some(RunFolder::create(Some(out), "bench")?),
        None => None,
    };
    let mut cases = Vec::new();
    for &shape in &args.shapes {
        for &tokens in &args.tokens {
            // The report shows the trained tokens, not the requested ones.
            let tokens = shape::whole_rows(tokens);
            cases.push(case(registries, args, shape, tokens)?);
            println!("{}\n", page::table(&cases[cases.len() - 1], false));
        }
    }
    if let Some(folder) = folder {
        page::write(&folder, &cases, &computed_by)?;
        println!("report: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

fn case(
    registries: &Registries,
    args: &BenchSettings,
    shape: Shape,
    tokens: usize,
) -> Result<Case> {
    let specs = specs(registries, args, shape, tokens)?;
    let rounds = args.warmup + args.rounds;
    let progress = Progress::new(specs.len() as u64 * (1 + u64::from(rounds)));
    let mut workers = Vec::new();
    for spec in specs {
        let label = spec.label();
        workers.push(Worker::start(spec)?);
        progress.advance(1, &format!("{shape} · {label} is ready"));
    }
    for round in 0..rounds {
        for worker in &mut workers {
            let timed = worker.process.round()?;
            if round >= args.warmup {
                worker.timed.push(timed);
            }
            let message = format!("{shape} · {tokens} tokens · {}", worker.spec.label());
            progress.advance(1, &message);
        }
    }
    progress.finish();
    let rows = workers.into_iter().map(Worker::finish);
    Ok(Case {
        shape: shape.to_string(),
        tokens,
        rows: rows.collect::<Result<_>>()?,
    })
}

/// The specifications of a table: for each number of tasks and each handling and type of
/// activations, `plain` first, then every variant with each of its values.
fn specs(
    registries: &Registries,
    args: &BenchSettings,
    shape: Shape,
    tokens: usize,
) -> Result<Vec<Spec>> {
    let available = variants(registries);
    let mut chosen = vec![plain::variant()];
    for name in args.variants.iter().filter(|name| *name != PLAIN) {
        let twice = chosen.iter().any(|other: &KindVariant| other.name == *name);
        ensure!(!twice, "variant {name} is named twice");
        let variant = available.iter().find(|variant| variant.name == *name);
        chosen.push(
            variant
                .with_context(|| format!("there is no variant {name:?}"))?
                .clone(),
        );
    }
    let mut specs = Vec::new();
    let threads: Vec<Option<usize>> = match args.threads.is_empty() {
        true => vec![None],
        false => args.threads.iter().copied().map(Some).collect(),
    };
    let kinds: Vec<_> = pairs(&args.mixed_precisions, &args.activations).collect();
    let places: Vec<_> = pairs(&args.tasks, &threads).collect();
    for ((&tasks, &threads), (&mixed_precision, &activations)) in
        pairs(&places, &kinds).map(|(place, kind)| (*place, *kind))
    {
        for variant in &chosen {
            let spec = Spec {
                shape,
                variant: variant.name.clone(),
                label: variant.label.clone(),
                peer: None,
                share: None,
                tasks,
                base_precision: spec::FULL.to_string(),
                split_cache: args.split_cache.clone(),
                activations,
                mixed_precision,
                threads,
                tokens,
                steps: (args.warmup + args.rounds) as usize,
                backend: args.backend,
            };
            specs.extend(with_axis_values(&spec, variant, args));
        }
    }
    // A peer is compared with the first one.
    let first = specs[0].clone();
    specs.extend(args.peers.iter().map(|peer| Spec {
        variant: "peer".to_string(),
        peer: Some(peer.clone()),
        share: None,
        ..first.clone()
    }));
    Ok(specs)
}

/// Each of the first with each of the second.
fn pairs<'a, A, B>(first: &'a [A], second: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    let each = move |one| second.iter().map(move |other| (one, other));
    first.iter().flat_map(each)
}

/// A variant with each value of its axes.
fn with_axis_values(spec: &Spec, variant: &KindVariant, args: &BenchSettings) -> Vec<Spec> {
    let varies = |axis: &str| variant.axes.contains(&axis);
    let precisions = match varies(spec::BASE_PRECISION) {
        true => args.base_precisions.clone(),
        false => vec![spec.base_precision.clone()],
    };
    let shares: Vec<Option<f64>> = match varies(spec::SHARE) {
        true => args.shares.iter().copied().map(Some).collect(),
        false => vec![None],
    };
    let pairs = precisions
        .iter()
        .flat_map(|precision| shares.iter().map(move |share| (precision, *share)));
    pairs
        .map(|(precision, share)| Spec {
            base_precision: precision.clone(),
            share,
            ..spec.clone()
        })
        .collect()
}

/// A process that performs steps of one variant.
struct Worker {
    spec: Spec,
    ready: Ready,
    timed: Vec<Timed>,
    process: Process,
}

impl Worker {
    fn start(spec: Spec) -> Result<Self> {
        let started = Process::start(spec.label(), spec.peer.as_ref(), spec.threads, &spec)?;
        let (process, ready) = started;
        Ok(Self {
            spec,
            ready,
            timed: Vec::new(),
            process,
        })
    }

    fn finish(self) -> Result<Row> {
        self.process.finish()?;
        Ok(Row::new(self.spec, self.ready, &self.timed))
    }
}
