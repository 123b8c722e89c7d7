//! Reads results of earlier versions.

use serde_json::{Value, json};

/// Converts leaks and output changes, which had fields of their own, to figures.
pub(super) fn with_figures(mut result: Value) -> Value {
    let Value::Object(fields) = &mut result else {
        return result;
    };
    if fields.contains_key("figures") {
        return result;
    }
    let mut figures = Vec::new();
    let mut figure = |name: &str, value: Option<&Value>, notation: Value, combine: &str| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            figures.push(json!({
                "name": name,
                "meaning": meaning(name),
                "value": value,
                "notation": notation,
                "combine": combine,
            }));
        }
    };
    let scientific = json!({"scientific": 0});
    for (place, prefix) in [("leak", ""), ("stored_leak", "stored ")] {
        for (name, key) in [("leak in", "leak_in"), ("leak out", "leak_out")] {
            let value = fields.get(place).and_then(|leak| leak.get(key));
            let name = format!("{prefix}{name}");
            figure(&name, value, scientific.clone(), "largest");
        }
    }
    let change = fields
        .get("leak")
        .and_then(|leak| leak.get("relative_change"));
    figure("change", change, json!({"fixed": 2}), "largest");
    let outputs = fields.get("output_change");
    figure("outputs", outputs, json!({"fixed": 3}), "last");
    fields.insert("figures".to_string(), Value::Array(figures));
    result
}

/// What the figures were, as the reports of their time said.
fn meaning(name: &str) -> &'static str {
    match name {
        "leak in" => {
            "the largest `‖P_hᵀ ΔW‖ / ‖ΔW‖` of any layer and task; rounding leaks about \
             `6e-8 ‖W‖ / ‖ΔW‖`"
        }
        "leak out" => "the largest `‖ΔW Q_h‖ / ‖ΔW‖` of any layer and task",
        "change" => "the largest `‖ΔW‖ / ‖W‖` of any layer and task",
        "outputs" => {
            "the mean over layers of `√(E‖x ΔW‖² / E‖x W‖²)` since the base model, over the base \
             model's own inputs"
        }
        _ => "the leak of the weights once they are rounded to the precision they are stored in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_of_an_earlier_version_become_figures() {
        let leak = |value: f64| {
            json!({"path": "a", "leak_in": value, "leak_out": 2e-8, "leak_both": 0.0,
                "relative_change": 0.25})
        };
        let values = |result: Value| -> Vec<(String, Value)> {
            let found = with_figures(result);
            let figures = found["figures"].as_array().cloned().unwrap_or_default();
            let pair = |figure: Value| {
                let name = figure["name"].as_str().unwrap_or_default().to_string();
                (name, figure["value"].clone())
            };
            figures.into_iter().map(pair).collect()
        };
        let named = |name: &str, value: f64| (name.to_string(), json!(value));
        assert_eq!(
            values(json!({"leak": leak(1e-7), "output_change": 0.5})),
            [
                named("leak in", 1e-7),
                named("leak out", 2e-8),
                named("change", 0.25),
                named("outputs", 0.5)
            ]
        );
        let stored = values(json!({"leak": leak(1e-7), "stored_leak": leak(1e-3)}));
        assert_eq!(stored[2], named("stored leak in", 1e-3));
        assert!(values(json!({"leak": null})).is_empty());
        let new = json!({"figures": [], "leak": leak(1.0)});
        assert_eq!(with_figures(new.clone()), new);
    }
}
