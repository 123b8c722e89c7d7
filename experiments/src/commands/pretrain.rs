//! `experiments pretrain`: a base model small enough to be committed.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use burn::data::dataset::InMemDataset;
use continual::methods::SeqFt;
use continual::trainer::{TaskTraining, TrainConfig, TrainEvent, Training, fit, step_count};
use lm::{Example, ExportPrecision, HfFolder, Model, Pretrained};
use serde::Deserialize;

use crate::cli::{FamilyName, PretrainArgs};
use runs::Progress;
use synthetic::base_model::{BaseFamily, BaseModelSettings, BaseModelSource};
use synthetic::suite::Document;

/// Documents per pass; more at a time fall out of a CPU core's cache (measured 20 % slower).
const MICRO_BATCH: usize = 32;

/// Gathers documents, trains a vocabulary and a model, writes both.
pub fn run(args: &PretrainArgs) -> Result<()> {
    ensure!(
        !args.out.exists(),
        "{} already exists; choose another --out",
        args.out.display()
    );
    let device = args.backend.device()?.autodiff();
    let own_documents = args.text.as_deref().map(own_documents).transpose()?;
    let model_settings = BaseModelSettings {
        family: match args.family {
            FamilyName::Llama => BaseFamily::Llama,
            FamilyName::T5 => BaseFamily::T5,
        },
        seed: args.seed,
        documents: args.documents,
        vocabulary: args.vocabulary,
        hidden: args.hidden,
        layers: args.layers,
        own_documents,
    };
    let documents = model_settings.gathered();
    let scratch = tempfile::tempdir().context("cannot create a temporary folder")?;
    write(scratch.path(), &model_settings.source(&documents)?)?;
    let source = HfFolder::open(scratch.path())?;
    let tokenizer = source.tokenizer()?;
    let rows = model_settings.rows(&documents, &tokenizer)?;
    device.seed(args.seed);
    let config = scratch.path().join("config.json");
    let model = Model::from_config(source.config(), &config, &device)?;
    let settings = TrainConfig {
        learning_rate: args.learning_rate,
        global_batch: args.batch,
        micro_batch: MICRO_BATCH,
        warmup_share: 0.02,
        weight_decay: 0.01,
        beta_2: 0.98,
        ..TrainConfig::default()
    };
    let tokens: usize = rows.iter().map(Example::len).sum();
    println!("{} documents, {tokens} tokens", rows.len());
    let progress = Progress::new(step_count(rows.len(), args.epochs, &settings) as u64);
    let rows = InMemDataset::new(rows);
    let task_training = TaskTraining {
        task: "the documents",
        config: &settings,
        rows: &rows,
        validation: None,
        epochs: args.epochs,
        seed: args.seed,
    };
    let optimizer = settings.optimizer().for_module(&model)?;
    let start = Training::new(model, optimizer);
    let model = fit(start, task_training, &SeqFt, &mut |event| {
        if let TrainEvent::Stepped(step) = event {
            progress.advance(1, &format!("loss {:.3}", step.loss));
        }
        Ok(())
    })?;
    progress.finish();
    source.export(&model, &args.out, ExportPrecision::F32)?;
    println!("wrote {}", args.out.display());
    Ok(())
}

/// A line of a JSONL file: a text, or a prompt and its answer.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Text { text: String },
    Asked { prompt: String, answer: String },
}

/// Documents of the user's: of a file that ends in `.jsonl` an object per line, of any other a text.
fn own_documents(path: &Path) -> Result<Vec<Document>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let objects = path
        .extension()
        .is_some_and(|extension| extension == "jsonl");
    let mut documents = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        documents.push(match objects {
            false => Document::prose(line),
            true => match serde_json::from_str(line) {
                Ok(Line::Text { text }) => Document::prose(text),
                Ok(Line::Asked { prompt, answer }) => Document::asked(prompt, answer),
                Err(_) => bail!(
                    "{shown}, line {}: expected {{\"text\": …}} or {{\"prompt\": …, \"answer\": …}}",
                    index + 1
                ),
            },
        });
    }
    ensure!(!documents.is_empty(), "{shown} has no line with text");
    Ok(documents)
}

/// The folder of a model without weights.
fn write(folder: &Path, source: &BaseModelSource) -> Result<()> {
    for (name, value) in &source.files {
        let text = format!("{}\n", serde_json::to_string_pretty(value)?);
        std::fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    source
        .tokenizer
        .save(folder.join("tokenizer.json"), true)
        .map_err(|error| anyhow::anyhow!("cannot write tokenizer.json: {error}"))
}
