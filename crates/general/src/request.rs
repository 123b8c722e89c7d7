//! What a suite asks of a model, and what the model answers.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A text that the model reads: a beginning that other rows share, then the row's own text.
///
/// A prompt may be longer than what a model can read, and the caller decides what is cut.
/// lm-evaluation-harness drops tokens at the beginning. OpenCompass 0.1.7 drops tokens at the end
/// before it generates, and examples of a whole text, from the last one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The beginning, such as a block of examples; empty if the row shares none.
    ///
    /// A caller may keep the model's state behind it. A tokenizer can join characters across the
    /// border, so what is kept must be checked against the tokens of the whole text.
    pub shared: Arc<str>,
    /// The rest.
    pub own: String,
}

impl Prompt {
    /// A prompt of a beginning that other rows share and the row's own text.
    pub fn new(shared: &Arc<str>, own: String) -> Self {
        Self {
            shared: Arc::clone(shared),
            own,
        }
    }

    /// A prompt that shares nothing.
    pub fn alone(own: String) -> Self {
        Self {
            shared: Arc::from(""),
            own,
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shared)?;
        out.write_str(&self.own)
    }
}

/// The whole text: what a suite is known by does not depend on what its prompts share.
impl Serialize for Prompt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The tokens whose probabilities a [`Request::Choose`] adds up.
///
/// In both cases the tokens are those of `prompt + choice`, encoded as one text with the special
/// tokens that the tokenizer adds by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The tokens behind those of the prompt alone. White space at the end of the prompt belongs
    /// to the choice, because tokenizers join it with the next word.
    ///
    /// # References
    ///
    /// `TemplateLM._encode_pair` of lm-evaluation-harness 0.4.13.
    Choice,
    /// All tokens. The first one has no probability, but is counted.
    ///
    /// # References
    ///
    /// `HuggingFaceCausalLM._get_ppl` of OpenCompass.
    WholeText,
}

/// One question to a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Continue the prompt greedily; answered by [`Response::Text`].
    Generate {
        /// The text to continue.
        prompt: Prompt,
        /// Texts at which the output ends. Scoring cuts the output before the first of them, so
        /// a caller may also end later.
        stop: Vec<String>,
        /// Most tokens to generate.
        max_new_tokens: usize,
    },
    /// Measure how likely each choice is; answered by [`Response::Choices`].
    Choose {
        /// The text before the choice.
        prompt: Prompt,
        /// The choices; they follow the prompt directly.
        choices: Vec<String>,
        /// The tokens that count.
        scope: Scope,
    },
    /// Measure how likely a text is; answered by [`Response::Loss`].
    Loss {
        /// The text.
        text: String,
        /// The text is cut behind so many tokens.
        max_tokens: usize,
    },
}

/// The logarithm of a text's probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// Sum of the natural logarithms of the tokens' probabilities; never positive.
    pub log_probability: f64,
    /// Number of tokens: those of [`Scope`] for a choice, those that have a probability (all but
    /// the first) for a loss.
    pub tokens: usize,
}

impl Likelihood {
    /// Mean cross-entropy per token in nats.
    pub fn loss_per_token(self) -> f64 {
        -self.log_probability / self.tokens as f64
    }
}

/// A model's answer to a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The generated text, without the prompt.
    Text(String),
    /// One likelihood per choice, in the order of the choices.
    Choices(Vec<Likelihood>),
    /// The likelihood of the text.
    Loss(Likelihood),
}

impl Request {
    /// Why a response does not answer this request: what was expected, and what was found.
    pub(crate) fn misfit(&self, response: &Response) -> Option<(String, String)> {
        let unusable = |likelihood: &Likelihood| {
            let log = likelihood.log_probability;
            // A sum of logarithms of probabilities may round to slightly above 0.
            let is_log = log <= 1e-3;
            (!is_log || likelihood.tokens == 0).then(|| {
                let expected = "a log-probability of at most 0 over at least one token";
                let found = format!("{log} over {} tokens", likelihood.tokens);
                (expected.to_string(), found)
            })
        };
        match (self, response) {
            (Self::Generate { .. }, Response::Text(_)) => None,
            (Self::Choose { choices, .. }, Response::Choices(found)) => {
                if choices.len() != found.len() {
                    let text = |count| format!("the likelihoods of {count} choices");
                    return Some((text(choices.len()), text(found.len())));
                }
                found.iter().find_map(unusable)
            }
            (Self::Loss { .. }, Response::Loss(found)) => unusable(found),
            _ => Some((self.answer().to_string(), response.kind().to_string())),
        }
    }

    fn answer(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "a text",
            Self::Choose { .. } => "likelihoods of choices",
            Self::Loss { .. } => "the likelihood of a text",
        }
    }
}

impl Response {
    /// A log-probability that is not finite, if there is one: the model's numbers have run over.
    pub(crate) fn not_finite(&self) -> Option<f64> {
        let likelihoods = match self {
            Self::Text(_) => &[],
            Self::Choices(found) => found.as_slice(),
            Self::Loss(found) => std::slice::from_ref(found),
        };
        let mut logs = likelihoods.iter().map(|found| found.log_probability);
        logs.find(|log| !log.is_finite())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Choices(_) => "likelihoods of choices",
            Self::Loss(_) => "the likelihood of a text",
        }
    }
}
