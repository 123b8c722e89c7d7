//! `experiments bench --generate`: answers per second, beside other programs.

use std::fmt::Write;
use std::io::{BufRead, stdin};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use lm::{GenerationOptions, LanguageModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use report::page::{empty_table, with_numbers};
use report::record::{Manifest, RunFolder};
use runs::{Backend, Progress};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::process::Process;
use super::worker::report;
use super::{BenchSettings, Shape, median, shape};

/// Prompts of a round.
const PROMPTS: usize = 32;
/// The fewest and the most tokens of a prompt.
const LENGTHS: [usize; 2] = [16, 128];
/// Prompts that are answered at the same time.
const BATCH: usize = 16;
/// Tokens of every answer.
const NEW_TOKENS: usize = 32;

const LEGEND: &str = "\
32 prompts of 16 to 128 random tokens, of like length in a batch of 16; every answer has 32 tokens, each the most likely \
one. Every program is a process of its own, in each round each answers all prompts. Numbers are medians over the rounds; \
×ours: answers per second as a multiple of ours in the same round, so that less than 1 is slower. `1 thread`: on one \
thread.";

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerSpec {
    shape: Shape,
    backend: Backend,
    /// Batches of prompts, as token ids.
    batches: Vec<Vec<Vec<u32>>>,
    new_tokens: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    ready: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Timed {
    /// Seconds for all prompts.
    seconds: f64,
    /// Number of all tokens that were generated.
    tokens: usize,
}

/// One program's rounds.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: String,
    seconds: Vec<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Case {
    shape: String,
    rows: Vec<Row>,
}

/// Times the answers of every shape, and prints a table of each.
///
/// # Errors
///
/// A process that fails, a folder that cannot be written.
pub(super) fn run(args: &BenchSettings) -> Result<()> {
    let computed_by = args.backend.describe(&args.backend.device()?);
    let folder = match &args.out {
        Some(out) => Some(RunFolder::create(Some(out), "bench")?),
        None => None,
    };
    let mut cases = Vec::new();
    for &shape in &args.shapes {
        let case = case(args, shape)?;
        println!("{}\n", table(&case, false));
        cases.push(case);
    }
    let Some(folder) = folder else {
        return Ok(());
    };
    let title = "Answers per second".to_string();
    let manifest = Manifest::new(title.clone(), &computed_by);
    let mut page = format!("# {title}\n\n");
    for case in &cases {
        writeln!(page, "{}\n", table(case, true))?;
    }
    writeln!(page, "{LEGEND}\n\n{}", manifest.origin())?;
    folder.write("report.md", page.as_bytes())?;
    let json = serde_json::to_string_pretty(&json!({"manifest": manifest, "cases": cases}))?;
    folder.write("answers.json", json.as_bytes())?;
    println!("report: {}", folder.path().join("report.md").display());
    Ok(())
}

fn case(args: &BenchSettings, shape: Shape) -> Result<Case> {
    let spec = AnswerSpec {
        shape,
        backend: args.backend,
        batches: batches(shape),
        new_tokens: NEW_TOKENS,
    };
    let peers = args
        .peers
        .iter()
        .map(|peer| (peer.name.as_str(), Some(peer), None));
    let programs = [("ours", None, None), ("ours, 1 thread", None, Some(1))];
    let mut programs: Vec<_> = programs
        .into_iter()
        .chain(peers)
        .map(|(name, peer, threads)| {
            let (process, Ready { ready }) =
                Process::start(name.to_string(), peer, threads, &spec)?;
            ensure!(ready, "{name} is not ready");
            let row = Row {
                name: name.to_string(),
                seconds: Vec::new(),
            };
            Ok((process, row))
        })
        .collect::<Result<_>>()?;
    let rounds = args.warmup + args.rounds;
    let progress = Progress::new(programs.len() as u64 * u64::from(rounds));
    for round in 0..rounds {
        for (process, row) in &mut programs {
            let timed: Timed = process.round()?;
            ensure!(
                timed.tokens == PROMPTS * NEW_TOKENS,
                "{} generated {} tokens of {}",
                row.name,
                timed.tokens,
                PROMPTS * NEW_TOKENS
            );
            if round >= args.warmup {
                row.seconds.push(timed.seconds);
            }
            progress.advance(1, &format!("{shape} · {}", row.name));
        }
    }
    progress.finish();
    let mut rows = Vec::new();
    for (process, row) in programs {
        process.finish()?;
        rows.push(row);
    }
    Ok(Case {
        shape: shape.to_string(),
        rows,
    })
}

/// Prompts of like length together, as an evaluation batches its questions.
fn batches(shape: Shape) -> Vec<Vec<Vec<u32>>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (_, vocabulary) = shape::head(shape);
    let mut prompts: Vec<Vec<u32>> = (0..PROMPTS)
        .map(|_| {
            let length = random.random_range(LENGTHS[0]..=LENGTHS[1]);
            (0..length)
                .map(|_| random.random_range(2..vocabulary as u32))
                .collect()
        })
        .collect();
    prompts.sort_by_key(Vec::len);
    prompts.chunks(BATCH).map(<[_]>::to_vec).collect()
}

fn table(case: &Case, markdown: bool) -> String {
    let mut table = empty_table(markdown);
    table.set_header([
        case.shape.as_str(),
        "seconds",
        "answers/s",
        "tokens/s",
        "×ours",
    ]);
    for row in &case.rows {
        let seconds = median(&row.seconds);
        let ours = &case.rows[0].seconds;
        let ratios: Vec<f64> = ours
            .iter()
            .zip(&row.seconds)
            .map(|(ours, own)| ours / own)
            .collect();
        table.add_row([
            row.name.clone(),
            format!("{seconds:.2}"),
            format!("{:.1}", PROMPTS as f64 / seconds),
            format!("{:.0}", (PROMPTS * NEW_TOKENS) as f64 / seconds),
            format!("{:.2}", median(&ratios)),
        ]);
    }
    with_numbers(table)
}

/// Answers every line of the input with one round.
///
/// # Errors
///
/// If the backend is not in this build, or the shape is inconsistent.
pub(super) fn run_worker(spec: &AnswerSpec) -> Result<()> {
    let model = shape::model(spec.shape, &spec.backend.device()?)?;
    // No token ends an answer: every program generates as many.
    let options = GenerationOptions::greedy(spec.new_tokens, Vec::new());
    report(&Ready { ready: true })?;
    for order in stdin().lock().lines() {
        order.context("what to answer")?;
        let begun = Instant::now();
        let answers = spec
            .batches
            .iter()
            .flat_map(|batch| model.generate(batch, &options));
        let tokens = answers.map(|answer| answer.len()).sum();
        report(&Timed {
            seconds: begun.elapsed().as_secs_f64(),
            tokens,
        })?;
    }
    Ok(())
}
