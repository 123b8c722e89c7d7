//! How settings and typed texts define a rule.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Value;

use super::{Rule, ShareRule};

type Build = Arc<dyn Fn(Option<Value>) -> Result<ShareRule, String> + Send + Sync>;
type Parse = Arc<dyn Fn(&str) -> Result<Option<ShareRule>, String> + Send + Sync>;

/// A kind of share rule: how to make the rule from its setting, and from a typed text.
#[derive(Clone)]
pub struct RuleKind {
    name: &'static str,
    help: &'static str,
    build: Build,
    typed: Option<Typed>,
}

/// How a rule is typed.
#[derive(Clone)]
struct Typed {
    forms: &'static [&'static str],
    help: &'static str,
    parse: Parse,
}

impl RuleKind {
    /// A rule that settings write as `{ name = setting }`. `name` is the rule's [name](Rule::name), `help` a
    /// sentence about what the rule protects, and `make` builds the rule from its setting.
    pub fn new<T: DeserializeOwned, R: Rule + 'static>(
        name: &'static str,
        help: &'static str,
        make: impl Fn(T) -> R + Send + Sync + 'static,
    ) -> Self {
        let build = move |setting: Option<Value>| {
            let setting = setting.ok_or("invalid type: unit variant, expected newtype variant")?;
            // On one line; the message names the key.
            let read = setting.try_into::<T>();
            let read = read.map_err(|error| error.to_string().trim_end().replace('\n', " "));
            Ok(ShareRule::custom(make(read?)))
        };
        Self {
            name,
            help,
            build: Arc::new(build),
            typed: None,
        }
    }

    /// A rule without parameters, which settings write as its name alone.
    pub fn without_setting<R: Rule + 'static>(
        name: &'static str,
        help: &'static str,
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        let build = move |setting: Option<Value>| match setting {
            None => Ok(ShareRule::custom(make())),
            Some(Value::Table(table)) if table.is_empty() => Ok(ShareRule::custom(make())),
            Some(_) => Err("invalid type: newtype variant, expected unit variant".to_string()),
        };
        Self {
            name,
            help,
            build: Arc::new(build),
            typed: None,
        }
    }

    /// Lets the rule also be typed.
    ///
    /// `forms` lists what can be typed, for errors; `help` describes the same for a help text. `parse` reads
    /// a text. It returns `Ok(None)` for a text of another rule, and as an error the part of the text that is
    /// wrong.
    pub fn typed<R: Rule + 'static>(
        mut self,
        forms: &'static [&'static str],
        help: &'static str,
        parse: impl Fn(&str) -> Result<Option<R>, String> + Send + Sync + 'static,
    ) -> Self {
        let parse = move |text: &str| Ok(parse(text)?.map(ShareRule::custom));
        self.typed = Some(Typed {
            forms,
            help,
            parse: Arc::new(parse),
        });
        self
    }

    /// Name in settings.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A sentence about what the rule protects.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// The forms that can be typed; empty if the rule can only be written in settings.
    pub fn typed_forms(&self) -> &'static [&'static str] {
        self.typed.as_ref().map_or(&[], |typed| typed.forms)
    }

    /// The forms that can be typed, in words for a help text.
    pub fn typed_help(&self) -> Option<&'static str> {
        self.typed.as_ref().map(|typed| typed.help)
    }

    /// # Errors
    ///
    /// What is wrong with the setting, as text.
    pub(super) fn build(&self, setting: Option<Value>) -> Result<ShareRule, String> {
        (self.build)(setting)
    }

    /// # Errors
    ///
    /// The part of the text that is wrong.
    pub(super) fn parse(&self, text: &str) -> Result<Option<ShareRule>, String> {
        match &self.typed {
            Some(typed) => (typed.parse)(text),
            None => Ok(None),
        }
    }
}

impl Debug for RuleKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleKind")
            .field("name", &self.name)
            .field("help", &self.help)
            .field("typed_forms", &self.typed_forms())
            .finish_non_exhaustive()
    }
}
