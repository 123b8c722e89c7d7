//! `experiments datasets`: suites are generated, assembled and checked.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use benchmarks::{Recipe, Row, assemble, flaws, load_task, repaired};
use lm::HfFolder;
use report::hash::sha256;
use runs::Registries;
use runs::settings::read_toml;

use crate::cli::{AssembleArgs, CheckArgs, DatasetsCommand, GenerateArgs, SuiteName, VerifyArgs};

/// Hashes of the files of a suite, in the form of `sha256sum`.
const HASHES: &str = "SHA256SUMS";

/// Generates or verifies.
pub fn run(registries: &Registries, command: &DatasetsCommand) -> Result<()> {
    match command {
        DatasetsCommand::Generate(args) => generate(args),
        DatasetsCommand::Assemble(args) => assembled(registries, args),
        DatasetsCommand::Verify(args) => verify(args),
        DatasetsCommand::Check(args) => check(registries, args),
    }
}

/// Generates a suite in memory and writes it to a new folder.
fn generate(args: &GenerateArgs) -> Result<()> {
    let files = match args.suite {
        SuiteName::Trace => synthetic::files::trace(args.seed)?,
        SuiteName::T5 => synthetic::files::miniature(args.seed)?,
    };
    write_suite(&args.out, &files, &hashes(&files))
}

/// Makes a suite of tasks of other suites and writes it to a new folder.
fn assembled(registries: &Registries, args: &AssembleArgs) -> Result<()> {
    let recipe: Recipe = read_toml(&args.recipe)?;
    let tokenizer = HfFolder::open(runs::model_folder(&args.model)?)?.tokenizer()?;
    let failed = Cell::new(None);
    let fits = |row: &Row| match tokenizer.row(&row.prompt, &row.answer) {
        Ok(row) => !tokenizer.fit(&row, recipe.max_tokens).1.any(),
        Err(error) => {
            failed.set(Some(error));
            false
        }
    };
    let mut sources = BTreeMap::new();
    for (name, folder) in &args.from {
        let twice = sources.insert(name.clone(), folder.clone()).is_some();
        ensure!(!twice, "--from names {name:?} twice");
    }
    let assembled = assemble(&recipe, &sources, &registries.benchmarks, &fits);
    if let Some(error) = failed.take() {
        return Err(error.into());
    }
    let assembled = assembled?;
    for remark in &assembled.remarks {
        println!("{remark}");
    }
    let sums = hashes(&assembled.files);
    if let Some(path) = &args.expect {
        let expected = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let other: Vec<&str> = sums
            .lines()
            .filter(|line| !expected.lines().any(|other| other == *line))
            .collect();
        let same_length = sums.lines().count() == expected.lines().count();
        ensure!(
            other.is_empty() && same_length,
            "the suite is not that of {}: other rows, another tokenizer or another recipe. Other files: {}",
            path.display(),
            other.join(", ")
        );
    }
    write_suite(&args.out, &assembled.files, &sums)
}

/// Hashes in the form of `sha256sum`.
fn hashes(files: &BTreeMap<String, Vec<u8>>) -> String {
    let files = files.iter();
    files
        .map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes)))
        .collect()
}

fn write_suite(out: &Path, files: &BTreeMap<String, Vec<u8>>, sums: &str) -> Result<()> {
    ensure!(
        !out.exists(),
        "{} already exists; choose another --out",
        out.display()
    );
    let write = |name: &str, bytes: &[u8]| -> Result<()> {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    for (name, bytes) in files {
        write(name, bytes)?;
    }
    // Last, so that a folder without it was not finished.
    write(HASHES, sums.as_bytes())?;
    println!("wrote {} files to {}", files.len() + 1, out.display());
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
