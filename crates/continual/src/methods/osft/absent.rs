//! Values that the settings of a split mean where a key is absent. They are written out, because the defaults of a run may
//! set other values.

use ::osft::NO_BOUND;
use toml::{Table, Value};

/// The keys with the values that their absence means.
fn absent() -> Table {
    let moment = [
        ("skip_first", Value::from(0)),
        ("tokens", Value::from("own")),
        ("shrinkage", Value::from("none")),
    ];
    let moment = moment.map(|(key, value)| (key.to_string(), value));
    Table::from_iter([
        ("max_output_change".to_string(), Value::from(NO_BOUND)),
        (
            "moment".to_string(),
            Value::Table(moment.into_iter().collect()),
        ),
    ])
}

/// Writes the values of absent keys into the settings of a split, so that these mean the same over any defaults.
pub fn write_absent(settings: &mut Table) {
    write(settings, absent());
}

/// Removes the keys whose value their absence means too.
pub fn remove_absent(settings: &mut Table) {
    remove(settings, &absent());
}

fn write(settings: &mut Table, values: Table) {
    for (key, value) in values {
        match (settings.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(values)) => write(inner, values),
            (Some(_), _) => {}
            (None, value) => {
                settings.insert(key, value);
            }
        }
    }
}

fn remove(settings: &mut Table, values: &Table) {
    for (key, value) in values {
        if let (Some(Value::Table(inner)), Value::Table(values)) = (settings.get_mut(key), value) {
            remove(inner, values);
        }
        let empty = |found: &Value| found.as_table().is_some_and(Table::is_empty);
        if settings
            .get(key)
            .is_some_and(|found| found == value || empty(found))
        {
            settings.remove(key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::osft::OsftConfig;

    use super::*;

    #[test]
    fn written_values_read_as_absent_ones_and_are_removed_again() {
        let left = Table::try_from(OsftConfig::new()).unwrap();
        let mut written = left.clone();
        write_absent(&mut written);
        for (key, value) in absent() {
            assert_eq!(written[&key], value);
        }
        let read: OsftConfig = written.clone().try_into().unwrap();
        assert_eq!(Table::try_from(read).unwrap(), left);
        remove_absent(&mut written);
        assert_eq!(written, left);
    }

    #[test]
    fn other_values_stay() {
        let text = "max_output_change = 0.5\nmoment = { tokens = 'unit' }";
        let mut settings: Table = toml::from_str(text).unwrap();
        let before = settings.clone();
        write_absent(&mut settings);
        assert_eq!(settings["moment"]["skip_first"], Value::from(0));
        remove_absent(&mut settings);
        assert_eq!(settings, before);
    }
}
