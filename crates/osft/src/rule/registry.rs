//! The registry of share rules.

use toml::Value;

use super::{
    RuleKind, ShareRule, adaptive, count, effective_rank, energy, fixed, growing_energy, schedule,
    share_rule, threshold,
};
use crate::error::OsftError;

/// The registry of share rules: the rules of this crate, and those that are added.
///
/// ```
/// use osft::{ShareRule, ShareRules};
///
/// # fn main() -> Result<(), osft::OsftError> {
/// let rules = ShareRules::builtin();
/// assert_eq!(rules.parse("0.5")?, ShareRule::fixed(0.5));
/// assert_eq!(rules.parse("k=64")?, ShareRule::count(64));
/// assert_eq!(rules.build("energy", Some(0.9.into()))?, ShareRule::energy(0.9));
/// for rule in rules.kinds() {
///     println!("{}: {}", rule.name(), rule.help());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ShareRules(Vec<RuleKind>);

impl Default for ShareRules {
    fn default() -> Self {
        Self::builtin()
    }
}

impl ShareRules {
    /// The rules of this crate.
    pub fn builtin() -> Self {
        Self(Vec::new())
            .with(fixed::kind())
            .with(schedule::kind())
            .with(adaptive::kind())
            .with(effective_rank::kind())
            .with(count::kind())
            .with(energy::kind())
            .with(growing_energy::kind())
            .with(threshold::kind())
    }

    /// Adds a rule. If the registry has a rule of that name already, that rule stays: saved splits name
    /// built-in rules.
    pub fn with(mut self, kind: RuleKind) -> Self {
        if self.find(kind.name()).is_none() {
            self.0.push(kind);
        }
        self
    }

    /// All rules, in the order in which they were added.
    pub fn kinds(&self) -> &[RuleKind] {
        &self.0
    }

    /// Makes a rule from its name and its setting; `None` for a rule that settings write as its name alone.
    ///
    /// # Errors
    ///
    /// [`OsftError::UnknownShareRule`] if the registry has no such rule, [`OsftError::InvalidShareSetting`]
    /// if the setting cannot be read. [`ShareRule::validate`] checks whether the parameters are in range.
    pub fn build(&self, name: &str, setting: Option<Value>) -> Result<ShareRule, OsftError> {
        let kind = self.find(name).ok_or_else(|| self.unknown(name))?;
        kind.build(setting)
            .map_err(|reason| OsftError::InvalidShareSetting {
                name: name.to_string(),
                reason,
            })
    }

    /// Makes a rule from a typed text, such as `0.5` or `effective-rank`.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoShare`] for a text that no rule accepts, and the errors of [`ShareRule::validate`].
    pub fn parse(&self, text: &str) -> Result<ShareRule, OsftError> {
        let mut wrong = None;
        for kind in &self.0 {
            match kind.parse(text) {
                Ok(Some(rule)) => {
                    rule.validate()?;
                    return Ok(rule);
                }
                Ok(None) => {}
                // Another rule may accept the text.
                Err(part) => wrong = wrong.or(Some(part)),
            }
        }
        let forms = self.0.iter().flat_map(|kind| kind.typed_forms());
        Err(OsftError::NoShare {
            text: wrong.unwrap_or_else(|| text.to_string()),
            expected: listed(forms.copied()),
        })
    }

    /// What can be typed, in words for a help text.
    pub fn typed_help(&self) -> String {
        listed(self.0.iter().filter_map(RuleKind::typed_help))
    }

    /// Makes a rule from settings. A rule that is not in the registry stays unresolved.
    ///
    /// # Errors
    ///
    /// What is wrong with the setting, as text.
    pub(super) fn read(&self, name: &str, setting: Option<Value>) -> Result<ShareRule, String> {
        match self.find(name) {
            Some(kind) => kind.build(setting),
            None => Ok(share_rule::unresolved(name, setting)),
        }
    }

    pub(super) fn unknown(&self, name: &str) -> OsftError {
        OsftError::UnknownShareRule {
            name: name.to_string(),
            available: self.0.iter().map(|kind| kind.name().to_string()).collect(),
        }
    }

    fn find(&self, name: &str) -> Option<&RuleKind> {
        self.0.iter().find(|kind| kind.name() == name)
    }
}

/// `a, b or c`
fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match &words[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rule::AdaptiveShare;

    #[test]
    fn typed_shares_become_rules_with_the_same_label() {
        let label = |text: &str| ShareRules::builtin().parse(text).map(|rule| rule.label());
        for text in ["0.5", "0.1..0.8", "adaptive", "adaptive-cka", "k=64"] {
            assert_eq!(label(text).unwrap(), text);
        }
        assert_eq!(label("effective-rank").unwrap(), "effective rank");
    }

    #[test]
    fn errors_about_typed_shares_list_what_can_be_typed() {
        let error = |text: &str| ShareRules::builtin().parse(text).unwrap_err().to_string();
        for (text, words) in [
            ("1.5", "1.5 is outside [0, 1]"),
            ("-1", "-1 is outside [0, 1]"),
            ("0.1..2", "2 is outside [0, 1]"),
            ("nan", "NaN is outside [0, 1]"),
        ] {
            assert!(error(text).contains(words), "{text}: {}", error(text));
        }
        for (text, part) in [
            ("half", "half"),
            ("k=half", "k=half"),
            ("k=1..2", "k=1"),
            ("0.1..x", "x"),
            ("", ""),
        ] {
            let expected = format!(
                "{part:?} is no share: expected a number from 0 to 1, FIRST..LAST, adaptive, \
                 adaptive-cka, effective-rank or k=COUNT"
            );
            assert_eq!(error(text), expected, "{text}");
        }
    }

    #[test]
    fn the_help_text_names_what_can_be_typed() {
        let expected = "a number from 0 to 1, FIRST..LAST over the tasks, `adaptive` or `adaptive-cka` by \
                        the layers' importance, `effective-rank` or `k=COUNT` directions of every layer";
        assert_eq!(ShareRules::builtin().typed_help(), expected);
        for kind in ShareRules::builtin().kinds() {
            assert!(kind.help().ends_with('.'), "{kind:?}");
        }
    }

    #[test]
    fn adding_a_rule_of_a_taken_name_keeps_the_first() {
        let another = RuleKind::without_setting("fixed", "Another.", AdaptiveShare::default);
        let rules = ShareRules::builtin().with(another);
        assert_eq!(rules.kinds().len(), ShareRules::builtin().kinds().len());
        let rule = rules.build("fixed", Some(0.5.into())).unwrap();
        assert_eq!(rule, ShareRule::fixed(0.5));
    }
}
