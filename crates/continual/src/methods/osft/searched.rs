//! The shares that a search of hyperparameters tries.

use ::osft::ShareRule;
use toml::{Table, Value};

use crate::method::SearchedSetting;

/// Values of `protected_share` with the rule that the settings have; none for a rule whose numbers say
/// nothing about the trade between what is learned and what is kept.
pub(in crate::methods) fn searched_share(share: &ShareRule) -> Vec<SearchedSetting> {
    let Ok(Value::Table(rule)) = Value::try_from(share) else {
        return Vec::new();
    };
    let Some((name, present)) = rule.iter().next() else {
        return Vec::new();
    };
    let numbers = |values: &[f64]| values.iter().copied().map(Value::from).collect();
    let values: Vec<Value> = match (name.as_str(), present) {
        ("fixed", _) => numbers(&[0.25, 0.5, 0.75, 0.9]),
        ("energy", _) => numbers(&[0.8, 0.9, 0.95, 0.97, 0.99]),
        ("threshold", _) => numbers(&[3.0, 10.0, 30.0, 100.0]),
        ("growing_energy", Value::Table(growing)) => [0.9, 0.95, 0.97, 0.99]
            .into_iter()
            .map(|first| {
                let mut growing = growing.clone();
                growing.insert("first".to_string(), Value::from(first));
                Value::Table(growing)
            })
            .collect(),
        _ => return Vec::new(),
    };
    let rules = values.into_iter().map(|value| {
        let rule = Table::from_iter([(name.clone(), value)]);
        Value::Table(rule)
    });
    vec![SearchedSetting::values("protected_share", rules)]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::osft::GrowingEnergy;

    use super::*;
    use crate::method::SearchRange;

    #[test]
    fn every_searched_share_is_a_rule_of_the_same_name() {
        let growing = GrowingEnergy {
            first: 0.95,
            per_task: 0.003,
        };
        let shares = [
            ShareRule::fixed(0.5),
            ShareRule::energy(0.9),
            ShareRule::threshold(10.0),
            ShareRule::growing_energy(growing),
        ];
        for share in shares {
            let searched = searched_share(&share);
            let SearchRange::Values(values) = &searched[0].range else {
                panic!("{searched:?}");
            };
            let own = Value::try_from(&share).unwrap();
            let name = own.as_table().unwrap().keys().next().unwrap();
            for value in values {
                assert_eq!(value.as_table().unwrap().keys().next(), Some(name));
                let read: ShareRule = value.clone().try_into().unwrap();
                assert_eq!(Value::try_from(&read).unwrap(), *value);
            }
            assert!(values.contains(&own), "{own} is not searched itself");
        }
    }
}
