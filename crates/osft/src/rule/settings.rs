//! A rule in settings: its name, with its setting if it has one.

use std::fmt::Formatter;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Value;

use super::{ShareRule, ShareRules};

/// Written like a variant of an enum: the built-in rules were an enum when the first splits were saved.
impl Serialize for ShareRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.static_name(), self.setting()) {
            (Some(name), Some(setting)) => {
                serializer.serialize_newtype_variant("ShareRule", 0, name, &setting)
            }
            (None, Some(setting)) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(self.name(), &setting)?;
                map.end()
            }
            (_, None) => serializer.serialize_str(self.name()),
        }
    }
}

impl<'de> Deserialize<'de> for ShareRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameAndSetting)
    }
}

struct NameAndSetting;

impl<'de> Visitor<'de> for NameAndSetting {
    type Value = ShareRule;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("string or table")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<ShareRule, E> {
        ShareRules::builtin().read(name, None).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ShareRule, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(A::Error::custom(
                "wanted exactly 1 element, found 0 elements",
            ));
        };
        let rule = map.next_value_seed(SettingOf(&name))?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(rule),
            Some(_) => Err(A::Error::custom(
                "wanted exactly 1 element, more than 1 element",
            )),
        }
    }
}

/// Makes the rule while its setting is read, so that an error has the position of the setting.
struct SettingOf<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for SettingOf<'_> {
    type Value = ShareRule;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ShareRule, D::Error> {
        let setting = Option::<Value>::deserialize(deserializer)?;
        let rule = ShareRules::builtin().read(self.0, setting);
        rule.map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rule::{AdaptiveShare, ShareSchedule};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        protected_share: ShareRule,
    }

    /// Every byte counts: cache keys and checksums depend on it.
    #[test]
    fn the_written_form_of_rules_does_not_change() {
        let (first, last) = (0.1, 1.0);
        for (rule, json, toml) in [
            (
                ShareRule::fixed(0.5),
                r#"{"fixed":0.5}"#,
                "[protected_share]\nfixed = 0.5\n",
            ),
            (
                ShareRule::fixed(1.0),
                r#"{"fixed":1.0}"#,
                "[protected_share]\nfixed = 1.0\n",
            ),
            (
                ShareRule::count(64),
                r#"{"count":64}"#,
                "[protected_share]\ncount = 64\n",
            ),
            (
                ShareRule::energy(0.9),
                r#"{"energy":0.9}"#,
                "[protected_share]\nenergy = 0.9\n",
            ),
            (
                ShareRule::effective_rank(),
                r#""effective_rank""#,
                "protected_share = \"effective_rank\"\n",
            ),
            (
                ShareRule::adaptive(AdaptiveShare::default()),
                r#"{"adaptive":{"min":0.1,"max":0.8,"importance":"cosine"}}"#,
                "[protected_share.adaptive]\nmin = 0.1\nmax = 0.8\nimportance = \"cosine\"\n",
            ),
            (
                ShareRule::schedule(ShareSchedule { first, last }),
                r#"{"schedule":{"first":0.1,"last":1.0}}"#,
                "[protected_share.schedule]\nfirst = 0.1\nlast = 1.0\n",
            ),
        ] {
            assert_eq!(serde_json::to_string(&rule).unwrap(), json);
            assert_eq!(serde_json::from_str::<ShareRule>(json).unwrap(), rule);
            let settings = Settings {
                protected_share: rule,
            };
            assert_eq!(toml::to_string(&settings).unwrap(), toml);
            assert_eq!(toml::from_str::<Settings>(toml).unwrap(), settings);
            let value = Value::try_from(&settings).unwrap();
            assert_eq!(value.try_into::<Settings>().unwrap(), settings);
        }
    }

    #[test]
    fn integers_and_missing_optional_numbers_are_read() {
        let read = |text: &str| toml::from_str::<Settings>(text).unwrap().protected_share;
        assert_eq!(
            read("protected_share = { fixed = 1 }"),
            ShareRule::fixed(1.0)
        );
        let share = AdaptiveShare {
            min: 0.0,
            ..AdaptiveShare::default()
        };
        assert_eq!(
            read("protected_share.adaptive = { min = 0 }"),
            ShareRule::adaptive(share)
        );
    }

    #[test]
    fn errors_say_what_is_wrong_with_a_setting() {
        for (text, words) in [
            (
                "{ fixed = 'x' }",
                "invalid type: string \"x\", expected f64",
            ),
            (
                "{ count = -1 }",
                "invalid value: integer `-1`, expected usize",
            ),
            (
                "'fixed'",
                "invalid type: unit variant, expected newtype variant",
            ),
            (
                "{ adaptive = { mean = 1 } }",
                "unknown field `mean`, expected one of `min`, `max`, `importance`",
            ),
            (
                "{ adaptive = { min = 'x' } }",
                "invalid type: string \"x\", expected f64 in `min`",
            ),
            ("{ schedule = { first = 0.5 } }", "missing field `last`"),
            (
                "0.5",
                "invalid type: floating point `0.5`, expected string or table",
            ),
            ("{}", "wanted exactly 1 element, found 0 elements"),
            (
                "{ fixed = 0.5, count = 1 }",
                "wanted exactly 1 element, more than 1 element",
            ),
        ] {
            let error = toml::from_str::<Settings>(&format!("protected_share = {text}"));
            let error = error.unwrap_err();
            assert_eq!(error.message(), words, "{text}");
            // The error points to the setting.
            assert!(error.span().is_some_and(|span| span.start > 0), "{text}");
        }
        let error = serde_json::from_str::<ShareRule>(r#"{"fixed":"x"}"#).unwrap_err();
        let words = "invalid type: string \"x\", expected f64 at line 1";
        assert!(error.to_string().starts_with(words), "{error}");
    }

    #[test]
    fn an_unknown_rule_keeps_its_name_and_setting() {
        for json in [r#"{"toy":{"b":1,"a":[2.5,"x"]}}"#, r#""toy""#] {
            let rule: ShareRule = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&rule).unwrap(), json);
            assert_eq!((rule.name(), rule.label().as_str()), ("toy", "toy"));
            let error = rule.validate().unwrap_err().to_string();
            assert!(
                error.contains("\"toy\"") && error.contains("effective_rank"),
                "{error}"
            );
        }
    }
}
