//! The token by which a chat template ends an answer.

use chrono::NaiveDate;
use tokenizers::Tokenizer;

use super::conversation::Conversation;
use crate::folder::HfFolder;

/// An answer that templates write as it is.
const SAID: &str = "osft";

impl HfFolder {
    /// The special token that the chat template writes behind an answer, and its text; `None` if it writes none. A
    /// template that cannot be compiled or rendered is reported where it is used.
    pub(crate) fn turn_end(&self, tokenizer: &Tokenizer) -> Option<(u32, String)> {
        let template = self.chat_template(NaiveDate::default()).ok()??;
        let turn = Conversation::of_turn("a", SAID);
        let text = template.render(&turn, false).ok()?;
        let behind = text[text.rfind(SAID)? + SAID.len()..].trim_start();
        let ids = tokenizer.encode_fast(behind, false).ok()?;
        let &id = ids.get_ids().first()?;
        let added = tokenizer.get_added_tokens_decoder();
        let token = added.get(&id).filter(|token| token.special)?;
        Some((id, token.content.clone()))
    }
}
