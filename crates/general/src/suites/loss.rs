//! The loss on plain text.

use std::path::Path;

use crate::error::GeneralError;
use crate::files;
use crate::kind::SuiteKind;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::statistics::GroupMean;
use crate::suite::{Expected, Grading, Rules, Suite};

/// Mean cross-entropy per token over texts, one a line. A text counts by its tokens.
///
/// # References
///
/// The column for forgetting in `method_comparison/MetaMathQA` of huggingface/peft: texts of
/// Wikipedia, cut behind 768 tokens.
#[derive(Debug)]
pub(crate) struct Loss;

const TEXTS: &str = "wiki.txt";
const MAX_TOKENS: usize = 768;

impl SuiteKind for Loss {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn help(&self) -> &'static str {
        "Mean cross-entropy per token on plain text"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &[]
    }

    fn files(&self, _: Protocol) -> &'static [&'static str] {
        &[TEXTS]
    }

    fn open(&self, folder: &Path, _: Protocol) -> Result<Suite, GeneralError> {
        of_file(self.name(), &folder.join(TEXTS))
    }
}

/// Opens a file of plain text, one text per line, as a suite that measures the mean cross-entropy per token.
///
/// # Errors
///
/// [`GeneralError::Io`], and [`GeneralError::File`] if it holds no text.
pub fn open_texts(path: &Path) -> Result<Suite, GeneralError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    of_file(&name, path)
}

fn of_file(name: &str, path: &Path) -> Result<Suite, GeneralError> {
    let lines = files::lines(path)?;
    let questions = lines.into_iter().map(|(_, text)| {
        let request = Request::Loss {
            text,
            max_tokens: MAX_TOKENS,
        };
        (name.to_string(), request, Expected::Nothing)
    });
    let rules = Rules {
        name: name.to_string(),
        protocol: None,
        version: 1,
        mean: GroupMean::Rows,
        grading: Grading::Loss,
    };
    Ok(Suite::new(rules, questions))
}
