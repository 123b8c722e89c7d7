//! `experiments bench`: time and memory of a training step, for every variant and for plain
//! fine-tuning.

mod memory;
mod page;
mod plain;
mod settings;
mod shape;
mod spec;
mod worker;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use continual::method::KindVariant;
use report::record::RunFolder;
use runs::{Progress, Registries};
use serde::de::DeserializeOwned;

pub use page::{Case, Row, median, median_ratio};
pub use settings::{Activations, BenchSettings, PLAIN, Peer, Shape};
pub use spec::Spec;
use spec::{Ready, Timed};
pub use worker::run as run_worker;

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
            let timed = worker.step()?;
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

/// The specifications of a table: for each number of tasks and each handling of activations,
/// `plain` first, then every variant with each of its values.
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
    for &tasks in &args.tasks {
        for &activations in &args.activations {
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
                    tokens,
                    steps: (args.warmup + args.rounds) as usize,
                    backend: args.backend,
                };
                specs.extend(with_axis_values(&spec, variant, args));
            }
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
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(spec: Spec) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = match spec.peer.as_ref().map(|peer| peer.command.split_first()) {
            Some(Some((program, arguments))) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            _ => {
                let mut command = Command::new(program);
                command.arg("bench");
                command
            }
        };
        let mut process = command
            .args(["--worker", &serde_json::to_string(&spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start a process for {}", spec.label()))?;
        let (Some(orders), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("a process for {} has no input or output", spec.label());
        };
        let mut answers = BufReader::new(answers).lines();
        Ok(Self {
            ready: answer(&mut answers, &spec)?,
            spec,
            timed: Vec::new(),
            process,
            orders,
            answers,
        })
    }

    fn step(&mut self) -> Result<Timed> {
        writeln!(self.orders).with_context(|| format!("{} is gone", self.spec.label()))?;
        self.orders.flush()?;
        answer(&mut self.answers, &self.spec)
    }

    fn finish(self) -> Result<Row> {
        let Self {
            spec,
            ready,
            timed,
            mut process,
            orders,
            ..
        } = self;
        drop(orders);
        let status = process.wait()?;
        ensure!(status.success(), "{} ended with {status}", spec.label());
        Ok(Row::new(spec, ready, &timed))
    }
}

fn answer<T: DeserializeOwned>(
    answers: &mut Lines<BufReader<ChildStdout>>,
    spec: &Spec,
) -> Result<T> {
    let line = answers
        .next()
        .ok_or_else(|| anyhow!("{} broke off; its error is above", spec.label()))??;
    serde_json::from_str(&line).with_context(|| format!("what {} answered", spec.label()))
}
