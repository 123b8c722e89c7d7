//! Scores that are kept, so that the same model is not asked twice.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use atomic_write_file::AtomicWriteFile;
use general::{Response, Score, Suite};
use lm::{FolderFingerprint, LanguageModel, TextTokenizer};
use report::hash::sha256;
use report::record::user_cache;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{Limits, answers};

/// Increased whenever the same model gives other numbers: a kept score of another version is not used.
const VERSION: u32 = 2;

/// What a model reached on a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Its score, row by row.
    pub score: Score,
    /// The texts that it generated, for rows that ask for one.
    pub outputs: Vec<Option<String>>,
    /// Seconds that the answers took.
    pub seconds: f64,
}

/// Asks a model a suite and scores what it answers. `answered` receives how many more rows are done.
///
/// # Errors
///
/// As [`answers`], and if the suite has no row.
pub fn score<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    suite: &Suite,
    limits: Limits,
    answered: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Evaluated> {
    let begun = Instant::now();
    let responses = answers(model, tokenizer, suite.rows(), limits, answered)
        .with_context(|| format!("suite {}", suite.name()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let score = suite.score(&responses)?;
    let output = |response| match response {
        Response::Text(text) => Some(text),
        _ => None,
    };
    Ok(Evaluated {
        score,
        outputs: responses.into_iter().map(output).collect(),
        seconds,
    })
}

/// The scores of one model on one backend, in a folder that holds those of many.
#[derive(Clone, Debug)]
pub struct KeptScores {
    folder: PathBuf,
    model: FolderFingerprint,
    backend: String,
    anew: bool,
}

impl KeptScores {
    /// The scores of a model in `folder`, computed on the backend of this name.
    pub fn of(folder: PathBuf, model: FolderFingerprint, backend: &str) -> Self {
        Self {
            folder,
            model,
            backend: backend.to_string(),
            anew: false,
        }
    }

    /// With `anew`, what is kept is not found, and replaced.
    pub fn anew(mut self, anew: bool) -> Self {
        self.anew = anew;
        self
    }

    /// Where scores are kept if nobody says otherwise; `None` if the user has no folder for caches.
    pub fn usual_folder() -> Option<PathBuf> {
        Some(user_cache()?.join("evaluations"))
    }

    /// The kept score of a suite. A file that cannot be read as one is as good as none: it will be replaced.
    ///
    /// # Errors
    ///
    /// If the suite cannot be hashed.
    pub fn find(&self, suite: &Suite) -> Result<Option<Evaluated>> {
        if self.anew {
            return Ok(None);
        }
        let Ok(text) = fs::read_to_string(self.file(suite)?) else {
            return Ok(None);
        };
        let kept: Option<Evaluated> = serde_json::from_str(&text).ok();
        let hash = suite.hash()?;
        Ok(kept.filter(|kept| kept.score.suite_hash == hash))
    }

    /// Keeps a score.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn keep(&self, suite: &Suite, evaluated: &Evaluated) -> Result<()> {
        let path = self.file(suite)?;
        let text = serde_json::to_string(evaluated)?;
        write(&path, text.as_bytes())
            .with_context(|| format!("cannot keep a score in {}", self.folder.display()))
    }

    fn file(&self, suite: &Suite) -> Result<PathBuf> {
        let known_by = json!({
            "config": self.model.config,
            "weights": self.model.weights,
            "tokenizer": self.model.tokenizer,
            "backend": self.backend,
            "suite": suite.hash()?,
            "version": VERSION,
        });
        let key = sha256(known_by.to_string().as_bytes());
        Ok(self.folder.join(format!("{}-{key}.json", suite.name())))
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(bytes)?;
    file.commit()
}
