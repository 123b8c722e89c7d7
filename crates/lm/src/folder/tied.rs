//! Finding the embeddings and the output head, and whether they are tied.

use std::path::Path;

use serde_json::Value;

use super::checkpoint::Checkpoint;
use crate::error::LmError;
use crate::model::FolderFormat;

/// Stored tensors of the embeddings and the output head.
#[derive(Debug, Default)]
pub(super) struct Tied {
    /// The tensor of the embeddings.
    pub embedding: Option<String>,
    /// The tensor of an untied head.
    pub head: Option<String>,
    /// Whether the head is untied, even if its tensor is missing.
    pub own_head: bool,
    /// Tensors with the same values as another one.
    pub copies: Vec<String>,
    pub warnings: Vec<String>,
}

/// Finds the embeddings and the head.
///
/// A head in the files that differs from the embeddings is untied, whatever `config.json` says: it must have
/// been trained. A head that equals the embeddings is tied if the flag says so, as in transformers.
///
/// # Errors
///
/// [`LmError::DifferentCopies`] if tensors differ that every model of the family shares, and errors of
/// reading them.
pub(super) fn find(
    checkpoint: &Checkpoint,
    format: &FolderFormat,
    config: &Value,
    folder: &Path,
) -> Result<Tied, LmError> {
    let flag = format.ties(config);
    let names = format.embeddings;
    let mut stored = names.iter().filter_map(|name| checkpoint.stored(name));
    let mut tied = Tied {
        embedding: stored.next(),
        ..Tied::default()
    };
    if let Some(first) = &tied.embedding {
        for copy in stored {
            if !checkpoint.same_values(first, &copy)? {
                return Err(LmError::DifferentCopies {
                    folder: folder.to_path_buf(),
                    first: first.clone(),
                    second: copy,
                });
            }
            tied.copies.push(copy);
        }
    }
    let head = checkpoint.stored(format.head);
    if tied.embedding.is_none() {
        tied.embedding = names.iter().find_map(|name| checkpoint.alias(name));
    }
    if tied.embedding.is_none() && flag {
        tied.embedding = head.clone();
    }
    let head = head.or_else(|| checkpoint.alias(format.head));
    tied.own_head = match (&tied.embedding, &head) {
        (Some(embedding), Some(head)) if flag => !checkpoint.same_values(embedding, head)?,
        _ => !flag,
    };
    if tied.own_head {
        if flag && !(format.may_untie)(config) {
            tied.warnings.push(format!(
                "config.json says that the output head is the embeddings (tie_word_embeddings), but {} \
                 differs from them: it is used, and trained apart",
                format.head
            ));
        }
        tied.head = head;
    } else {
        tied.copies.extend(head);
    }
    Ok(tied)
}
