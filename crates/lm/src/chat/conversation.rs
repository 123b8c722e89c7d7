//! A conversation, as a data file has it.

use serde_json::Value;

use crate::error::LmError;

/// Which tokens of a conversation count in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mask {
    /// What the assistant says, with the token that ends its turn.
    #[default]
    Assistant,
    /// Every turn but those of the system.
    AllButSystem,
}

/// Messages with their roles, and the tools that the assistant may call.
///
/// Messages are passed to the template as they are, with whatever keys it reads (`reasoning_content`,
/// `tool_calls`, …).
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    messages: Vec<Value>,
    tools: Option<Value>,
}

impl Conversation {
    /// Checks that `messages` is a list of objects, each with a `role` and something said: `content` that is
    /// text or a list of parts, or `tool_calls`.
    ///
    /// # Errors
    ///
    /// [`LmError::Conversation`] with the position of the first bad message, from 1.
    pub fn new(messages: &Value, tools: Option<&Value>) -> Result<Self, LmError> {
        let refused = |reason: String| Err(LmError::Conversation { reason });
        let Some(list) = messages.as_array() else {
            return refused(format!("messages is {}, not a list", kind_of(messages)));
        };
        if list.is_empty() {
            return refused("messages is empty".to_string());
        }
        for (index, message) in list.iter().enumerate() {
            let place = index + 1;
            let Some(fields) = message.as_object() else {
                return refused(format!(
                    "message {place} is {}, not an object with role and content",
                    kind_of(message)
                ));
            };
            match fields.get("role") {
                Some(Value::String(role)) if !role.is_empty() => {}
                Some(other) => {
                    return refused(format!("message {place}: role is {other}, not a name"));
                }
                None => return refused(format!("message {place} has no role")),
            }
            match (fields.get("content"), fields.get("tool_calls")) {
                (Some(Value::String(_) | Value::Array(_)), _) => {}
                (None | Some(Value::Null), Some(_)) => {}
                (None | Some(Value::Null), None) => {
                    return refused(format!("message {place} has no content"));
                }
                (Some(other), _) => {
                    return refused(format!(
                        "message {place}: content is {}, not text or a list of parts",
                        kind_of(other)
                    ));
                }
            }
        }
        let tools = match tools {
            None | Some(Value::Null) => None,
            Some(Value::Array(list)) if list.is_empty() => None,
            Some(tools @ Value::Array(_)) => Some(tools.clone()),
            Some(other) => return refused(format!("tools is {}, not a list", kind_of(other))),
        };
        Ok(Self {
            messages: list.clone(),
            tools,
        })
    }

    /// One question and its answer.
    pub fn of_turn(question: &str, answer: &str) -> Self {
        let message = |role, content| serde_json::json!({"role": role, "content": content});
        Self {
            messages: vec![message("user", question), message("assistant", answer)],
            tools: None,
        }
    }

    /// The conversation with an empty answer behind it, where its last message is not the assistant's.
    pub fn with_answer(mut self) -> Self {
        if self.role(self.messages.len() - 1) != "assistant" {
            let answer = serde_json::json!({"role": "assistant", "content": ""});
            self.messages.push(answer);
        }
        self
    }

    /// The messages.
    pub fn messages(&self) -> &[Value] {
        &self.messages
    }

    /// The tools, if there are any.
    pub fn tools(&self) -> Option<&Value> {
        self.tools.as_ref()
    }

    /// The conversation up to a message, without it.
    pub fn before(&self, message: usize) -> Self {
        Self {
            messages: self.messages[..message].to_vec(),
            tools: self.tools.clone(),
        }
    }

    /// The role of a message.
    pub(super) fn role(&self, message: usize) -> &str {
        self.messages[message]["role"].as_str().unwrap_or_default()
    }

    /// Positions of the assistant's messages, from 0.
    pub fn assistant_turns(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.messages.len()).filter(|&message| self.role(message) == "assistant")
    }

    /// The last message as a question and its expected answer: everything before it, and its text. `None` if
    /// the last message is not a text of the assistant, or nothing precedes it.
    pub fn last_answer(&self) -> Option<(Self, String)> {
        let (before, message) = self.last_turn()?;
        Some((before, message["content"].as_str()?.to_string()))
    }

    /// Everything before the last message, and that message. `None` if it is not the assistant's, or nothing precedes
    /// it.
    pub fn last_turn(&self) -> Option<(Self, &Value)> {
        let last = self.messages.len() - 1;
        let answers = self.role(last) == "assistant" && last > 0;
        answers.then(|| (self.before(last), &self.messages[last]))
    }
}

/// The kind of a JSON value, with its article.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bad_messages_are_refused_by_their_place() {
        let cases = [
            (json!("hi"), "messages is a string, not a list"),
            (json!([]), "messages is empty"),
            (json!(["hi"]), "message 1 is a string"),
            (
                json!([{"role": "user", "content": "a"}, {"content": "b"}]),
                "message 2 has no role",
            ),
            (json!([{"role": 7, "content": "a"}]), "role is 7"),
            (json!([{"role": "user"}]), "message 1 has no content"),
            (
                json!([{"role": "user", "content": 5}]),
                "content is a number",
            ),
        ];
        for (messages, expected) in cases {
            let error = Conversation::new(&messages, None).err();
            let error = error.map_or(String::new(), |error| error.to_string());
            assert!(error.contains(expected), "{messages}: {error}");
        }
        let user = json!([{"role": "user", "content": "a"}]);
        assert!(Conversation::new(&user, Some(&json!({}))).is_err());
        assert!(Conversation::new(&user, Some(&json!([]))).is_ok());
    }

    #[test]
    fn the_last_answer_is_divided_from_what_precedes_it() {
        let turn = Conversation::of_turn("q", "a");
        let divided = turn.last_answer();
        assert_eq!(divided, Some((turn.before(1), "a".to_string())));
        assert_eq!(turn.before(1).last_answer(), None);
        let asked = turn.before(1).with_answer().last_answer();
        assert_eq!(asked, Some((turn.before(1), String::new())));
        assert_eq!(turn.clone().with_answer(), turn);
    }
}
