//! What a tokenizer puts in front of a text and behind it.

use tokenizers::Tokenizer;

use crate::error::LmError;

/// Texts; any vocabulary has a token for at least one of them.
const PROBES: [&str; 8] = ["a", "0", "A", "1", "the", "e", ".", "一"];
/// Tokens of the vocabulary itself that are tried where none of the probes has a token.
const OWN_PROBES: u32 = 1000;

/// The tokens around every text; they depend on the tokenizer alone, not on the text.
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
    /// [`LmError::Tokenizer`] if something is added, but no text tells on which side.
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
        let own = (0..OWN_PROBES).filter_map(|id| tokenizer.id_to_token(id));
        let probes = PROBES.iter().map(ToString::to_string).chain(own);
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

    /// Number of tokens in front and behind.
    pub(crate) fn len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// A text's own tokens within the frame.
    pub(crate) fn around(&self, ids: &[u32]) -> Vec<u32> {
        [&self.prefix, ids, &self.suffix].concat()
    }

    /// At most `room` tokens of a framed text: those in front stay, and then the text's last ones. The
    /// frame has nothing behind.
    pub(crate) fn cut_left(&self, framed: &[u32], room: usize) -> Vec<u32> {
        if framed.len() <= room {
            return framed.to_vec();
        }
        let kept = self.prefix.len().min(room);
        [&framed[..kept], &framed[framed.len() - (room - kept)..]].concat()
    }

    /// At most `room` tokens of a framed text: those behind stay, and the first ones of the rest.
    pub(crate) fn cut_right(&self, framed: &[u32], room: usize) -> Vec<u32> {
        if framed.len() <= room {
            return framed.to_vec();
        }
        let kept = self.suffix.len().min(room);
        [&framed[..room - kept], &framed[framed.len() - kept..]].concat()
    }
}
