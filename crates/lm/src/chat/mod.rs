//! Chat templates: conversations as text, as tokens, and which tokens a model learns from them.
//!
//! A template is a Jinja program of the model's authors (`chat_template.jinja`, or `chat_template` of
//! `tokenizer_config.json`). It is rendered as transformers renders it: with its extensions, and with Python's
//! way to write values.

mod conversation;
mod generation;
mod mask;
mod python;
mod read;
mod template;
mod turn_end;

pub use conversation::{Conversation, Mask};
pub use mask::ChatTokens;
pub use template::ChatTemplate;
