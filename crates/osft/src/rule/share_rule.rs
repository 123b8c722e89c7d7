//! A share rule in a configuration.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use toml::Value;

use super::{Rule, ShareRules};
use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;

/// A share rule in a configuration: it sets the number of protected directions of a layer.
///
/// Settings write it as `{ fixed = 0.5 }`, or as `"effective_rank"` if it has no parameters. If a name is not
/// that of a [built-in](ShareRules::builtin) rule, the configuration keeps it, with its setting, until
/// [`OsftConfig::with_rules`](crate::OsftConfig::with_rules) resolves it. Two rules are equal if their names
/// and settings are equal.
#[derive(Clone)]
pub struct ShareRule(Content);

#[derive(Clone)]
enum Content {
    Resolved(Arc<dyn Rule>),
    /// As settings write it.
    Unresolved {
        name: String,
        setting: Option<Value>,
    },
}

/// A rule from settings that no registry has resolved yet.
pub(super) fn unresolved(name: &str, setting: Option<Value>) -> ShareRule {
    ShareRule(Content::Unresolved {
        name: name.to_string(),
        setting,
    })
}

impl ShareRule {
    /// Wraps any rule, including one from outside this crate.
    pub fn custom(rule: impl Rule + 'static) -> Self {
        Self(Content::Resolved(Arc::new(rule)))
    }

    /// The resolved rule.
    ///
    /// # Errors
    ///
    /// [`OsftError::UnknownShareRule`] if the rule comes from settings and no registry has resolved it.
    pub fn rule(&self) -> Result<&Arc<dyn Rule>, OsftError> {
        match &self.0 {
            Content::Resolved(rule) => Ok(rule),
            Content::Unresolved { name, .. } => Err(ShareRules::builtin().unknown(name)),
        }
    }

    /// Name in settings.
    pub fn name(&self) -> &str {
        match &self.0 {
            Content::Resolved(rule) => rule.name(),
            Content::Unresolved { name, .. } => name,
        }
    }

    /// All parameters of the rule, as settings write them.
    pub fn setting(&self) -> Option<Value> {
        match &self.0 {
            Content::Resolved(rule) => rule.setting(),
            Content::Unresolved { setting, .. } => setting.clone(),
        }
    }

    /// Name in reports.
    pub fn label(&self) -> String {
        match &self.0 {
            Content::Resolved(rule) => rule.label(),
            Content::Unresolved { name, .. } => name.clone(),
        }
    }

    /// Checks the parameters of the rule.
    ///
    /// # Errors
    ///
    /// [`OsftError::ShareOutOfRange`] for the first share outside `[0, 1]`, [`OsftError::UnknownShareRule`]
    /// for a rule that is not resolved, and the errors of custom rules.
    pub fn validate(&self) -> Result<(), OsftError> {
        self.rule()?.validate()
    }

    /// Whether the rule reads a layer's spectrum and not its size alone; true if it is not resolved.
    pub fn needs_spectrum(&self) -> bool {
        match &self.0 {
            Content::Resolved(rule) => rule.needs_spectrum(),
            Content::Unresolved { .. } => true,
        }
    }

    /// The importance measure that the rule reads, if any.
    pub fn importance(&self) -> Option<ImportanceMeasure> {
        match &self.0 {
            Content::Resolved(rule) => rule.importance(),
            Content::Unresolved { .. } => None,
        }
    }

    /// Whether the rule changes from task to task; true if it is not resolved.
    pub fn follows_tasks(&self) -> bool {
        match &self.0 {
            Content::Resolved(rule) => rule.follows_tasks(),
            Content::Unresolved { .. } => true,
        }
    }

    /// As [`validate`](Self::validate), but accepts a rule that is not resolved: an existing split does not
    /// need it.
    pub(crate) fn validate_made(&self) -> Result<(), OsftError> {
        match &self.0 {
            Content::Resolved(rule) => rule.validate(),
            Content::Unresolved { .. } => Ok(()),
        }
    }

    /// Resolves the rule with a registry if it is not resolved yet.
    pub(crate) fn resolved(self, rules: &ShareRules) -> Result<Self, OsftError> {
        match self.0 {
            Content::Resolved(_) => Ok(self),
            Content::Unresolved { name, setting } => rules.build(&name, setting),
        }
    }

    /// The name of a resolved rule, with the lifetime that serializers need.
    pub(super) fn static_name(&self) -> Option<&'static str> {
        match &self.0 {
            Content::Resolved(rule) => Some(rule.name()),
            Content::Unresolved { .. } => None,
        }
    }
}

impl PartialEq for ShareRule {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.setting() == other.setting()
    }
}

impl Debug for ShareRule {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Content::Resolved(rule) => rule.fmt(f),
            Content::Unresolved { name, setting } => f
                .debug_struct("Unresolved")
                .field("name", name)
                .field("setting", setting)
                .finish(),
        }
    }
}
