//! Embeddings and output head: which tensors of a file they are, and whether they are one.

use std::path::Path;

use serde_json::Value;

use super::checkpoint::Checkpoint;
use crate::LmError;
use crate::family::Family;

/// The output head's tensor, in every family.
pub(super) const HEAD: &str = "lm_head.weight";
/// The key that says whether the output head is the embeddings.
const FLAG: &str = "tie_word_embeddings";
/// The key that says whether T5's decoder output is scaled before the head.
const SCALE: &str = "scale_decoder_outputs";

/// Where the embeddings and the head of a model are stored.
#[derive(Debug, Default)]
pub(super) struct Tied {
    /// The tensor of the embeddings.
    pub embedding: Option<String>,
    /// The tensor of a head that is not the embeddings.
    pub head: Option<String>,
    /// Whether the model has a head of its own, be its tensor there or not.
    pub own_head: bool,
    /// Tensors that hold what another one holds too.
    pub copies: Vec<String>,
    pub warnings: Vec<String>,
}

/// Finds the embeddings and the head.
///
/// A head in the files that differs from the embeddings is one of its own, whatever `config.json` says:
/// somebody trained it. As in transformers, one that equals them is the embeddings themselves where the
/// flag ties them.
///
/// # Errors
///
/// [`LmError::DifferentCopies`] if tensors differ that are one in every model of the family, and errors
/// of reading them.
pub(super) fn find(
    checkpoint: &Checkpoint,
    family: Family,
    config: &Value,
    folder: &Path,
) -> Result<Tied, LmError> {
    let flag = flag(config, family);
    let group = family.embeddings();
    let mut stored = group.iter().filter_map(|name| checkpoint.stored(name));
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
    let head = checkpoint.stored(HEAD);
    if tied.embedding.is_none() {
        tied.embedding = group.iter().find_map(|name| checkpoint.alias(name));
    }
    if tied.embedding.is_none() && flag {
        tied.embedding = head.clone();
    }
    let head = head.or_else(|| checkpoint.alias(HEAD));
    tied.own_head = match (&tied.embedding, &head) {
        (Some(embedding), Some(head)) if flag => !checkpoint.same_values(embedding, head)?,
        _ => !flag,
    };
    if tied.own_head {
        // As transformers 5 writes T5: the flag is always true there, and another key tells.
        let usual = family == Family::T5 && !config[SCALE].is_null();
        if flag && !usual {
            tied.warnings.push(format!(
                "config.json says that the output head is the embeddings ({FLAG}), but {HEAD} differs \
                 from them: it is used, and trained apart"
            ));
        }
        tied.head = head;
    } else {
        tied.copies.extend(head);
    }
    Ok(tied)
}

/// The configuration of a model that has a head of its own or not, where `config` says otherwise.
///
/// transformers 5 reads the same model from it, and transformers 4 where it can: it has neither a T5 with a
/// scaled output before a head of its own, nor one without scaling before a shared head.
pub(super) fn settled(config: &Value, family: Family, own_head: bool) -> Value {
    let mut settled = config.clone();
    if flag(config, family) != own_head {
        return settled;
    }
    if family == Family::T5 && config[SCALE].is_null() {
        // Without the key, the flag decides; its value was what the model was read by.
        settled[SCALE] = Value::from(flag(config, family));
    }
    settled[FLAG] = Value::from(!own_head);
    settled
}

/// Whether `config.json` makes the output head the embeddings.
fn flag(config: &Value, family: Family) -> bool {
    let default = family.ties_by_default();
    config[FLAG].as_bool().unwrap_or(default)
}
