//! `experiments datasets`: the built-in suite, generated and checked.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use benchmarks::{Score, Suite, TaskSpec, flaws, load_task, repaired};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::cli::{CheckArgs, DatasetsCommand, GenerateArgs, VerifyArgs};
use crate::suite::{Sizes, generate};

/// Hashes of the files of a suite, in the form of `sha256sum`.
const HASHES: &str = "SHA256SUMS";
/// Times that each task's training rows are gone through: what it takes to learn it, as TRACE's
/// epochs differ from task to task.
const EPOCHS: [(&str, usize); 8] = [
    ("stance", 3),
    ("tone", 3),
    ("summary", 5),
    ("code", 4),
    ("choice", 10),
    ("sums", 5),
    ("shares", 5),
    ("simplify", 5),
];

/// Generates or verifies.
pub fn run(command: &DatasetsCommand) -> Result<()> {
    match command {
        DatasetsCommand::Generate(args) => write_suite(args),
        DatasetsCommand::Verify(args) => verify(args),
        DatasetsCommand::Check(args) => check(args),
    }
}

/// Generates a suite in memory and writes it to a new folder.
fn write_suite(args: &GenerateArgs) -> Result<()> {
    ensure!(
        !args.out.exists(),
        "{} already exists; choose another --out",
        args.out.display()
    );
    let files = files(args.seed)?;
    let mut hashes = String::new();
    for (name, bytes) in &files {
        let path = args.out.join(name);
        let folder = path.parent().unwrap_or(&args.out);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        hashes.push_str(&format!("{}  {name}\n", hash(bytes)));
    }
    // Last, so that a folder without it was not finished.
    let path = args.out.join(HASHES);
    std::fs::write(&path, hashes).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {} files to {}", files.len() + 1, args.out.display());
    Ok(())
}

/// Every file of a suite by its relative path, in order.
fn files(seed: u64) -> Result<BTreeMap<String, Vec<u8>>> {
    let generated = generate(seed, &Sizes::default());
    let mut files = BTreeMap::new();
    let mut tasks = Vec::new();
    for task in &generated.tasks {
        tasks.push(TaskSpec {
            name: task.name.to_string(),
            score: score(task.score)?,
            max_new_tokens: task.max_new_tokens,
            epochs: epochs(task.name)?,
            labels: Vec::new(),
        });
        for (split, rows) in [
            ("train", &task.train),
            ("eval", &task.validation),
            ("test", &task.test),
        ] {
            files.insert(format!("{}/{split}.json", task.name), json(rows)?);
        }
    }
    let names = |tasks: &[TaskSpec]| tasks.iter().map(|task| task.name.clone()).collect();
    let reversed: Vec<TaskSpec> = tasks.iter().rev().cloned().collect();
    let suite = Suite {
        name: match seed {
            0 => "built-in suite".to_string(),
            _ => format!("built-in suite, seed {seed}"),
        },
        orders: vec![names(&tasks), names(&reversed)],
        tasks,
        general: Some("general.json".to_string()),
    };
    files.insert("suite.json".to_string(), json(&suite)?);
    files.insert("general.json".to_string(), json(&generated.probe)?);
    Ok(files)
}

fn epochs(task: &str) -> Result<usize> {
    let found = EPOCHS.iter().find(|(name, _)| *name == task);
    let (_, epochs) = found.with_context(|| format!("no epochs for the task {task:?}"))?;
    Ok(*epochs)
}

/// The scores of the generator are named as in a `suite.json`.
fn score(name: &str) -> Result<Score> {
    serde_json::from_value(serde_json::Value::from(name))
        .with_context(|| format!("the generator names an unknown score {name:?}"))
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text.into_bytes())
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares every file of a folder with its recorded hash.
fn verify(args: &VerifyArgs) -> Result<()> {
    let list = args.folder.join(HASHES);
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("cannot read {}", list.display()))?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let Some((expected, name)) = line.split_once("  ") else {
            bail!("{}: expected `hash  file`, found {line:?}", list.display());
        };
        count += 1;
        if !matches_hash(&args.folder.join(name), expected)? {
            wrong.push(name);
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} of {count} files differ from {}: {}",
        wrong.len(),
        list.display(),
        wrong.join(", ")
    );
    println!("{count} files as recorded");
    Ok(())
}

fn matches_hash(path: &Path, expected: &str) -> Result<bool> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hash(&bytes) == expected)
}

/// Prints the rows of every task and what is wrong with them.
fn check(args: &CheckArgs) -> Result<()> {
    let suite = Suite::open(&args.folder)?;
    let mut count = 0;
    println!("{}: {} tasks", suite.name, suite.tasks.len());
    for task in &suite.tasks {
        let rows = load_task(&args.folder, task)?;
        println!(
            "\n{}: {} train, {} eval, {} test rows",
            task.name,
            rows.train.len(),
            rows.validation.len(),
            rows.test.len()
        );
        let found = flaws(&rows);
        count += found.len();
        for flaw in found {
            println!("  {flaw}");
        }
        for change in repaired(rows).1 {
            println!("  a run with flaws = \"repair\" has {change}");
        }
    }
    println!("\n{count} flaws");
    ensure!(
        !args.strict || count == 0,
        "{} has {count} flaws",
        args.folder.display()
    );
    Ok(())
}
