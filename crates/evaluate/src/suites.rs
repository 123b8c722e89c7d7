//! Suites by name or file, and the scores of a model on all of them.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use general::{OwnSettings, Protocol, Suite, Suites, open_own, open_texts};
use lm::{LanguageModel, TextTokenizer};

use crate::answer::Limits;
use crate::kept::{Evaluated, KeptScores, score};

/// The name that stands for all suites that need no generated text and whose files are there.
pub const AUTO: &str = "auto";

/// Which suites are measured.
#[derive(Clone, Copy, Debug)]
pub struct SuiteNames<'a> {
    /// Names of suites, [`AUTO`], or files: `.txt` with a text per line, or `.jsonl` with a user's own questions.
    pub names: &'a [String],
    /// How prompts are written and scored.
    pub protocol: Protocol,
    /// Folder of the suites' rows and examples.
    pub folder: &'a Path,
    /// Only the first rows of each group.
    pub limit: Option<usize>,
    /// Longest answer to a user's own question, in tokens.
    pub max_new_tokens: usize,
}

impl SuiteNames<'_> {
    /// Opens the suites.
    ///
    /// # Errors
    ///
    /// An unknown name, a file that cannot be read, a suite that is named twice; [`AUTO`] where the folder has no file of a
    /// suite.
    pub fn open(&self) -> Result<Vec<Suite>> {
        let mut suites = Vec::new();
        for name in self.names {
            match name.as_str() {
                AUTO => suites.extend(self.open_auto()?),
                name => suites.push(self.open_one(name)?),
            }
        }
        for (at, suite) in suites.iter().enumerate() {
            ensure!(
                suites[..at]
                    .iter()
                    .all(|earlier| earlier.name() != suite.name()),
                "suite {} is named twice",
                suite.name()
            );
        }
        Ok(match self.limit {
            Some(limit) => {
                let limited = suites.into_iter().map(|suite| suite.first_per_group(limit));
                limited.collect()
            }
            None => suites,
        })
    }

    fn open_one(&self, name: &str) -> Result<Suite> {
        let path = Path::new(name);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("txt") => Ok(open_texts(path)?),
            Some("jsonl") => {
                let settings = OwnSettings {
                    max_new_tokens: self.max_new_tokens,
                    ..OwnSettings::default()
                };
                Ok(open_own(path, &settings)?)
            }
            _ => {
                let opened = Suites::builtin().open(&[name], self.protocol, self.folder);
                let opened = opened.with_context(|| {
                    format!(
                        "suite {name} (a suite's rows and examples are in {}; a file of your own ends in .txt or .jsonl)",
                        self.folder.display()
                    )
                })?;
                opened.into_iter().next().context("no suite was opened")
            }
        }
    }

    fn open_auto(&self) -> Result<Vec<Suite>> {
        let builtin = Suites::builtin();
        let mut suites = Vec::new();
        for kind in builtin.of(self.protocol) {
            let files = kind.files(self.protocol);
            let are_there = files.iter().all(|file| self.folder.join(file).exists());
            if are_there && !kind.generates() {
                suites.push(kind.open(self.folder, self.protocol)?);
            }
        }
        if suites.is_empty() {
            bail!(
                "{} has no file of a suite that auto measures (loss, mmlu, piqa, boolq): docs/evaluate.md says which files \
                 there are",
                self.folder.display()
            );
        }
        Ok(suites)
    }
}

/// The scores of a model on all suites: kept ones where there are any, else asked and then kept. `told` receives the name
/// of a suite and how many more of its rows are done.
///
/// # Errors
///
/// As [`score`]; one that cannot be kept is a warning.
pub fn scores<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    suites: &[Suite],
    kept: Option<&KeptScores>,
    limits: Limits,
    told: &mut dyn FnMut(&str, usize) -> Result<()>,
) -> Result<Vec<Evaluated>> {
    let mut scores = Vec::new();
    for suite in suites {
        let found = kept.map(|kept| kept.find(suite)).transpose()?.flatten();
        scores.push(match found {
            Some(found) => {
                told(suite.name(), suite.rows().len())?;
                found
            }
            None => {
                let mut answered = |rows| told(suite.name(), rows);
                let scored = score(model, tokenizer, suite, limits, &mut answered)?;
                // A score that cannot be kept is still a score.
                if let Some(Err(error)) = kept.map(|kept| kept.keep(suite, &scored)) {
                    eprintln!("warning: {error:#}");
                }
                scored
            }
        });
    }
    Ok(scores)
}
