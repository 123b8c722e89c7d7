//! What there is to say about rows, in sentences.

use rows::{Encoded, LostTokens, RowSet};

/// A sentence about keys of rows that are not read; `None` if all are.
pub fn unread(set: &RowSet) -> Option<String> {
    let keys = set.unread.iter();
    let keys: Vec<String> = keys
        .map(|(key, rows)| format!("{key:?} ({rows} rows)"))
        .collect();
    (!keys.is_empty()).then(|| {
        format!(
            "rows with {} have other keys, which are ignored: {}",
            set.format.name(),
            keys.join(", ")
        )
    })
}

/// A sentence about how to ask a model that has a chat template and learns rows without it; `None` if it learns otherwise.
pub fn asked_raw(set: &RowSet, has_template: bool) -> Option<&'static str> {
    (has_template && set.format.ignores_template()).then_some(
        "the rows are learned as they stand, without the model's chat template: ask it with `osft generate --raw`",
    )
}

/// Sentences about what rows lost.
pub fn remarks(encoded: &[Encoded], max_length: usize, kind: &str) -> Vec<String> {
    let all = encoded.len();
    let longest = encoded.iter().map(|row| row.tokens).max().unwrap_or(0);
    let count = |is: fn(&Encoded) -> bool| encoded.iter().filter(|row| is(row)).count();
    let lost = |is: fn(&LostTokens) -> bool| encoded.iter().filter(|row| is(&row.lost)).count();
    let mut remarks = Vec::new();
    let cut = lost(|lost| lost.any());
    if cut > 0 {
        remarks.push(format!(
            "{cut} of {all} {kind} rows are longer than max_length = {max_length} (the longest has {longest} \
             tokens): {} lose tokens that are read, {} lose tokens to learn, {} lose the token that ends the answer",
            lost(|lost| lost.read > 0),
            lost(|lost| lost.learned > 0),
            lost(|lost| lost.end),
        ));
    }
    let unusable = count(|row| row.examples.is_empty());
    if unusable > 0 {
        remarks.push(format!(
            "{unusable} of {all} {kind} rows are left out: nothing to learn is left of them (max_length = {max_length})"
        ));
    }
    let rewritten: usize = encoded.iter().map(|row| row.rewritten_turns).sum();
    if rewritten > 0 {
        remarks.push(format!(
            "{rewritten} turns of {kind} rows are read and not learned: in the whole conversation, the chat template \
             writes them in another way than when they are answered"
        ));
    }
    remarks
}
