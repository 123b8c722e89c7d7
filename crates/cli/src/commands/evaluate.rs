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
        limit: args.limit.map(|limit| limit as usize),
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
            let kept = KeptScores::of(kept, fingerprint, args.backend.name());
            Some(kept.anew(args.anew))
        }
        None => None,
    };
    if let Some(kept) = &kept {
        let found = suites.iter().map(|suite| kept.find(suite));
        let found: Option<Vec<Evaluated>> = found.collect::<Result<_>>()?;
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let loaded = folder.load::<Model>(&args.backend.device()?)?;
    for warning in tokenizer.warnings().iter().chain(&loaded.warnings) {
        eprintln!("warning: {warning}");
    }
    let limits = Limits {
        rows: args.batch as usize,
        ..Limits::of(&folder)
    };
    let rows: usize = suites.iter().map(|suite| suite.rows().len()).sum();
    let progress = Progress::new(rows as u64);
    let (model, kept) = (&loaded.model, kept.as_ref());
    let scores = evaluate::scores(
        model,
        &tokenizer,
        suites,
        kept,
        limits,
        &mut |suite, rows| {
            progress.advance(rows as u64, &format!("{} · {suite}", path.display()));
            Ok(())
        },
    )?;
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
