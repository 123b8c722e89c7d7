use osft::{LayerFacts, Rule, RuleKind};
use toml::Value;

/// One of so many directions is protected: `protected_share = { one_of = 4 }`, or `--share 1/4`.
#[derive(Debug)]
struct OneOf(usize);

impl Rule for OneOf {
    fn name(&self) -> &'static str {
        "one_of"
    }
    fn setting(&self) -> Option<Value> {
        Some(Value::from(self.0 as i64))
    }
    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        layer.directions / self.0.max(1)
    }
}

pub fn one_of() -> RuleKind {
    let kind = RuleKind::new("one_of", "One of so many directions.", OneOf);
    kind.typed(&["1/COUNT"], "1/COUNT for one of COUNT", |text: &str| {
        let count = text.strip_prefix("1/");
        let number = count.map(|count| count.parse().map_err(|_| count.to_string()));
        Ok(number.transpose()?.map(OneOf))
    })
}
