//! The frame of a tokenizer: the tokens that it adds before and after a text.

use tokenizers::Tokenizer;

use crate::error::LmError;

/// Probe texts; any vocabulary has a token for at least one of them.
const PROBES: [&str; 8] = ["a", "0", "A", "1", "the", "e", ".", "一"];
/// Number of vocabulary tokens that are tried if none of the probe texts has a token.
const VOCABULARY_PROBES: u32 = 1000;

/// The tokens around every text. They depend on the tokenizer alone, not on the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub prefix: Vec<u32>,
    pub suffix: Vec<u32>,
}

impl Frame {
    /// Finds the frame with a probe text: the tokenizer marks the tokens that it adds.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the tokenizer adds tokens, but no probe text shows on which side.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Result<Self, LmError> {
        let encode = |text: &str, special| {
            tokenizer
                .encode_fast(text, special)
                .map_err(|error| LmError::Tokenizer {
                    reason: error.to_string(),
                })
        };
        if encode("", true)?.is_empty() {
            return Ok(Self::default());
        }
        let vocabulary = (0..VOCABULARY_PROBES).filter_map(|id| tokenizer.id_to_token(id));
        let probes = PROBES.iter().map(ToString::to_string).chain(vocabulary);
        for probe in probes {
            let plain = encode(&probe, false)?;
            let framed = encode(&probe, true)?;
            let added = framed.get_special_tokens_mask();
            let Some(start) = added.iter().position(|&added| added == 0) else {
                continue;
            };
            let ids = framed.get_ids();
            let end = start + plain.len();
            if ids.get(start..end) == Some(plain.get_ids()) {
                return Ok(Self {
                    prefix: ids[..start].to_vec(),
                    suffix: ids[end..].to_vec(),
                });
            }
        }
        Err(LmError::Tokenizer {
            reason:
                "tokenizer.json adds tokens to a text, but not only in front of it and behind it: \
                 that is not supported"
                    .to_string(),
        })
    }

    /// Number of tokens before and after a text.
    pub(crate) fn len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// The tokens of a text with the frame around them.
    pub(crate) fn around(&self, ids: &[u32]) -> Vec<u32> {
        [&self.prefix, ids, &self.suffix].concat()
    }

    /// Cuts a framed text to at most `room` tokens: keeps the prefix and the last tokens of the text. The
    /// frame must have no suffix.
    pub(crate) fn cut_left(&self, framed: &[u32], room: usize) -> Vec<u32> {
        if framed.len() <= room {
            return framed.to_vec();
        }
        let kept = self.prefix.len().min(room);
        [&framed[..kept], &framed[framed.len() - (room - kept)..]].concat()
    }

    /// Cuts a framed text to at most `room` tokens: keeps the suffix and the first of the other tokens.
    pub(crate) fn cut_right(&self, framed: &[u32], room: usize) -> Vec<u32> {
        if framed.len() <= room {
            return framed.to_vec();
        }
        let kept = self.suffix.len().min(room);
        [&framed[..room - kept], &framed[framed.len() - kept..]].concat()
    }
}
