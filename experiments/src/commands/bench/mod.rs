//! `experiments bench`: time and memory of a training step, every variant beside plain fine-tuning.

mod memory;
mod page;
mod plain;
mod shape;
mod spec;
mod worker;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;

use crate::cli::{Activations, BenchArgs, Shape, VariantName};
use crate::progress::Progress;
use crate::run::RunFolder;
use crate::variant::PrecisionName;
pub use page::{Case, Row, median, median_ratio};
pub use spec::Spec;
use spec::{Ready, Timed};

/// Times what was asked for, prints a table per shape and number of tokens.
///
/// Every variant is a process of its own; they take turns, one step each, so that whatever else the
/// machine does meets all of them, and ratios hold where seconds do not.
pub fn run(args: &BenchArgs) -> Result<()> {
    if let Some(spec) = &args.worker {
        return worker::run(spec);
    }
    for share in &args.share {
        ensure!(
            (0.0..=1.0).contains(share),
            "--share {share} is out of range: from 0 to 1"
        );
    }
    ensure!(
        args.peer.is_empty() || args.tasks == [1],
        "--peer takes its turns in the first task alone: leave --tasks out"
    );
    args.backend.device()?;
    let folder = match &args.out {
        Some(out) => Some(RunFolder::create(Some(out), "bench")?),
        None => None,
    };
    let mut cases = Vec::new();
    for &shape in &args.shape {
        for &tokens in &args.tokens {
            // What is trained on is reported, not what was asked for.
            let tokens = shape::whole_rows(tokens as usize);
            cases.push(case(args, shape, tokens)?);
            println!("{}\n", page::table(&cases[cases.len() - 1], false));
        }
    }
    if let Some(folder) = folder {
        page::write(&folder, &cases, args.backend.name())?;
        println!("report: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

fn case(args: &BenchArgs, shape: Shape, tokens: usize) -> Result<Case> {
    let specs = specs(args, shape, tokens);
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

/// For each number of tasks and each way with activations `plain` first, then each OSFT variant once per
/// share.
fn specs(args: &BenchArgs, shape: Shape, tokens: usize) -> Vec<Spec> {
    let mut specs = Vec::new();
    for &tasks in &args.tasks {
        for &way in &args.activations {
            let alike = specs_with(args, shape, tokens, way).into_iter();
            specs.extend(alike.map(|spec| Spec { tasks, ..spec }));
        }
    }
    // What a peer is compared with comes first.
    let first = specs[0].clone();
    specs.extend(args.peer.iter().map(|peer| Spec {
        variant: VariantName::Peer,
        peer: Some(peer.clone()),
        share: None,
        ..first.clone()
    }));
    specs
}

fn specs_with(
    args: &BenchArgs,
    shape: Shape,
    tokens: usize,
    activations: Activations,
) -> Vec<Spec> {
    let spec = |variant, share| Spec {
        shape,
        variant,
        peer: None,
        share,
        tasks: 1,
        base_precision: PrecisionName::Full,
        split_cache: args.split_cache.clone(),
        activations,
        tokens,
        steps: (args.warmup + args.rounds) as usize,
        backend: args.backend,
    };
    let mut specs = vec![spec(VariantName::Plain, None)];
    for &variant in &args.variant {
        match variant {
            VariantName::Plain | VariantName::Peer => {}
            VariantName::Seqft | VariantName::Lora | VariantName::OLora => {
                specs.push(spec(variant, None))
            }
            VariantName::Weight | VariantName::Factored => {
                specs.extend(args.share.iter().map(|&share| spec(variant, Some(share))));
            }
            VariantName::Core => specs.extend(args.base_precision.iter().flat_map(|&precision| {
                let held = move |spec: Spec| Spec {
                    base_precision: precision,
                    ..spec
                };
                let shares = args.share.iter();
                shares.map(move |&share| held(spec(variant, Some(share))))
            })),
        }
    }
    specs
}

/// A process that does steps of one variant.
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
