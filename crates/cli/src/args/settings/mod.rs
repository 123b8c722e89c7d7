//! The settings that the arguments of `osft finetune` and `osft check` stand for.

mod described;
mod flags;
mod given;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use finetune::carried;
use finetune::settings::{COMMAND, learning_rate};
use runs::Registries;
use runs::sequence::resumed;
use runs::settings::{Overrides, RunConfig};
use toml::{Table, Value};

use self::described::Described;
use self::flags::table_in;
use self::given::Given;
use super::finetune::{LearningArgs, RowsArgs};

/// Share of the rows that is held out if nothing is said.
const HELD_OUT: &str = "0.05";
/// Held-out prompts that are answered before and after.
const QUESTIONS: i64 = 32;
/// Longest answer to them, in tokens.
const NEW_TOKENS: i64 = 128;

impl RowsArgs {
    /// The settings of a check.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::resolve`].
    pub fn config(&self, registries: &Registries) -> Result<RunConfig> {
        let mut flags = Table::new();
        self.put(&mut flags);
        put_missing_rows(&mut flags, "check", &|_| false);
        let mut overrides = Overrides {
            flags,
            ..Overrides::default()
        };
        let config = RunConfig::resolve(registries, COMMAND, true, &overrides)?;
        let model = Described::open(&self.model)?;
        let typed = self.max_length.is_some();
        fit_length(&config, &model, typed, &mut overrides.flags)?;
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

impl LearningArgs {
    /// The settings of a new run, or of the run in a folder to resume.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::resolve`], and if what was typed has no effect.
    pub fn config(
        &self,
        rows: &RowsArgs,
        registries: &Registries,
        running: Option<&Path>,
    ) -> Result<RunConfig> {
        let mut overrides = Overrides {
            file: self.config.as_deref(),
            set: &self.set,
            flags: self.flags(rows)?,
            ..Overrides::default()
        };
        let given = Given::read(overrides.file, overrides.set)?;
        if let Some(running) = running {
            let method = given.keep_of_run(running, &mut overrides.flags)?;
            self.put_of_method(&method, &mut overrides.flags)?;
            return resumed(registries, COMMAND, running, &overrides);
        }
        let name = self.task_name(rows)?;
        put_missing_rows(&mut overrides.flags, &name, &|key| match key {
            "rows.task" | "rows.today" if given.is_of_run() => given.pairs_set(key),
            "rows.valid" if given.validates_by_file() => given.pairs_set(key),
            _ => given.sets(key),
        });
        let config = RunConfig::resolve(registries, COMMAND, true, &overrides)?;
        ensure!(
            config.compare.len() == 1 && config.seeds.len() == 1,
            "`osft finetune` learns with one method and one seed; `experiments trace` compares several"
        );
        // The method may stand in a file or in a pair.
        self.put_of_method(&config.compare[0], &mut overrides.flags)?;
        let model = Described::open(&rows.model)?;
        let given_length = rows.max_length.is_some() || given.sets("max_length");
        fit_length(&config, &model, given_length, &mut overrides.flags)?;
        ensure!(
            self.calibration_text.is_none() || !carried::has_learned(&model.folder),
            "--calibration-text: {} has learned tasks before, and carries what was measured of its base model then; leave \
             it out",
            rows.model.display()
        );
        let method = config.compare[0].clone();
        overrides.carried = carried::common_settings(registries, &model.folder, &method)?;
        if self.lr.is_none() && !given.sets_rate(&method) {
            let rate = learning_rate(&method, model.parameters);
            table_in(&mut overrides.flags, "learning_rates").insert(method, Value::from(rate));
        }
        if !self.no_packing && !given.sets("train.packing") {
            let can_pack = Value::from(model.can_pack);
            table_in(&mut overrides.flags, "train").insert("packing".to_string(), can_pack);
        }
        let carries = !overrides.carried.is_empty();
        let config = RunConfig::resolve(registries, COMMAND, true, &overrides);
        match carries {
            true => config.with_context(|| {
                format!(
                    "{} has learned tasks before, and these settings of theirs hold for this one too: {}",
                    rows.model.display(),
                    overrides.carried.to_string().replace('\n', " ").trim()
                )
            }),
            false => config,
        }
    }

    /// The task's name: that of the first file without its endings.
    fn task_name(&self, rows: &RowsArgs) -> Result<String> {
        if let Some(task) = &self.task {
            let is_plain = |c: char| c.is_alphanumeric() || " -_.".contains(c);
            ensure!(
                !task.trim().is_empty() && task.chars().all(is_plain),
                "--task {task:?}: expected a name of letters, digits, blanks, -, _ and ."
            );
            return Ok(task.clone());
        }
        let source: rows::Source = rows.data[0].parse()?;
        let name = source.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let name = name
            .split('.')
            .find(|part| !part.is_empty())
            .unwrap_or("task");
        let plain = |c: char| {
            if c.is_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        };
        Ok(name.chars().map(plain).collect())
    }
}

/// Lowers the default length to what the model was made for.
///
/// # Errors
///
/// If a larger length was `given`.
fn fit_length(config: &RunConfig, model: &Described, given: bool, flags: &mut Table) -> Result<()> {
    if config.max_length <= model.positions {
        return Ok(());
    }
    ensure!(
        !given,
        "max_length = {}: the model was made for {positions} positions; give --max-length {positions} or less",
        config.max_length,
        positions = model.positions
    );
    let positions = Value::from(model.positions as i64);
    flags.insert("max_length".to_string(), positions);
    Ok(())
}

/// Completes the settings of the rows with their defaults, unless `sets` says that a file or a pair has them.
fn put_missing_rows(flags: &mut Table, task: &str, sets: &dyn Fn(&str) -> bool) {
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
        if !sets(&format!("rows.{key}")) {
            rows.entry(key).or_insert(value);
        }
    }
}
