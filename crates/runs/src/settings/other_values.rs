//! Values that a test tries in place of a setting's.

use toml::{Table, Value};

/// Other valid values of a setting.
pub(super) fn others(value: &Value) -> Vec<Value> {
    let words = "ndarray t5 2 keep full linear weights inputs weight trained frozen change bf16 cosine \
                 linear_cka sgd 1/t 1/sqrt(t) beside generated unit ledoit_wolf";
    match value {
        Value::Boolean(value) => vec![Value::from(!value)],
        Value::Integer(value) => vec![Value::from(value + 1)],
        Value::Float(value) => vec![Value::from(value * 0.5 + 0.125)],
        Value::String(_) => words.split(' ').map(Value::from).collect(),
        Value::Array(values) => {
            let mut fewer = values.clone();
            fewer.pop();
            let mut twice = values.clone();
            twice.extend(values.first().cloned());
            vec![Value::Array(fewer), Value::Array(twice)]
        }
        Value::Table(_) => {
            let share = |name: &str, value: Value| {
                Value::Table(Table::from_iter([(name.to_string(), value)]))
            };
            let adaptive = |min: f64| {
                let importance = Value::from("cosine");
                let bounds = [("min", Value::from(min)), ("max", Value::from(0.8))];
                let rule = bounds.into_iter().chain([("importance", importance)]);
                share(
                    "adaptive",
                    Value::Table(rule.map(|(k, v)| (k.to_string(), v)).collect()),
                )
            };
            vec![
                share("fixed", Value::from(0.25)),
                adaptive(0.1),
                adaptive(0.2),
            ]
        }
        Value::Datetime(_) => Vec::new(),
    }
}
