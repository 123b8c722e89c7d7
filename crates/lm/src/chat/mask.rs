//! The tokens of a conversation, and which of them count in the loss.

use std::ops::Range;

use super::conversation::{Conversation, Mask};
use super::template::ChatTemplate;
use crate::error::LmError;
use crate::text::{Example, TextTokenizer};

/// The tokens of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTokens {
    /// Token ids. The template writes every special token: none is added.
    pub ids: Vec<u32>,
    /// Whether each token counts in the loss.
    pub mask: Vec<bool>,
    /// Assistant turns that the template writes in another way once other turns follow, such as thoughts that
    /// are dropped. They are read and not learned: the model would never write them so.
    pub rewritten_turns: usize,
}

impl ChatTokens {
    /// The row to learn from.
    pub fn into_example(self) -> Example {
        Example::masked(self.ids, &self.mask)
    }
}

impl ChatTemplate {
    /// Tokenizes a conversation, and marks the tokens that count in the loss.
    ///
    /// If the template marks what the assistant says (`{% generation %}`), the marks decide. Otherwise, an
    /// assistant's turn is what it adds to the text of the turns before it, which ends where the assistant
    /// begins to answer; a token that lies across that border does not count.
    ///
    /// # Errors
    ///
    /// [`LmError::Conversation`] if the template refuses the conversation, [`LmError::Tokenizer`] if it
    /// cannot be encoded.
    ///
    /// # References
    ///
    /// `apply_chat_template(return_assistant_tokens_mask=True)` of transformers.
    pub fn tokens(
        &self,
        conversation: &Conversation,
        tokenizer: &TextTokenizer,
        mask: Mask,
    ) -> Result<ChatTokens, LmError> {
        let rendered = self.rendered(conversation.messages(), conversation, false)?;
        let (ids, spans) = tokenizer.encode_with_spans(&rendered.text)?;
        let mut counts = vec![false; ids.len()];
        let mut rewritten_turns = 0;
        if mask == Mask::Assistant && self.marks_generation(conversation) {
            for range in &rendered.generated {
                for (counts, span) in counts.iter_mut().zip(&spans) {
                    *counts |= span.start < range.end && span.end > range.start;
                }
            }
        } else {
            let turns = self.added_by_turns(conversation, &rendered.text, mask)?;
            rewritten_turns = turns.rewritten;
            for range in turns.ranges {
                for (counts, span) in counts.iter_mut().zip(&spans) {
                    *counts |= span.start >= range.start && span.end <= range.end;
                }
            }
        }
        Ok(ChatTokens {
            ids,
            mask: counts,
            rewritten_turns,
        })
    }

    /// Tokenizes a conversation that is to be answered.
    ///
    /// # Errors
    ///
    /// As [`tokens`](Self::tokens).
    pub fn question(
        &self,
        conversation: &Conversation,
        tokenizer: &TextTokenizer,
    ) -> Result<Vec<u32>, LmError> {
        let text = self.render(conversation, true)?;
        tokenizer.encode(&text, false)
    }

    /// What the turns that count add to the text, in characters.
    fn added_by_turns(
        &self,
        conversation: &Conversation,
        text: &str,
        mask: Mask,
    ) -> Result<Turns, LmError> {
        let mut turns = Turns::default();
        for turn in 0..conversation.messages().len() {
            let role = conversation.role(turn);
            let chosen = match mask {
                Mask::Assistant => role == "assistant",
                Mask::AllButSystem => role != "system",
            };
            if !chosen {
                continue;
            }
            let messages = conversation.messages();
            let answers = role == "assistant";
            let render = |messages, prompt| self.rendered(messages, conversation, prompt);
            let before = match turn {
                // Some templates refuse a conversation without any message.
                0 if !answers => String::new(),
                _ => render(&messages[..turn], answers)?.text,
            };
            let begin = match behind(text, &before) {
                // A part of what asks for an answer may be missing in the text: a thought that only a new one begins with.
                None if answers && turn > 0 => {
                    let asked = render(&messages[..turn], false)?.text.len();
                    Some(shared_bytes(text, &before)).filter(|&shared| shared > asked)
                }
                found => found,
            };
            let after = render(&messages[..=turn], false)?.text;
            match (begin, behind(text, &after)) {
                (Some(begin), Some(end)) if begin < end => {
                    let characters = |bytes: usize| text[..bytes].chars().count();
                    turns.ranges.push(characters(begin)..characters(end));
                }
                _ => turns.rewritten += 1,
            }
        }
        Ok(turns)
    }
}

/// The place behind the first turns of a text, in bytes, given the text of these turns alone. Behind the last turn of a
/// conversation may stand what ends it: of these turns as of all.
fn behind(text: &str, first_turns: &str) -> Option<usize> {
    let shared = shared_bytes(text, first_turns);
    text.ends_with(&first_turns[shared..]).then_some(shared)
}

/// Length of the common beginning of two texts, in bytes.
fn shared_bytes(first: &str, second: &str) -> usize {
    let both = first.chars().zip(second.chars());
    both.take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum()
}

/// Turns that count in the loss.
#[derive(Default)]
struct Turns {
    ranges: Vec<Range<usize>>,
    /// Turns whose text is not what they added.
    rewritten: usize,
}
