//! Merges: pairs of tokens that become one, in the order in which they are tried.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::error::GgufError;
use crate::file::{Array, Value};

use super::{Kind, Vocabulary};

const MERGES: &str = "tokenizer.ggml.merges";
const SCORES: &str = "tokenizer.ggml.scores";

/// The merges that a file lists; `None` if it lists none. Every merge must be made of tokens and make one.
pub(super) fn listed(vocabulary: &Vocabulary<'_>) -> Result<Option<Vec<[String; 2]>>, GgufError> {
    let Some(merges) = vocabulary.texts(MERGES)? else {
        return Ok(None);
    };
    let merges = merges.iter().map(|merge| {
        // A space that a token begins with does not divide the two.
        let second = merge.chars().next().map_or(0, char::len_utf8);
        let parts = merge[second..].find(' ').map(|at| {
            let at = at + second;
            (&merge[..at], &merge[at + 1..])
        });
        let Some((left, right)) = parts else {
            return Err(vocabulary.error(MERGES, format!("{merge:?} is not two tokens")));
        };
        let joined = format!("{left}{right}");
        let known = [left, right, &joined].map(|token| vocabulary.id(token).is_some());
        match known {
            [true, true, true] => Ok([left.to_string(), right.to_string()]),
            _ => {
                let reason = format!("{merge:?}: both parts and {joined:?} must be tokens");
                Err(vocabulary.error(MERGES, reason))
            }
        }
    });
    merges.collect::<Result<_, _>>().map(Some)
}

/// The merges that follow from scores: every way to make a token of two others, the highest score first. `spelled`
/// are the tokens by their ids.
///
/// # References
///
/// `generate_merges` in `tokenization_utils_base.py` of transformers. It also takes tokens that no text is made of
/// (control tokens, bytes), which this leaves out.
pub(super) fn of_scores(
    vocabulary: &Vocabulary<'_>,
    spelled: &[(u32, String, Kind)],
) -> Result<Vec<[String; 2]>, GgufError> {
    let scores = ranks(vocabulary)?;
    let usable = spelled
        .iter()
        .filter(|(_, _, kind)| matches!(kind, Kind::Normal | Kind::UserDefined));
    let ids: HashMap<&str, u32> = usable
        .clone()
        .map(|(id, token, _)| (token.as_str(), *id))
        .collect();
    let mut merges = Vec::new();
    for (id, token, _) in usable {
        let length = token.chars().count();
        for (left_length, (at, _)) in token.char_indices().enumerate().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(left_id), Some(right_id)) = (ids.get(left), ids.get(right)) {
                let shape = (Reverse(left_length), Reverse(length - left_length));
                let score = scores(*id);
                merges.push((score, shape, (*id, *left_id, *right_id), [left, right]));
            }
        }
    }
    merges.sort_by(|a, b| {
        let score = b.0.total_cmp(&a.0);
        score.then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
    });
    let pairs = merges.into_iter();
    Ok(pairs.map(|merge| merge.3.map(str::to_string)).collect())
}

/// What decides between merges: the score of a token; in Gemma's vocabularies, whose runs of spaces have a score of
/// the converter, the place in the vocabulary.
fn ranks<'a>(vocabulary: &'a Vocabulary<'_>) -> Result<Box<dyn Fn(u32) -> f32 + 'a>, GgufError> {
    if vocabulary.is_gemma() {
        // Ids are below 2^24, up to which f32 has every whole number: no vocabulary is as large.
        return Ok(Box::new(|id| -(id as f32)));
    }
    match vocabulary.file.metadata(SCORES) {
        Some(Value::Array(Array::Floats(scores))) if scores.len() == vocabulary.tokens.len() => {
            Ok(Box::new(|id| scores[id as usize]))
        }
        _ => {
            let count = vocabulary.tokens.len();
            Err(vocabulary.error(SCORES, format!("expected a list of {count} numbers")))
        }
    }
}
