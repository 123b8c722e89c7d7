//! Span corruption, T5's pre-training task: sentinels replace spans of a text, and the answer contains the
//! spans.

use rand::seq::index;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::example::Example;

/// Share of the tokens that is corrupted.
const NOISE_SHARE: f64 = 0.15;
/// Mean length of a span in tokens.
const MEAN_SPAN_TOKENS: f64 = 3.0;

/// The prompt is the text with sentinels in place of the corrupted spans; the answer lists the sentinels,
/// each followed by its span.
///
/// Kept and corrupted spans alternate, starting with a kept one. The lengths of both kinds are random
/// partitions, so that number and total length of the spans match the shares. No end token is appended.
///
/// # References
///
/// Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
/// Transformer", 2020, section 3.1.4, with the shares of its baseline (3.3.4: 15 %, spans of 3).
pub(crate) fn span_corruption(ids: &[u32], sentinels: &[u32], seed: u64) -> Example {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rounded = |value: f64| value.round() as usize;
    let most = ids.len().saturating_sub(1).max(1);
    let corrupted = rounded(ids.len() as f64 * NOISE_SHARE)
        .clamp(1, most)
        .min(ids.len());
    let kept = ids.len() - corrupted;
    let spans = rounded(corrupted as f64 / MEAN_SPAN_TOKENS)
        .clamp(1, corrupted.max(1))
        .min(kept.max(1))
        .min(sentinels.len().max(1));
    let lengths = partition(kept, spans, &mut rng)
        .into_iter()
        .zip(partition(corrupted, spans, &mut rng));
    let (mut prompt, mut answer) = (Vec::new(), Vec::new());
    let mut rest = ids;
    for ((kept, corrupted), &sentinel) in lengths.zip(sentinels) {
        let (before, after) = rest.split_at(kept);
        let (span, after) = after.split_at(corrupted);
        prompt.extend_from_slice(before);
        prompt.push(sentinel);
        answer.push(sentinel);
        answer.extend_from_slice(span);
        rest = after;
    }
    Example::new(prompt, answer)
}

/// A random partition of `total` into `parts` numbers, each at least 1 if `total` suffices. All such
/// partitions are equally likely.
fn partition(total: usize, parts: usize, rng: &mut impl Rng) -> Vec<usize> {
    if total < parts {
        return (0..parts).map(|part| usize::from(part < total)).collect();
    }
    let mut cuts = index::sample(rng, total - 1, parts - 1).into_vec();
    cuts.sort_unstable();
    let ends = cuts.iter().map(|cut| cut + 1).chain([total]);
    let starts = [0].into_iter().chain(cuts.iter().map(|cut| cut + 1));
    starts.zip(ends).map(|(start, end)| end - start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENTINELS: [u32; 4] = [900, 901, 902, 903];

    /// Restores the text of a corrupted example.
    fn restored(example: &Example) -> Vec<u32> {
        let mut text = Vec::new();
        for &token in &example.prompt {
            if !SENTINELS.contains(&token) {
                text.push(token);
                continue;
            }
            let span = example.answer.iter().skip_while(|&&t| t != token).skip(1);
            text.extend(span.take_while(|token| !SENTINELS.contains(token)));
        }
        text
    }

    #[test]
    fn the_spans_restore_the_text() {
        for length in 0..60_u32 {
            let ids: Vec<u32> = (0..length).collect();
            for seed in 0..5 {
                let example = span_corruption(&ids, &SENTINELS, seed);
                assert_eq!(restored(&example), ids);
                assert_eq!(example, span_corruption(&ids, &SENTINELS, seed));
            }
        }
    }

    #[test]
    fn spans_have_the_papers_shares() {
        let ids: Vec<u32> = (0..60).collect();
        let starts: Vec<usize> = (0..200)
            .map(|seed| {
                let example = span_corruption(&ids, &SENTINELS, seed);
                // 9 of 60 tokens, in 3 spans.
                assert_eq!(
                    (example.answer.len(), example.prompt.len()),
                    (9 + 3, 51 + 3)
                );
                let first = |&token: &u32| token == SENTINELS[0];
                example.prompt.iter().position(first).unwrap_or(0)
            })
            .collect();
        // The first of three kept spans has 17 of 51 tokens on average, with a standard deviation of 12.
        let mean = starts.iter().sum::<usize>() as f64 / starts.len() as f64;
        assert!((mean - 17.0).abs() < 4.0, "{mean}");
    }

    #[test]
    fn there_are_no_more_spans_than_sentinels() {
        let ids: Vec<u32> = (0..500).collect();
        let example = span_corruption(&ids, &SENTINELS, 1);
        assert_eq!(restored(&example), ids);
        assert_eq!(example.answer.len(), 75 + SENTINELS.len());
    }
}
