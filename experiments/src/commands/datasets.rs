//! `experiments datasets`: the built-in suites, generated and checked.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use benchmarks::{flaws, load_task, repaired};
use report::hash::sha256;
use runs::Registries;

use crate::cli::{CheckArgs, DatasetsCommand, GenerateArgs, SuiteName, VerifyArgs};

/// Hashes of the files of a suite, in the form of `sha256sum`.
const HASHES: &str = "SHA256SUMS";

/// Generates or verifies.
pub fn run(registries: &Registries, command: &DatasetsCommand) -> Result<()> {
    match command {
        DatasetsCommand::Generate(args) => write_suite(args),
        DatasetsCommand::Verify(args) => verify(args),
        DatasetsCommand::Check(args) => check(registries, args),
    }
}

/// Generates a suite in memory and writes it to a new folder.
fn write_suite(args: &GenerateArgs) -> Result<()> {
    ensure!(
        !args.out.exists(),
        "{} already exists; choose another --out",
        args.out.display()
    );
    let files = match args.suite {
        SuiteName::Trace => synthetic::files::trace(args.seed)?,
        SuiteName::T5 => synthetic::files::miniature(args.seed)?,
    };
    let mut hashes = String::new();
    for (name, bytes) in &files {
        let path = args.out.join(name);
        let folder = path.parent().unwrap_or(&args.out);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        hashes.push_str(&format!("{}  {name}\n", sha256(bytes)));
    }
    // Last, so that a folder without it was not finished.
    let path = args.out.join(HASHES);
    std::fs::write(&path, hashes).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {} files to {}", files.len() + 1, args.out.display());
    Ok(())
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
    Ok(sha256(&bytes) == expected)
}

/// Prints the rows of every task and what is wrong with them.
fn check(registries: &Registries, args: &CheckArgs) -> Result<()> {
    let suite = registries.benchmarks.open(&args.folder)?;
    let mut count = 0;
    println!("{}: {} tasks", suite.name, suite.tasks.len());
    for task in &suite.tasks {
        if !args.folder.join(task.path()).is_dir() {
            println!("\n{}: not there", task.name);
            continue;
        }
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
