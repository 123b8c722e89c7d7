//! What the settings of a split leave out where they are written, and defaults of a run set otherwise.

use ::osft::NO_BOUND;
use toml::{Table, Value};

/// The settings, by name or by table and name, with the value that leaving them out means.
fn left_out() -> [(Option<&'static str>, &'static str, Value); 4] {
    let moment = Some("moment");
    [
        (None, "max_output_change", Value::from(NO_BOUND)),
        (moment, "skip_first", Value::from(0)),
        (moment, "tokens", Value::from("own")),
        (moment, "shrinkage", Value::from("none")),
    ]
}

/// Writes into the settings of a split what they leave out, so that they say the same over any defaults.
pub fn write_left_out(settings: &mut Table) {
    for (inner, name, value) in left_out() {
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

/// Takes out of the settings of a split what they may leave out: what remains is as it was before these settings existed.
pub fn remove_left_out(settings: &mut Table) {
    for (inner, name, value) in left_out() {
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
    fn what_is_written_reads_as_what_was_left_out_and_is_taken_out_again() {
        let left = Table::try_from(OsftConfig::new()).unwrap();
        let mut written = left.clone();
        write_left_out(&mut written);
        for (inner, name, value) in left_out() {
            let table = inner.map_or(&written, |inner| written[inner].as_table().unwrap());
            assert_eq!(table[name], value);
        }
        let read: OsftConfig = written.clone().try_into().unwrap();
        assert_eq!(Table::try_from(read).unwrap(), left);
        remove_left_out(&mut written);
        assert_eq!(written, left);
    }

    #[test]
    fn other_values_stay() {
        let text = "max_output_change = 0.5\nmoment = { tokens = 'unit' }";
        let mut settings: Table = toml::from_str(text).unwrap();
        let before = settings.clone();
        write_left_out(&mut settings);
        assert_eq!(settings["moment"]["skip_first"], Value::from(0));
        remove_left_out(&mut settings);
        assert_eq!(settings, before);
    }
}
