//! Values that the settings of a split mean where a key is absent. They are written out, because the defaults of a run may
//! set other values.

use ::osft::NO_BOUND;
use toml::{Table, Value};

/// The keys, each in a table of its own or at the top, with the value that their absence means.
fn absent() -> [(Option<&'static str>, &'static str, Value); 4] {
    let moment = Some("moment");
    [
        (None, "max_output_change", Value::from(NO_BOUND)),
        (moment, "skip_first", Value::from(0)),
        (moment, "tokens", Value::from("own")),
        (moment, "shrinkage", Value::from("none")),
    ]
}

/// Writes the values of absent keys into the settings of a split, so that these mean the same over any defaults.
pub fn write_absent(settings: &mut Table) {
    for (inner, name, value) in absent() {
        let table = match inner {
            None => Some(&mut *settings),
            Some(inner) => {
                let empty = || Value::Table(Table::new());
                settings.entry(inner).or_insert_with(empty).as_table_mut()
            }
        };
        // Anything else than a table is refused where the settings are read.
        if let Some(table) = table {
            table.entry(name).or_insert(value);
        }
    }
}

/// Removes the keys whose value their absence means too.
pub fn remove_absent(settings: &mut Table) {
    for (inner, name, value) in absent() {
        let table = match inner {
            None => Some(&mut *settings),
            Some(inner) => settings.get_mut(inner).and_then(Value::as_table_mut),
        };
        if let Some(table) = table
            && table.get(name) == Some(&value)
        {
            table.remove(name);
        }
        if let Some(inner) = inner
            && settings.get(inner) == Some(&Value::Table(Table::new()))
        {
            settings.remove(inner);
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
        for (inner, name, value) in absent() {
            let table = inner.map_or(&written, |inner| written[inner].as_table().unwrap());
            assert_eq!(table[name], value);
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
