//! Rows as tokens.

use lm::chat::{ChatTemplate, ChatTokens, Conversation};
use lm::{Example, Framing, LmError, TextTokenizer};
use rayon::prelude::*;

use crate::error::RowsError;
use crate::row::{Content, Row};

/// Lengths in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest row; longer ones are cut.
    pub max_length: usize,
    /// Longest answer that is generated.
    pub max_new_tokens: usize,
    /// Number of the model's embeddings, which bounds token ids.
    pub embeddings: usize,
}

/// Turns rows into tokens.
#[derive(Clone, Copy)]
pub struct Encoder<'a> {
    /// The model's tokenizer.
    pub tokenizer: &'a TextTokenizer,
    /// The model's chat template, if it has one.
    pub template: Option<&'a ChatTemplate>,
    /// Lengths.
    pub limits: Limits,
}

/// What a row lost to fit into the length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostTokens {
    /// Tokens that do not count in the loss.
    pub read: usize,
    /// Tokens that count in the loss, without the token that ends an answer.
    pub learned: usize,
    /// Whether the token that ends the answer is not learned.
    pub end: bool,
}

impl LostTokens {
    /// Whether anything was lost.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// A row as tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// What is learned from it: usually one example; a long text is divided into several. Empty if nothing that
    /// could be learned is left within the length.
    pub examples: Vec<Example>,
    /// Number of tokens before anything was cut.
    pub tokens: usize,
    /// What was cut.
    pub lost: LostTokens,
    /// Assistant turns that are read and not learned, since the template rewrites them once others follow.
    pub rewritten_turns: usize,
}

/// A prompt to be answered, from a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The prompt as text.
    pub prompt: String,
    /// The prompt as tokens, cut to its room.
    pub tokens: Vec<u32>,
    /// The expected answer.
    pub reference: String,
    /// Number of the prompt's tokens that were cut.
    pub lost: usize,
}

/// The tokens of a text in as few pieces of at most `most` tokens as there can be, all of about the same length.
pub fn divided(ids: &[u32], most: usize) -> impl Iterator<Item = &[u32]> {
    let pieces = ids.len().div_ceil(most.max(1)).max(1);
    let border = move |piece: usize| piece * ids.len() / pieces;
    (0..pieces).map(move |piece| &ids[border(piece)..border(piece + 1)])
}

impl Encoder<'_> {
    /// The tokens of all rows, in order, encoded on all cores.
    ///
    /// # Errors
    ///
    /// [`RowsError::Row`] for the first row that cannot be encoded.
    pub fn rows(&self, rows: &[Row]) -> Result<Vec<Encoded>, RowsError> {
        let encoded: Vec<_> = rows.par_iter().map(|row| self.row(row)).collect();
        encoded.into_iter().collect()
    }

    /// The tokens of a row.
    ///
    /// # Errors
    ///
    /// [`RowsError::Row`] if the chat template refuses it, the model has none for a conversation, it has a token
    /// that the model does not know, or it cannot be encoded.
    pub fn row(&self, row: &Row) -> Result<Encoded, RowsError> {
        let encoded = match (&row.content, self.template) {
            (Content::Turns { conversation, mask }, Some(template)) => template
                .tokens(conversation, self.tokenizer, *mask)
                .map(|tokens| self.of_turns(tokens)),
            (Content::Turns { .. }, None) => Err(no_template()),
            (
                Content::Instruction {
                    instruction,
                    answer,
                },
                Some(template),
            ) => {
                let turn = Conversation::of_turn(instruction, answer);
                let tokens = template.tokens(&turn, self.tokenizer, Default::default());
                tokens.map(|tokens| self.of_turns(tokens))
            }
            (
                Content::Instruction {
                    instruction,
                    answer,
                },
                None,
            ) => self.answer(&without_template(instruction), answer),
            (Content::Answer { prompt, answer }, _) => self.answer(prompt, answer),
            (Content::Text(text), _) => self.text(text),
            (Content::Tokens { ids, mask }, _) => {
                let most = self.limits.embeddings;
                if let Some(id) = ids.iter().find(|&&id| id as usize >= most) {
                    return Err(RowsError::row(
                        &row.place,
                        format!("token {id} has no embedding: the model has {most}"),
                    ));
                }
                Ok(self.cut(ids.clone(), mask.clone()))
            }
        };
        let encoded = encoded.map_err(|error| RowsError::row(&row.place, error))?;
        match encoded.tokens {
            0 => Err(RowsError::row(
                &row.place,
                "the tokenizer finds no token in it",
            )),
            _ => Ok(encoded),
        }
    }

    /// A row as a prompt to be answered; `None` if it has no prompt, or its last message is not the assistant's.
    ///
    /// # Errors
    ///
    /// As [`row`](Self::row).
    pub fn question(&self, row: &Row) -> Result<Option<Question>, RowsError> {
        let refused = |error: LmError| RowsError::row(&row.place, error);
        let of_turns = |template: Option<&ChatTemplate>, conversation: &Conversation| {
            let Some(template) = template else {
                return Err(no_template());
            };
            let Some((before, reference)) = conversation.last_answer() else {
                return Ok(None);
            };
            let prompt = template.render(&before, true)?;
            let reference = self.written(template, conversation, &prompt, reference)?;
            Ok(Some((
                self.tokenizer.encode(&prompt, false)?,
                prompt,
                reference,
            )))
        };
        let plain = |prompt: String, answer: &String| {
            let tokens = self.tokenizer.question(&prompt)?;
            Ok(Some((tokens, prompt, answer.clone())))
        };
        let found = match (&row.content, self.template) {
            (Content::Turns { conversation, .. }, template) => of_turns(template, conversation),
            (
                Content::Instruction {
                    instruction,
                    answer,
                },
                template @ Some(_),
            ) => of_turns(template, &Conversation::of_turn(instruction, answer)),
            (
                Content::Instruction {
                    instruction,
                    answer,
                },
                None,
            ) => plain(without_template(instruction), answer),
            (Content::Answer { prompt, answer }, _) => plain(prompt.clone(), answer),
            (Content::Text(_) | Content::Tokens { .. }, _) => Ok(None),
        };
        let Some((tokens, prompt, reference)) = found.map_err(refused)? else {
            return Ok(None);
        };
        if tokens.is_empty() {
            let reason = "the tokenizer finds no token in its prompt";
            return Err(RowsError::row(&row.place, reason));
        }
        let (most, new) = (self.limits.max_length, self.limits.max_new_tokens);
        let (tokens, lost) = self.tokenizer.fit_question(&tokens, most, new);
        Ok(Some(Question {
            prompt,
            tokens,
            reference,
            lost,
        }))
    }

    /// An expected answer as the template writes it, without special tokens: some write an empty thought in front of it,
    /// which the model learns too.
    fn written(
        &self,
        template: &ChatTemplate,
        conversation: &Conversation,
        prompt: &str,
        answer: String,
    ) -> Result<String, LmError> {
        let whole = template.render(conversation, false)?;
        let plain = answer.trim();
        let Some(added) = whole.strip_prefix(prompt).filter(|_| !plain.is_empty()) else {
            return Ok(answer);
        };
        let ids = self.tokenizer.encode(added, false)?;
        let said = self.tokenizer.decode(&ids, true)?;
        Ok(match said.trim() {
            said if said.ends_with(plain) => said.to_string(),
            _ => answer,
        })
    }

    fn answer(&self, prompt: &str, answer: &str) -> Result<Encoded, LmError> {
        let row = self.tokenizer.row(prompt, answer)?;
        if row.answer_tokens == 0 || row.prompt_tokens == 0 {
            return Ok(Encoded::default());
        }
        let (example, lost) = self.tokenizer.fit(&row, self.limits.max_length);
        Ok(Encoded {
            tokens: example.len() + lost.prompt + lost.answer + usize::from(lost.end),
            examples: vec![example],
            lost: LostTokens {
                read: lost.prompt,
                learned: lost.answer,
                end: lost.end,
            },
            rewritten_turns: 0,
        })
    }

    /// A text, divided into pieces of about the same length if it is too long: nothing of it is lost. For an
    /// encoder-decoder it is cut.
    fn text(&self, text: &str) -> Result<Encoded, LmError> {
        if self.tokenizer.framing() == Framing::TextToText {
            let tokens = self.tokenizer.encode(text, true)?.len();
            let most = self.limits.max_length;
            let example = self.tokenizer.text(text, most, 0)?;
            return Ok(Encoded {
                examples: vec![example],
                tokens,
                lost: LostTokens {
                    learned: tokens.saturating_sub(most),
                    ..LostTokens::default()
                },
                rewritten_turns: 0,
            });
        }
        let mut ids = self.tokenizer.encode(text, true)?;
        let end = self.tokenizer.end_token();
        if ids.last() != Some(&end) && !ids.is_empty() {
            ids.push(end);
        }
        let pieces = divided(&ids, self.limits.max_length);
        let examples = pieces.map(|piece| Example::new(Vec::new(), piece.to_vec()));
        Ok(Encoded {
            examples: examples.filter(|example| example.len() > 1).collect(),
            tokens: ids.len(),
            lost: LostTokens::default(),
            rewritten_turns: 0,
        })
    }

    fn of_turns(&self, tokens: ChatTokens) -> Encoded {
        Encoded {
            rewritten_turns: tokens.rewritten_turns,
            ..self.cut(tokens.ids, tokens.mask)
        }
    }

    /// Cuts the end of a masked row.
    fn cut(&self, mut ids: Vec<u32>, mut mask: Vec<bool>) -> Encoded {
        let most = self.limits.max_length;
        let (tokens, rest) = (ids.len(), mask.get(most..).unwrap_or_default());
        let learned = rest.iter().filter(|&&counts| counts).count();
        let lost = LostTokens {
            read: rest.len() - learned,
            // The last of them ends the answer.
            learned: learned.saturating_sub(1),
            end: learned > 0,
        };
        ids.truncate(most);
        mask.truncate(most);
        // Nothing precedes the first token.
        let is_left = mask.iter().skip(1).any(|&counts| counts);
        Encoded {
            examples: match is_left {
                true => vec![Example::masked(ids, &mask)],
                false => Vec::new(),
            },
            tokens,
            lost,
            rewritten_turns: 0,
        }
    }
}

/// The prompt of an instruction for a model without a chat template.
fn without_template(instruction: &str) -> String {
    format!("{instruction}\n\n")
}

fn no_template() -> LmError {
    LmError::Conversation {
        reason: "the model has no chat template, which turns messages into text: use a model that has one (a \
                 file chat_template.jinja in its folder), or rows with prompt and answer"
            .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::divided;

    #[test]
    fn a_text_is_divided_into_few_pieces_of_like_length_and_nothing_is_lost() {
        for length in [0, 1, 7, 8, 9, 100, 1001] {
            let ids: Vec<u32> = (0..length).collect();
            for most in [1, 3, 8, 2000] {
                let pieces: Vec<&[u32]> = divided(&ids, most).collect();
                assert_eq!(pieces.concat(), ids);
                assert_eq!(pieces.len(), ids.len().div_ceil(most).max(1));
                let lengths = pieces.iter().map(|piece| piece.len());
                let (least, longest) = (lengths.clone().min(), lengths.max());
                assert!(longest <= Some(most) && longest <= least.map(|least| least + 1));
            }
        }
    }
}
