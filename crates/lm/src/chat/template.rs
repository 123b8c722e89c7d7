//! A compiled chat template.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use chrono::format::{Item, StrftimeItems};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, context};
use serde_json::{Map, Value};

use super::conversation::Conversation;
use super::generation::{self, rewritten, unmarked};
use super::python;
use crate::error::LmError;

/// Name of the template in its environment.
const NAME: &str = "chat";
/// Instructions that one rendering may take; a template that loops without end is stopped. A conversation of a
/// hundred thousand tokens takes a hundredth.
const FUEL: u64 = 50_000_000;

/// A chat template: turns conversations into text.
///
/// Clones share the compiled template, and several threads may use one at the same time.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    path: PathBuf,
    special_tokens: Map<String, Value>,
    marks_generation: bool,
    /// The template of conversations with tools, where they have one of their own.
    with_tools: Option<Arc<Self>>,
}

/// A rendered conversation.
pub(super) struct Rendered {
    pub text: String,
    /// What the template marks as said by the assistant, in characters; empty if it marks nothing.
    pub generated: Vec<Range<usize>>,
}

impl ChatTemplate {
    /// Compiles a template. `path` names its file in errors, `special_tokens` are the names that it may use
    /// (`bos_token`, `eos_token`, …), and `today` is the date that `strftime_now` writes.
    ///
    /// # Errors
    ///
    /// [`LmError::ChatTemplate`] with the line of a mistake.
    pub fn new(
        source: &str,
        path: &Path,
        special_tokens: Map<String, Value>,
        today: NaiveDate,
    ) -> Result<Self, LmError> {
        let (rewritten, marks_generation) = rewritten(source);
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()
                .map_err(|error| LmError::ChatTemplate {
                    path: path.to_path_buf(),
                    reason: reason(&error),
                })?,
        );
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(python::format);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", python::tojson);
        environment.add_filter(generation::FILTER, |text: String| {
            format!("{}{text}{}", generation::BEGIN, generation::END)
        });
        environment.add_function("raise_exception", |message: String| {
            Err::<String, _>(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", move |format: String| {
            let items: Vec<Item<'_>> = StrftimeItems::new(&format).collect();
            if items.contains(&Item::Error) {
                let reason = format!("strftime_now cannot write {format:?}");
                return Err(Error::new(ErrorKind::InvalidOperation, reason));
            }
            let midnight = today.and_time(chrono::NaiveTime::MIN).and_utc();
            Ok(midnight.format_with_items(items.into_iter()).to_string())
        });
        let template = Self {
            environment: Arc::new(environment),
            path: path.to_path_buf(),
            special_tokens,
            marks_generation,
            with_tools: None,
        };
        template.with_source(rewritten)
    }

    /// Renders conversations with tools by a template of their own.
    pub fn with_tools(mut self, template: Self) -> Self {
        self.with_tools = Some(Arc::new(template));
        self
    }

    /// The template for a conversation.
    fn of(&self, conversation: &Conversation) -> &Self {
        match (&self.with_tools, conversation.tools()) {
            (Some(template), Some(_)) => template,
            _ => self,
        }
    }

    fn with_source(mut self, rewritten: String) -> Result<Self, LmError> {
        let environment = Arc::make_mut(&mut self.environment);
        let added = environment.add_template_owned(NAME, rewritten);
        added.map_err(|error| {
            let line = error
                .line()
                .map_or(String::new(), |line| format!("line {line}: "));
            LmError::ChatTemplate {
                path: self.path.clone(),
                reason: format!("{line}{}", reason(&error)),
            }
        })?;
        Ok(self)
    }

    /// Whether it marks what the assistant of a conversation says, by `{% generation %}`.
    pub fn marks_generation(&self, conversation: &Conversation) -> bool {
        self.of(conversation).marks_generation
    }

    /// The text of a conversation. With `with_generation_prompt`, it ends where the assistant begins to answer.
    ///
    /// # Errors
    ///
    /// [`LmError::Conversation`] if the template refuses the conversation or fails on it.
    pub fn render(
        &self,
        conversation: &Conversation,
        with_generation_prompt: bool,
    ) -> Result<String, LmError> {
        Ok(self
            .rendered(
                conversation.messages(),
                conversation,
                with_generation_prompt,
            )?
            .text)
    }

    /// Renders some messages of a conversation.
    pub(super) fn rendered(
        &self,
        messages: &[Value],
        conversation: &Conversation,
        with_generation_prompt: bool,
    ) -> Result<Rendered, LmError> {
        let used = self.of(conversation);
        let refused = |reason: String| LmError::Conversation { reason };
        let contains_marks = |value: &Value| {
            let text = value.to_string();
            text.contains(generation::BEGIN) || text.contains(generation::END)
        };
        if messages.iter().any(contains_marks) {
            return Err(refused(
                "a message contains U+10FFFD or U+10FFFE, which stand for the borders of an answer"
                    .to_string(),
            ));
        }
        let template = used.environment.get_template(NAME);
        let rendered = template.and_then(|template| {
            template.render(context! {
                messages => minijinja::Value::from(Serde(messages)),
                tools => conversation.tools().map(|tools| minijinja::Value::from(Serde(tools))),
                add_generation_prompt => with_generation_prompt,
                ..minijinja::Value::from(Serde(&used.special_tokens))
            })
        });
        let rendered = rendered.map_err(|error| match error.kind() {
            ErrorKind::OutOfFuel => refused(format!(
                "the chat template {} does not come to an end",
                used.path.display()
            )),
            _ => refused(format!(
                "the chat template {} refuses it: {}",
                used.path.display(),
                reason(&error)
            )),
        })?;
        let (text, generated) = unmarked(&rendered);
        Ok(Rendered { text, generated })
    }
}

/// What an error says, without its kind where it says anything else.
fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_string(),
        None => error.kind().to_string(),
    }
}
