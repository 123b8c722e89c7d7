//! `osft evaluate`.

use std::path::Path;

use anyhow::Result;
use evaluate::page::{LEGEND, table};
use evaluate::{Evaluated, KeptScores, Limits, SuiteNames};
use general::Suite;
use lm::{HfFolder, Model};
use report::record::{Manifest, RunFolder};
use runs::Progress;
use serde_json::{Value, json};

use crate::args::EvaluateArgs;

/// Asks the model every suite, and the model before, and shows both.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    let names = SuiteNames {
        names: &args.suite,
        protocol: args.protocol,
        folder: &args.data,
        limit: args.limit,
        max_new_tokens: args.max_new_tokens,
    };
    let suites = names.open()?;
    let folder = match &args.out {
        Some(out) => Some(RunFolder::create(Some(out), "evaluation")?),
        None => None,
    };
    let before = match &args.before {
        Some(model) => scores(args, model, &suites)?,
        None => Vec::new(),
    };
    let after = scores(args, &args.model, &suites)?;
    println!("{}", table(&after, &before, false)?);
    if let Some(folder) = folder {
        write(&folder, args, &suites, &after, &before)?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

/// A model's scores, kept ones where there are any. The model is only loaded if it has to answer.
fn scores(args: &EvaluateArgs, path: &Path, suites: &[Suite]) -> Result<Vec<Evaluated>> {
    let folder = HfFolder::open(runs::model_folder(path)?)?;
    let tokenizer = folder.tokenizer()?;
    let kept = match KeptScores::usual_folder() {
        Some(kept) => {
            let fingerprint = folder.fingerprint(tokenizer.stop_tokens())?;
            Some(KeptScores::of(kept, fingerprint, args.backend.name()))
        }
        None => None,
    };
    let mut found = Vec::new();
    for suite in suites {
        found.push(match &kept {
            Some(kept) if !args.anew => kept.find(suite)?,
            _ => None,
        });
    }
    let missing = suites
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_none());
    let rows: usize = missing.map(|(suite, _)| suite.rows().len()).sum();
    if rows == 0 {
        return Ok(found.into_iter().flatten().collect());
    }
    let loaded = folder.load::<Model>(&args.backend.device()?)?;
    for warning in tokenizer.warnings().iter().chain(&loaded.warnings) {
        eprintln!("warning: {warning}");
    }
    let positions = folder.config()["max_position_embeddings"].as_u64();
    let limits = Limits {
        rows: args.batch as usize,
        context: positions.map(|positions| positions as usize),
        ..Limits::default()
    };
    let progress = Progress::new(rows as u64);
    let mut scores = Vec::new();
    for (suite, found) in suites.iter().zip(found) {
        let scored = match found {
            Some(found) => found,
            None => {
                let message = format!("{} · {}", path.display(), suite.name());
                let mut answered = |rows: usize| {
                    progress.advance(rows as u64, &message);
                    Ok(())
                };
                let scored =
                    evaluate::score(&loaded.model, &tokenizer, suite, limits, &mut answered)?;
                if let Some(kept) = &kept {
                    kept.keep(suite, &scored)?;
                }
                scored
            }
        };
        scores.push(scored);
    }
    progress.finish();
    Ok(scores)
}

fn write(
    folder: &RunFolder,
    args: &EvaluateArgs,
    suites: &[Suite],
    after: &[Evaluated],
    before: &[Evaluated],
) -> Result<()> {
    let model = args.model.display();
    let title = match &args.before {
        Some(before) => format!(
            "General ability of {model}, and of {} before",
            before.display()
        ),
        None => format!("General ability of {model}"),
    };
    let manifest = Manifest::new(
        title.clone(),
        &args.backend.describe(&args.backend.device()?),
    );
    let page = format!(
        "# {title}\n\n{}\n\n{LEGEND}\n\n{}\n",
        table(after, before, true)?,
        manifest.origin()
    );
    folder.write("report.md", page.as_bytes())?;
    let scores = |all: &[Evaluated]| -> Vec<Value> {
        let score =
            |evaluated: &Evaluated| json!({"score": evaluated.score, "seconds": evaluated.seconds});
        all.iter().map(score).collect()
    };
    let json = json!({"manifest": manifest, "after": scores(after), "before": scores(before)});
    folder.write(
        "scores.json",
        serde_json::to_string_pretty(&json)?.as_bytes(),
    )?;
    for (suite, evaluated) in suites.iter().zip(after) {
        let mut lines = String::new();
        for (row, output) in suite.rows().iter().zip(&evaluated.outputs) {
            if let Some(output) = output {
                let line = json!({"row": row.name, "expected": row.texts(), "output": output});
                lines.push_str(&format!("{line}\n"));
            }
        }
        if !lines.is_empty() {
            let name = format!("answers-{}.jsonl", suite.name().replace(['/', '\\'], "-"));
            folder.write(&name, lines.as_bytes())?;
        }
    }
    Ok(())
}
