use continual::methods::SeqFt;
use continual::{ContinualError, Method, MethodInputs, MethodKind, SearchedSetting};
use lm::Model;
use runs::Registries;
use runs::settings::Overrides;
use serde::{Deserialize, Serialize};

use super::*;

fn config(pairs: &[&str]) -> RunConfig {
    let set: Vec<String> = pairs.iter().map(ToString::to_string).collect();
    let overrides = Overrides {
        set: &set,
        ..Overrides::default()
    };
    RunConfig::resolve(&Registries::builtin(), "trace", false, &overrides).unwrap()
}

const ADAPTIVE: &str = "methods.osft.protected_share={adaptive={min=0.1,max=0.8}}";

#[test]
fn every_method_has_as_many_trials_at_the_same_rates() {
    let config = config(&["compare=['seqft','o-lora']"]);
    for search in [Search::Grid, Search::Random { trials: 7, seed: 3 }] {
        let rates = |method: &str| -> Vec<f64> {
            let trials = trials(&config, method, &search).unwrap();
            trials.iter().map(|trial| trial.rate).collect()
        };
        assert_eq!(rates("seqft"), rates("o-lora"));
        match search {
            Search::Grid => assert_eq!(rates("seqft"), config.tune_grid),
            _ => assert_eq!(rates("seqft").len(), 7),
        }
    }
}

#[test]
fn random_rates_follow_from_the_seed_and_stay_between_the_ends_of_the_grid() {
    let config = config(&["tune_grid=[1e-3, 1e-5]", "compare=['seqft']"]);
    let rates = |seed| -> Vec<f64> {
        let search = Search::Random { trials: 50, seed };
        let trials = trials(&config, "seqft", &search).unwrap();
        trials.iter().map(|trial| trial.rate).collect()
    };
    assert_eq!(rates(1), rates(1));
    assert_ne!(rates(1), rates(2));
    assert!(rates(1).iter().all(|rate| (1e-5..=1e-3).contains(rate)));
    // One in each of fifty parts of the two decades.
    let part = |rate: &f64| ((rate.log10() + 5.0) * 25.0).floor() as usize;
    let mut parts: Vec<usize> = rates(1).iter().map(part).collect();
    assert!(!parts.is_sorted(), "rates come in no order");
    parts.sort_unstable();
    // A rate has three digits: it may be rounded into the next part.
    let moved = parts
        .iter()
        .enumerate()
        .filter(|(index, part)| index != *part);
    assert!(moved.count() <= 5, "{parts:?}");
}

#[test]
fn values_around_a_setting_leave_what_stands_beside_it() {
    let config = config(&["compare=['osft']", ADAPTIVE]);
    let key = |name: &str| format!("methods.osft.protected_share.adaptive.{name}");
    let axes = ["min", "max"].map(|name| Axis::around(&format!("{}=0.05", key(name))).unwrap());
    let all = trials(&config, "osft", &Search::Axes(axes.to_vec())).unwrap();
    let pairs: Vec<[f64; 2]> = all
        .iter()
        .map(|trial| {
            ["min", "max"].map(|name| {
                let value = trial.config.setting(&key(name)).unwrap().unwrap();
                value.as_float().unwrap()
            })
        })
        .collect();
    let expected = [0.05, 0.1, 0.15]
        .map(|min| [0.75, 0.8, 0.85].map(|max| [min, max]))
        .concat();
    assert_eq!(pairs, expected);
}

#[test]
fn settings_that_cannot_be_tried_are_errors() {
    let cases = [
        (
            "methods.osft.protected_share.adaptive.min=0.05",
            "energy",
            "no present value",
        ),
        ("methods.osft.split=0.05", ADAPTIVE, "not a number"),
        (
            "methods.osft.protected_share.adaptive.max=0.3",
            ADAPTIVE,
            "1.1",
        ),
        (
            "methods.seqft.x=0.3",
            ADAPTIVE,
            "one method that is searched",
        ),
    ];
    for (axis, set, words) in cases {
        let pairs = match set {
            "energy" => vec!["compare=['osft']"],
            set => vec!["compare=['osft']", set],
        };
        let search = Search::Axes(vec![Axis::around(axis).unwrap()]);
        let error = trials(&config(&pairs), "osft", &search).err().unwrap();
        assert!(format!("{error:#}").contains(words), "{axis}: {error:#}");
    }
    let strength = |values: &[f64]| Axis::Values {
        key: "methods.ewc.strength".to_string(),
        values: values.iter().copied().map(Value::from).collect(),
    };
    for axes in [
        vec![strength(&[1.0, 2.0, 1.0])],
        vec![strength(&[1.0, 2.0]), strength(&[3.0])],
    ] {
        let config = config(&["compare=['ewc']"]);
        let error = trials(&config, "ewc", &Search::Axes(axes)).err().unwrap();
        assert!(error.to_string().contains("twice"), "{error}");
    }
    for text in ["x", "x=a", "x=-1", "x=0", "x=inf"] {
        assert!(Axis::around(text).is_err(), "{text}");
    }
    for text in ["x", "x=", "x=[", "x=a,b"] {
        assert!(text.parse::<Axis>().is_err(), "{text}");
    }
    let several = trials(
        &config(&["compare=['osft']"]),
        "osft",
        &Search::Random { trials: 0, seed: 0 },
    );
    assert!(several.is_err());
}

#[test]
fn a_list_of_values_is_tried_in_its_order() {
    let config = config(&["compare=['osft']"]);
    let axis: Axis = "methods.osft.split='weights','both'".parse().unwrap();
    let all = trials(&config, "osft", &Search::Axes(vec![axis])).unwrap();
    let tried: Vec<&str> = all.iter().map(|t| t.tried[0].1.as_str().unwrap()).collect();
    assert_eq!(tried, ["weights", "both"]);
    assert!(
        all.iter()
            .all(|trial| trial.rate == config.learning_rate("osft"))
    );
}

#[test]
fn whole_numbers_are_varied_by_whole_steps() {
    let config = config(&["compare=['lora']"]);
    let around = |step: &str| {
        let axis = Axis::around(&format!("methods.lora.adapter_rank={step}"))?;
        trials(&config, "lora", &Search::Axes(vec![axis]))
    };
    let all = around("4").unwrap();
    let tried: Vec<i64> = all
        .iter()
        .map(|t| t.tried[0].1.as_integer().unwrap())
        .collect();
    assert_eq!(tried, [4, 8, 12]);
    let error = around("0.5").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("whole number"), "{error}");
}

/// A method whose one setting is worth searching.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Searching {
    strength: f64,
}

impl MethodKind<Model> for Searching {
    type Settings = Self;
    fn name(&self) -> &str {
        "searching"
    }
    fn help(&self) -> &str {
        "Plain fine-tuning with a setting that changes nothing"
    }
    fn defaults(&self) -> Self {
        self.clone()
    }
    fn build(
        &self,
        _: Self,
        _: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<Model>>, ContinualError> {
        Ok(Box::new(SeqFt))
    }
    fn searched(&self, _: &Self) -> Vec<SearchedSetting> {
        vec![SearchedSetting::logarithmic("strength", 0.1, 10.0)]
    }
}

#[test]
fn settings_that_a_method_names_are_drawn_beside_the_rates_of_all_methods() {
    let registries = Registries::builtin().with_method(Searching { strength: 1.0 });
    let set = ["compare=['seqft','searching']".to_string()];
    let overrides = Overrides {
        set: &set,
        ..Overrides::default()
    };
    let config = RunConfig::resolve(&registries, "trace", false, &overrides).unwrap();
    let search = Search::Random {
        trials: 40,
        seed: 2,
    };
    let own = trials(&config, "searching", &search).unwrap();
    let key = "methods.searching.strength";
    let strengths: Vec<f64> = own
        .iter()
        .map(|trial| {
            let value = trial.config.setting(key).unwrap().unwrap();
            assert_eq!(trial.tried, [(key.to_string(), value.clone())]);
            value.as_float().unwrap()
        })
        .collect();
    assert!(strengths.iter().all(|value| (0.1..=10.0).contains(value)));
    // As many in either half of the range, but for one that is rounded over its middle.
    let below = strengths.iter().filter(|value| **value < 1.0).count();
    assert!((19..=21).contains(&below), "{strengths:?}");
    let rates = |trials: &[Trial]| trials.iter().map(|trial| trial.rate).collect::<Vec<_>>();
    let plain = trials(&config, "seqft", &search).unwrap();
    assert_eq!(rates(&own), rates(&plain));
    assert!(plain.iter().all(|trial| trial.tried.is_empty()));
}

#[test]
fn a_setting_that_an_order_has_of_its_own_is_not_searched() {
    let own = "by_order.2.methods.osft.protected_share={energy=0.9}";
    let axes = Search::Axes(vec![Axis::Values {
        key: "methods.osft.protected_share.energy".to_string(),
        values: vec![Value::from(0.5)],
    }]);
    let shared = config(&["compare=['osft']", "order='1,2'", own]);
    let error = trials(&shared, "osft", &axes).err().unwrap();
    assert!(error.to_string().contains("by_order.2"), "{error:#}");
    let other = config(&["compare=['osft']", "order='1'", own]);
    assert_eq!(trials(&other, "osft", &axes).unwrap().len(), 1);
}
