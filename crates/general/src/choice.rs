//! Which choice a model takes.

use crate::request::Likelihood;

/// The choice with the highest log-probability; the first one of equals.
///
/// # References
///
/// `acc` of lm-evaluation-harness: `np.argmax(lls)`.
pub(crate) fn most_likely(_choices: &[String], of: &[Likelihood]) -> usize {
    highest(of.iter().map(|likelihood| likelihood.log_probability))
}

/// The choice with the highest log-probability per character; the first one of equals. The space
/// that separates a choice from its prompt is no character of it.
///
/// # References
///
/// `acc_norm` of lm-evaluation-harness: `np.argmax(lls / completion_len)`.
pub(crate) fn most_likely_per_character(choices: &[String], of: &[Likelihood]) -> usize {
    let characters = choices.iter().map(|choice| {
        let choice = choice.strip_prefix(' ').unwrap_or(choice);
        choice.chars().count() as f64
    });
    let pairs = of.iter().zip(characters);
    highest(pairs.map(|(likelihood, characters)| likelihood.log_probability / characters))
}

/// The choice with the lowest cross-entropy per token; the first one of equals.
///
/// # References
///
/// `PPLInferencer` of OpenCompass: `single_ppl.index(min(single_ppl))`.
pub(crate) fn lowest_loss(_choices: &[String], of: &[Likelihood]) -> usize {
    highest(of.iter().map(|likelihood| -likelihood.loss_per_token()))
}

fn highest(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (index, value) in values.enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}
