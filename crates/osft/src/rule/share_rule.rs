//! A rule as a configuration holds it.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use toml::Value;

use super::{Rule, ShareRules};
use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;

/// Rule for the number of protected directions of a layer.
///
/// Settings write it as `{ fixed = 0.5 }`, or as `"effective_rank"` where it has no numbers. A name that is
/// none of the [built-in](ShareRules::builtin) rules is kept as it is read, with its setting, until
/// [`OsftConfig::with_rules`](crate::OsftConfig::with_rules) resolves it. Two rules are equal if name and
/// setting are.
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

/// A rule of which settings say a name that no registry has resolved yet.
pub(super) fn unresolved(name: &str, setting: Option<Value>) -> ShareRule {
    ShareRule(Content::Unresolved {
        name: name.to_string(),
        setting,
    })
}

impl ShareRule {
    /// Any rule, also one from outside this crate.
    pub fn custom(rule: impl Rule + 'static) -> Self {
        Self(Content::Resolved(Arc::new(rule)))
    }

    /// The rule itself.
    ///
    /// # Errors
    ///
    /// [`OsftError::UnknownShareRule`] if settings named it and no registry has resolved it.
    pub fn rule(&self) -> Result<&Arc<dyn Rule>, OsftError> {
        match &self.0 {
            Content::Resolved(rule) => Ok(rule),
            Content::Unresolved { name, .. } => Err(ShareRules::builtin().unknown(name)),
        }
    }

    /// Its name in settings.
    pub fn name(&self) -> &str {
        match &self.0 {
            Content::Resolved(rule) => rule.name(),
            Content::Unresolved { name, .. } => name,
        }
    }

    /// All its numbers, as they stand in settings.
    pub fn setting(&self) -> Option<Value> {
        match &self.0 {
            Content::Resolved(rule) => rule.setting(),
            Content::Unresolved { setting, .. } => setting.clone(),
        }
    }

    /// Its name in reports.
    pub fn label(&self) -> String {
        match &self.0 {
            Content::Resolved(rule) => rule.label(),
            Content::Unresolved { name, .. } => name.clone(),
        }
    }

    /// Checks the rule's own numbers.
    ///
    /// # Errors
    ///
    /// [`OsftError::ShareOutOfRange`] for the first one outside `[0, 1]`, [`OsftError::UnknownShareRule`], and
    /// what a rule from outside this crate finds.
    pub fn validate(&self) -> Result<(), OsftError> {
        self.rule()?.validate()
    }

    /// Whether the number depends on a layer's spectrum, not on its size alone. One that is not resolved may.
    pub fn needs_spectrum(&self) -> bool {
        match &self.0 {
            Content::Resolved(rule) => rule.needs_spectrum(),
            Content::Unresolved { .. } => true,
        }
    }

    /// The measure of the layers' importance that the number depends on, if it does.
    pub fn importance(&self) -> Option<ImportanceMeasure> {
        match &self.0 {
            Content::Resolved(rule) => rule.importance(),
            Content::Unresolved { .. } => None,
        }
    }

    /// Whether the number changes over the tasks. That of one that is not resolved may.
    pub fn follows_tasks(&self) -> bool {
        match &self.0 {
            Content::Resolved(rule) => rule.follows_tasks(),
            Content::Unresolved { .. } => true,
        }
    }

    /// Checks a rule of a split that was made, which needs it no more: also one that is not resolved may stand
    /// there.
    pub(crate) fn validate_made(&self) -> Result<(), OsftError> {
        match &self.0 {
            Content::Resolved(rule) => rule.validate(),
            Content::Unresolved { .. } => Ok(()),
        }
    }

    /// The same rule, made by a registry if it is not resolved yet.
    pub(crate) fn resolved(self, rules: &ShareRules) -> Result<Self, OsftError> {
        match self.0 {
            Content::Resolved(_) => Ok(self),
            Content::Unresolved { name, setting } => rules.build(&name, setting),
        }
    }

    /// The name if it lives as long as the program, as serializers want it.
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
