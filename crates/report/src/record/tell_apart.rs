//! Distinguishes different results of the same name.

use serde_json::Value;

use super::Identity;
use crate::hash::{sha256, shortened};

/// Maximum length of a value that is shown completely, in characters.
const SHOWN: usize = 32;

/// A result to name.
#[derive(Clone, Copy, Debug)]
pub struct NamedResult<'a> {
    /// The method and its variant.
    pub label: &'a str,
    /// Tasks in their order; results over different tasks are different.
    pub tasks: &'a [String],
    /// The identity; `None` for a result from before identities existed.
    pub identity: Option<&'a Identity>,
}

impl NamedResult<'_> {
    /// Whether two results need different names.
    fn differs_from(&self, other: &Self) -> bool {
        match (self.identity, other.identity) {
            (Some(a), Some(b)) if self.tasks == other.tasks => a.key != b.key,
            (Some(a), Some(b)) => !a.is_same_across_orders(b),
            (a, b) => a.is_some() != b.is_some(),
        }
    }
}

/// The labels; equal labels get the first settings in which the results differ, as in `osft weights
/// core 0.5 (others = trained)`.
pub fn tell_apart(results: &[NamedResult<'_>]) -> Vec<String> {
    let mut labels: Vec<String> = results.iter().map(|r| r.label.to_string()).collect();
    for (index, result) in results.iter().enumerate() {
        let first = results.iter().position(|other| other.label == result.label);
        if first == Some(index) {
            let same: Vec<usize> = (index..results.len())
                .filter(|&other| results[other].label == result.label)
                .collect();
            let named: Vec<NamedResult<'_>> = same.iter().map(|&other| results[other]).collect();
            for (&place, words) in same.iter().zip(words(&named)) {
                if !words.is_empty() {
                    labels[place] = format!("{} ({})", result.label, words.join(", "));
                }
            }
        }
    }
    labels
}

/// The words for each of several results with the same label.
fn words(results: &[NamedResult<'_>]) -> Vec<Vec<String>> {
    let described: Vec<Vec<(String, String)>> = results.iter().map(descriptors).collect();
    let mut chosen: Vec<Vec<String>> = vec![Vec::new(); results.len()];
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in described.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // A setting says more than a hash, also one that only a later result has.
    let contents = results.iter().filter_map(|result| result.identity);
    let contents: Vec<&str> = contents
        .flat_map(|identity| identity.contents.parts())
        .map(|(name, _)| name)
        .chain([KEY])
        .collect();
    names.sort_by_key(|name| contents.contains(&name.as_str()));
    let value = |index: usize, name: &String| {
        let own = described[index].iter().find(|(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
    };
    for name in names {
        // Add only words that distinguish two results that are still equal.
        let pairs = (0..results.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let mut open = pairs.filter(|&(a, b)| {
            results[a].differs_from(&results[b])
                && chosen[a] == chosen[b]
                && value(a, name) != value(b, name)
        });
        if open.next().is_none() {
            continue;
        }
        for (index, chosen) in chosen.iter_mut().enumerate() {
            chosen.push(match (name.as_str(), value(index, name)) {
                (METHOD | RECORDED, Some(value)) => value.to_string(),
                (name, Some(value)) => format!("{name} = {value}"),
                (name, None) => format!("no {name}"),
            });
        }
    }
    chosen
}

const METHOD: &str = "method";
const RECORDED: &str = "recorded";
const KEY: &str = "key";

/// The words that may describe a result, the most informative first.
fn descriptors(result: &NamedResult<'_>) -> Vec<(String, String)> {
    let Some(identity) = result.identity else {
        let words = "of an earlier version".to_string();
        return vec![(RECORDED.to_string(), words)];
    };
    let mut descriptors = Vec::new();
    if let Ok(settings) = serde_json::to_value(&identity.settings) {
        // The method's own table is named after the method.
        let method = settings
            .get(METHOD)
            .and_then(Value::as_str)
            .unwrap_or_default();
        flatten("", &settings, &method.replace('-', "_"), &mut descriptors);
    }
    for (name, hash) in identity.contents.parts() {
        descriptors.push((name.to_string(), shortened(hash).to_string()));
    }
    descriptors.push((KEY.to_string(), identity.short().to_string()));
    descriptors
}

/// Lists settings by their dotted names; those of the table `own` without its name.
fn flatten(prefix: &str, value: &Value, own: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let name = match (prefix, key == own) {
                    ("", true) => String::new(),
                    ("", false) => key.clone(),
                    _ => format!("{prefix}.{key}"),
                };
                flatten(&name, value, own, out);
            }
        }
        plain => {
            let text = match plain {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let shown = match text.chars().count() > SHOWN {
                false => text,
                // The value is too long for a name, and its beginning may not be unique: add a hash.
                true => {
                    let begin: String = text.chars().take(SHOWN - 12).collect();
                    let hash = sha256(text.as_bytes());
                    format!("{begin}… #{}", &hash[..4])
                }
            };
            out.push((prefix.to_string(), shown));
        }
    }
}
