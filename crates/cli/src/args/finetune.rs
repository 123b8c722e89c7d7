//! Arguments of `osft finetune` and `osft check`, and the settings that they stand for.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use finetune::settings::{COMMAND, learning_rate};
use lm::{HfFolder, Model, Pretrained};
use osft::ShareRule;
use runs::sequence::resumed;
use runs::settings::{Overrides, RunConfig, read_toml};
use runs::{Backend, Registries};
use toml::{Table, Value};

/// Share of the rows that is held out if nothing is said.
const HELD_OUT: &str = "0.05";
/// Held-out prompts that are answered before and after.
const QUESTIONS: i64 = 32;
/// Longest answer to them, in tokens.
const NEW_TOKENS: i64 = 128;

/// The rows, and the model that is to read them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft check --model SmolLM2-135M-Instruct --data rows.jsonl
  osft check --model SmolLM2-135M-Instruct --data rows.jsonl --data more.jsonl.gz:0.5 --valid held-out.jsonl")]
pub struct RowsArgs {
    /// Hugging Face folder of the model.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// File of rows: JSONL or a JSON list, also compressed by gzip, with messages, prompt and completion, prompt and
    /// answer, instruction and output, text, or input_ids. FILE:2 uses every row twice, FILE:0.5 every second one. May be
    /// repeated.
    #[arg(long, value_name = "FILE[:WEIGHT]", required = true)]
    pub data: Vec<String>,
    /// Rows that are not learned from but measured before and after: a file, or the share of the rows to hold out, or
    /// `none` [default: 0.05].
    #[arg(long, value_name = "FILE|SHARE")]
    pub valid: Option<String>,
    /// Longest row in tokens; what is cut is counted and said [default: 1024].
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<usize>,
}

/// Arguments of `finetune`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft finetune --model SmolLM2-135M-Instruct --data rows.jsonl --out taught
  osft finetune --model taught --data other.jsonl --out taught-more
  osft finetune --model SmolLM2-135M-Instruct --data rows.jsonl --out taught --unfreeze-ratio 0.25 --text wiki.txt
  osft finetune --model SmolLM2-135M-Instruct --data rows.jsonl --out taught --resume")]
pub struct FinetuneArgs {
    /// The rows and the model.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// Folder of the trained model; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the task [default: that of the file].
    #[arg(long)]
    pub task: Option<String>,
    /// How the model learns: osft, osft-paper, seqft, lora or o-lora [default: osft].
    #[arg(long)]
    pub method: Option<String>,
    /// Share of the directions of every layer that may train, from 0 to 1; for osft and osft-paper [default: as many as
    /// hold the last 10 % of the inputs' energy].
    #[arg(long, value_name = "SHARE", conflicts_with = "energy")]
    pub unfreeze_ratio: Option<f64>,
    /// Protect as few directions as hold this share, from 0 to 1, of the energy [default: 0.9].
    #[arg(long, value_name = "SHARE")]
    pub energy: Option<f64>,
    /// Peak learning rate [default: by method and size of the model].
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Epochs [default: 3].
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Rows per optimizer step [default: 16].
    #[arg(long, value_name = "ROWS")]
    pub effective_batch: Option<usize>,
    /// Tokens per forward and backward pass, padding included; a step gathers the gradients of its passes [default:
    /// 2048].
    #[arg(long, value_name = "TOKENS")]
    pub max_tokens: Option<usize>,
    /// Seed of the order of the rows [default: 0].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Precision of the written weights: auto (that of the model), f32, bf16 or f16 [default: auto].
    #[arg(long)]
    pub dtype: Option<String>,
    /// Text file whose loss is measured before and after, one paragraph per line; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub text: Vec<PathBuf>,
    /// Held-out prompts that are answered before and after [default: 32].
    #[arg(long, value_name = "ROWS")]
    pub questions: Option<usize>,
    /// Longest generated answer in tokens [default: 128].
    #[arg(long, value_name = "TOKENS")]
    pub max_new_tokens: Option<usize>,
    /// Compare only what follows this text in an answer: rows may reason before they give a result.
    #[arg(long, value_name = "TEXT")]
    pub answer_after: Option<String>,
    /// Text file that stands for what the model knows, one text per line [default: text that it generates].
    #[arg(long, value_name = "FILE")]
    pub calibration_text: Option<PathBuf>,
    /// Save the run every so many steps, beside every five minutes.
    #[arg(long, value_name = "STEPS")]
    pub save_every: Option<usize>,
    /// Go on with the run to this --out, which was stopped.
    #[arg(long)]
    pub resume: bool,
    /// Draw losses and progress on the terminal; q and then s stops the run once it is saved.
    #[arg(long)]
    pub tui: bool,
    /// Where to compute [default: flex].
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// TOML file with settings, as a run leaves it in osft/config.toml.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, over the file, for instance `train.schedule=\"linear\"`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl RowsArgs {
    /// The settings of a check.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::resolve`].
    pub fn config(&self, registries: &Registries) -> Result<RunConfig> {
        let mut flags = Table::new();
        self.put(&mut flags);
        put_missing_rows(&mut flags, "check");
        let overrides = Overrides {
            flags,
            ..Overrides::default()
        };
        RunConfig::resolve(registries, COMMAND, true, &overrides)
    }

    fn put(&self, flags: &mut Table) {
        let model = self.model.to_string_lossy().into_owned();
        flags.insert("model".to_string(), Value::from(model));
        if let Some(length) = self.max_length {
            flags.insert("max_length".to_string(), Value::from(length as i64));
        }
        let files = self.data.iter().map(|file| Value::from(file.as_str()));
        let rows = table_in(flags, "rows");
        rows.insert("files".to_string(), Value::Array(files.collect()));
        if let Some(valid) = &self.valid {
            rows.insert("valid".to_string(), Value::from(valid.as_str()));
        }
    }
}

impl FinetuneArgs {
    /// The settings of a new run, or of the run in a folder to resume.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::resolve`], and if what was typed has no effect.
    pub fn config(
        &self,
        registries: &Registries,
        running: Option<&std::path::Path>,
    ) -> Result<RunConfig> {
        let method = self.method.as_deref();
        let mut overrides = Overrides {
            file: self.config.as_deref(),
            set: &self.set,
            flags: self.flags(method)?,
            ..Overrides::default()
        };
        if let Some(running) = running {
            let (config, _) = resumed(registries, COMMAND, running, &overrides)?;
            return Ok(config);
        }
        let name = self.task_name()?;
        put_missing_rows(&mut overrides.flags, &name);
        let config = RunConfig::resolve(registries, COMMAND, true, &overrides)?;
        ensure!(
            config.compare.len() == 1 && config.seeds.len() == 1,
            "`osft finetune` learns with one method and one seed; `experiments trace` compares several"
        );
        if self.lr.is_some() || self.sets_rates()? {
            return Ok(config);
        }
        let method = config.compare[0].clone();
        let rate = learning_rate(&method, parameters(&self.rows.model)?);
        table_in(&mut overrides.flags, "learning_rates").insert(method, Value::from(rate));
        RunConfig::resolve(registries, COMMAND, true, &overrides)
    }

    /// Whether a file or a pair sets learning rates.
    fn sets_rates(&self) -> Result<bool> {
        let file: Option<Table> = self.config.as_deref().map(read_toml).transpose()?;
        let in_file = file.is_some_and(|file| file.contains_key("learning_rates"));
        Ok(in_file
            || self
                .set
                .iter()
                .any(|pair| pair.trim_start().starts_with("learning_rates")))
    }

    /// The task's name: that of the first file without its endings.
    fn task_name(&self) -> Result<String> {
        if let Some(task) = &self.task {
            ensure!(!task.trim().is_empty(), "--task is empty");
            return Ok(task.clone());
        }
        let source: rows::Source = self.rows.data[0].parse()?;
        let name = source.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        Ok(name
            .split('.')
            .find(|part| !part.is_empty())
            .unwrap_or("task")
            .to_string())
    }

    /// What was typed, under the names of the settings.
    fn flags(&self, method: Option<&str>) -> Result<Table> {
        let mut flags = Table::new();
        self.rows.put(&mut flags);
        let count = |count: usize| Value::from(count as i64);
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
        let mut put = |table: Option<&str>, key: &str, value: Option<Value>| {
            if let Some(value) = value {
                let target = match table {
                    Some(table) => table_in(&mut flags, table),
                    None => &mut flags,
                };
                target.insert(key.to_string(), value);
            }
        };
        put(
            None,
            "compare",
            method.map(|name| Value::Array(vec![Value::from(name)])),
        );
        put(None, "epochs", self.epochs.map(count));
        put(
            None,
            "seeds",
            self.seed
                .map(|seed| Value::Array(vec![Value::from(seed as i64)])),
        );
        put(
            None,
            "backend",
            self.backend.map(|backend| Value::from(backend.name())),
        );
        put(
            Some("train"),
            "global_batch",
            self.effective_batch.map(count),
        );
        put(Some("train"), "max_tokens", self.max_tokens.map(count));
        put(
            Some("checkpoints"),
            "every_steps",
            self.save_every.map(count),
        );
        put(
            Some("calibration"),
            "text",
            self.calibration_text.as_ref().map(path),
        );
        put(Some("rows"), "task", self.task.clone().map(Value::from));
        put(Some("rows"), "dtype", self.dtype.clone().map(Value::from));
        put(Some("rows"), "questions", self.questions.map(count));
        put(
            Some("rows"),
            "max_new_tokens",
            self.max_new_tokens.map(count),
        );
        put(
            Some("rows"),
            "answer_after",
            self.answer_after.clone().map(Value::from),
        );
        let texts: Vec<Value> = self.text.iter().map(path).collect();
        put(
            Some("rows"),
            "texts",
            (!texts.is_empty()).then_some(Value::Array(texts)),
        );
        let method = method.unwrap_or("osft");
        put(Some("learning_rates"), method, self.lr.map(Value::from));
        let rule = match (self.unfreeze_ratio, self.energy) {
            (Some(ratio), _) => {
                ensure!(
                    (0.0..=1.0).contains(&ratio),
                    "--unfreeze-ratio {ratio}: expected a share from 0 (nothing trains) to 1 (everything)"
                );
                Some(ShareRule::fixed(1.0 - ratio))
            }
            (None, energy) => energy.map(ShareRule::energy),
        };
        if let Some(rule) = rule {
            ensure!(
                ["osft", "osft-paper"].contains(&method),
                "--unfreeze-ratio and --energy are settings of osft and osft-paper; {method} protects no directions"
            );
            let own = table_in(table_in(&mut flags, "methods"), method);
            own.insert("protected_share".to_string(), Value::try_from(rule)?);
        }
        Ok(flags)
    }
}

/// Completes the settings of the rows with their defaults.
fn put_missing_rows(flags: &mut Table, task: &str) {
    let today = chrono::Local::now()
        .date_naive()
        .format("%Y-%m-%d")
        .to_string();
    let defaults = [
        ("task", Value::from(task)),
        ("valid", Value::from(HELD_OUT)),
        ("questions", Value::from(QUESTIONS)),
        ("max_new_tokens", Value::from(NEW_TOKENS)),
        ("today", Value::from(today)),
    ];
    let rows = table_in(flags, "rows");
    for (key, value) in defaults {
        rows.entry(key).or_insert(value);
    }
}

/// A table in a table, which is made if it is not there.
fn table_in<'a>(table: &'a mut Table, key: &str) -> &'a mut Table {
    let entry = table
        .entry(key)
        .or_insert_with(|| Value::Table(Table::new()));
    if !entry.is_table() {
        *entry = Value::Table(Table::new());
    }
    match entry {
        Value::Table(table) => table,
        _ => unreachable!("invariant: it was made a table"),
    }
}

/// Number of parameters of the model in a folder, from its configuration alone.
fn parameters(folder: &std::path::Path) -> Result<usize> {
    use burn::module::Module;
    let folder = HfFolder::open(folder)?;
    let path = folder.path().join("config.json");
    let device = burn::tensor::Device::default();
    let model = Model::from_config(folder.config(), &path, &device);
    let model = model.context("the model cannot be built")?;
    Ok(model.num_params())
}
