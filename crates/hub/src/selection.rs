//! Which files of a repository a model folder needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::error::HubError;
use crate::listing::Listing;
use crate::reference::{Reference, is_safe_path};

/// The file without which a folder is no model.
const CONFIG: &str = "config.json";
/// Weights in one file.
const WEIGHTS: &str = "model.safetensors";
/// The list of shards, where there are several.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// Largest index that is read, in bytes: several times that of the largest published models.
const LARGEST_INDEX: u64 = 64 << 20;
/// A tokenizer as a whole.
const TOKENIZER: &str = "tokenizer.json";
/// Parts from which other tools make a tokenizer.
const TOKENIZER_PARTS: [&str; 3] = ["vocab.json", "merges.txt", "vocab.txt"];
/// Vocabularies of SentencePiece, by the names that families give them.
const SENTENCE_PIECES: [&str; 3] = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"];
/// Files that are taken where there are any.
const OTHERS: [&str; 8] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "additional_chat_templates/tool_use.jinja",
    "chat_template.json",
    "README.md",
];
/// Endings of weights in other formats.
const OTHER_WEIGHTS: [&str; 9] = [
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".msgpack",
    ".onnx",
    ".gguf",
    ".safetensors",
];
/// Number of names that an error lists.
const LISTED: usize = 5;

/// The files of a reference, but for the shards that an index names: those that are small first, the weights last.
///
/// # Errors
///
/// [`HubError::NotAModel`], [`HubError::NoSafetensors`], or [`HubError::NoFile`] for a GGUF file that is not there.
pub(crate) fn files(listing: &Listing, reference: &Reference) -> Result<Vec<String>, HubError> {
    if let Some(file) = reference.file() {
        return match listing.has(file) {
            true => Ok(vec![file.to_string()]),
            false => Err(HubError::NoFile {
                model: reference.model().to_string(),
                file: file.to_string(),
                others: listed(listing, &[".gguf"]),
            }),
        };
    }
    let weights = [WEIGHTS, INDEX].into_iter().find(|name| listing.has(name));
    let weights = weights.ok_or_else(|| HubError::NoSafetensors {
        model: reference.model().to_string(),
        found: listed(listing, &OTHER_WEIGHTS),
    })?;
    if !listing.has(CONFIG) {
        return Err(HubError::NotAModel {
            model: reference.model().to_string(),
            file: CONFIG.to_string(),
        });
    }
    let parts = match listing.has(TOKENIZER) {
        true => &[TOKENIZER][..],
        false => &TOKENIZER_PARTS,
    };
    let fixed = [CONFIG].iter().chain(&OTHERS).chain(parts);
    let fixed = fixed.chain(&SENTENCE_PIECES).copied();
    let licences = listing.names().filter(|name| is_licence(name));
    let mut files: Vec<String> = fixed
        .filter(|name| listing.has(name))
        .chain(licences)
        .map(str::to_string)
        .collect();
    files.push(weights.to_string());
    Ok(files)
}

/// The shards that an index names.
///
/// # Errors
///
/// [`HubError::Index`] if the file is no index, or names a file that is no shard or not in the listing.
pub(crate) fn shards(index: &Path, listing: &Listing) -> Result<Vec<String>, HubError> {
    let names = names_in_index(index)?;
    for name in &names {
        let named = is_safe_path(name) && !name.contains(':') && name.ends_with(".safetensors");
        if !named || !listing.has(name) {
            let reason = format!("it names the shard {name:?}, which the model does not have");
            return Err(unusable(index, reason));
        }
    }
    Ok(names.into_iter().collect())
}

/// What a snapshot lacks of which no list of files is known; nothing if it has everything that a model cannot do
/// without.
pub(crate) fn lacks(snapshot: &Path, reference: &Reference) -> Option<String> {
    let has = |name: &str| snapshot.join(name).is_file();
    if let Some(file) = reference.file() {
        return (!has(file)).then(|| file.to_string());
    }
    if !has(CONFIG) {
        return Some(CONFIG.to_string());
    }
    let parts = has(TOKENIZER_PARTS[0]) && has(TOKENIZER_PARTS[1]) || has(TOKENIZER_PARTS[2]);
    if !(has(TOKENIZER) || parts || SENTENCE_PIECES.into_iter().any(has)) {
        return Some(TOKENIZER.to_string());
    }
    if has(WEIGHTS) {
        return None;
    }
    if !has(INDEX) {
        return Some(WEIGHTS.to_string());
    }
    match names_in_index(&snapshot.join(INDEX)) {
        Ok(names) => names
            .into_iter()
            .find(|name| !is_safe_path(name) || !has(name)),
        Err(_) => Some(format!("a readable {INDEX}")),
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn names_in_index(path: &Path) -> Result<BTreeSet<String>, HubError> {
    let size = path.metadata().map_err(HubError::io(path))?.len();
    if size > LARGEST_INDEX {
        let reason = format!("it has more than {} MiB", LARGEST_INDEX >> 20);
        return Err(unusable(path, reason));
    }
    let bytes = std::fs::read(path).map_err(HubError::io(path))?;
    let index: Index =
        serde_json::from_slice(&bytes).map_err(|error| unusable(path, error.to_string()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    match names.is_empty() {
        true => Err(unusable(path, "it names no shard".to_string())),
        false => Ok(names),
    }
}

fn unusable(index: &Path, reason: String) -> HubError {
    HubError::Index {
        path: index.to_path_buf(),
        reason,
    }
}

/// Whether a file holds a licence: a text of that name beside the model.
fn is_licence(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let stem = ["license", "licence"]
        .into_iter()
        .find_map(|start| lower.strip_prefix(start));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    stem.is_some_and(|rest| {
        let (name, ending) = rest.rsplit_once('.').unwrap_or((rest, "txt"));
        name.chars().all(plain) && matches!(ending, "txt" | "md")
    })
}

/// The first files with one of these endings.
fn listed(listing: &Listing, endings: &[&str]) -> String {
    let named = |name: &&str| endings.iter().any(|ending| name.ends_with(ending));
    let found: Vec<&str> = listing.names().filter(named).collect();
    match found.len() {
        0 => "none".to_string(),
        count if count > LISTED => {
            format!("{} and {} more", found[..LISTED].join(", "), count - LISTED)
        }
        _ => found.join(", "),
    }
}
