//! SARI: scores a simplification by the words that it keeps, deletes and adds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::text::words;
use super::{Score, TaskScore};

#[derive(Debug)]
struct Sari;

impl TaskScore for Sari {
    fn name(&self) -> &'static str {
        "sari"
    }

    fn help(&self) -> &'static str {
        "SARI of the answer as a simplification of the prompt"
    }

    fn row_score(&self, prompt: &str, answer: &str, reference: &str) -> f64 {
        sari(prompt, answer, reference)
    }

    fn scores_empty_texts(&self) -> bool {
        true
    }
}

impl Score {
    /// SARI of the answer as a simplification of the prompt.
    pub fn sari() -> Self {
        Self::new(Sari)
    }
}

/// SARI in `[0, 100]` of `answer` as a simplification of `source`, against one reference.
///
/// It is the mean of three scores, each averaged over n-grams of one to four tokens: F1 of the kept
/// n-grams, precision of the deleted ones, F1 of the added ones. Texts are lower-cased and
/// tokenized as for BLEU; a score of `0 / 0` counts as 1.
/// BLEU; a score that is `0 / 0` is 1.
///
/// # References
///
/// The `sari` metric of Hugging Face evaluate (from tensor2tensor), with the tokenizer `13a` of
/// sacrebleu 2. It supports several references; TRACE gives one.
pub fn sari(source: &str, answer: &str, reference: &str) -> f64 {
    let [source, answer, reference] = [source, answer, reference].map(tokens);
    let total: f64 = (1..=4)
        .map(|n| {
            ngram_score(
                &grams(&source, n),
                &grams(&answer, n),
                &grams(&reference, n),
            )
        })
        .sum();
    100.0 * total / 4.0
}

type Counts = BTreeMap<String, usize>;

/// Mean of the scores for kept, deleted and added n-grams of one length.
fn ngram_score(source: &Counts, answer: &Counts, reference: &Counts) -> f64 {
    let kept = common(source, answer);
    let kept_rightly = common(&kept, reference);
    let to_keep = common(source, reference);
    let precision = mean_share(&kept_rightly, &kept);
    let recall = share(total(&kept_rightly), total(&to_keep));
    let keep = harmonic_mean(precision, recall);

    let deleted = without(source, answer);
    let deleted_rightly = without(&deleted, reference);
    let delete = mean_share(&deleted_rightly, &deleted);

    // An added n-gram counts once, however often it occurs.
    let new = |text: &Counts| -> BTreeSet<String> {
        let grams = text.keys().filter(|gram| !source.contains_key(*gram));
        grams.cloned().collect()
    };
    let (added, to_add) = (new(answer), new(reference));
    let added_rightly = added.intersection(&to_add).count();
    let add = harmonic_mean(
        share(added_rightly, added.len()),
        share(added_rightly, to_add.len()),
    );
    (keep + delete + add) / 3.0
}

fn common(a: &Counts, b: &Counts) -> Counts {
    let both = a.iter().filter_map(|(gram, &count)| {
        let other = *b.get(gram)?;
        Some((gram.clone(), count.min(other)))
    });
    both.collect()
}

fn without(a: &Counts, b: &Counts) -> Counts {
    let rest = a.iter().filter_map(|(gram, &count)| {
        let left = count.saturating_sub(b.get(gram).copied().unwrap_or(0));
        (left > 0).then(|| (gram.clone(), left))
    });
    rest.collect()
}

fn total(counts: &Counts) -> usize {
    counts.values().sum()
}

/// `part / whole`; 1 if `whole` is 0.
fn share(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 1.0,
        _ => part as f64 / whole as f64,
    }
}

/// Mean over the n-grams of `whole` of their share in `part`.
fn mean_share(part: &Counts, whole: &Counts) -> f64 {
    if whole.is_empty() {
        return 1.0;
    }
    let shares = part
        .iter()
        .map(|(gram, &count)| count as f64 / whole[gram] as f64);
    shares.sum::<f64>() / whole.len() as f64
}

fn harmonic_mean(a: f64, b: f64) -> f64 {
    // If only `b` is 0, the product is 0.
    if a == 0.0 { 0.0 } else { 2.0 * a * b / (a + b) }
}

fn grams(tokens: &[String], n: usize) -> Counts {
    let mut counts = Counts::new();
    for gram in tokens.windows(n) {
        *counts.entry(gram.join(" ")).or_default() += 1;
    }
    counts
}

/// The replacement rules of the tokenizer 13a, in order.
static RULES: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    let rule = |pattern: &str| Regex::new(pattern).expect("a constant pattern is valid");
    [
        // Symbols: braces, brackets, operators, quotes, but not full stop, comma and dash.
        (rule(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), " $1 "),
        // A full stop or comma, unless a digit precedes it,
        (rule(r"([^0-9])([\.,])"), "$1 $2 "),
        // or follows it.
        (rule(r"([\.,])([^0-9])"), " $1 $2"),
        // A dash after a digit.
        (rule(r"([0-9])(-)"), "$1 $2 "),
    ]
});

/// Lower-cased tokens; an empty text gives one empty token, as splitting at spaces does.
fn tokens(text: &str) -> Vec<String> {
    let mut text = text.to_lowercase();
    text = text
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if text.contains('&') {
        let entities = [
            ("&quot;", "\""),
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ];
        for (entity, character) in entities {
            text = text.replace(entity, character);
        }
    }
    text = format!(" {text} ");
    for (pattern, replacement) in RULES.iter() {
        text = pattern.replace_all(&text, *replacement).into_owned();
    }
    let words: Vec<String> = words(&text).map(str::to_string).collect();
    match words.is_empty() {
        true => vec![String::new()],
        false => words,
    }
}
