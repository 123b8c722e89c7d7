//! Results that differ in any setting share nothing: no table row, no file, no name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use continual::Protocol;
use report::page::summarize;
use report::record::{Contents, Identity, NamedResult, RunResult, stem, tell_apart};
use toml::{Table, Value};

use super::other_values::others;
use super::*;

fn resolved(overrides: &Overrides<'_>) -> RunConfig {
    RunConfig::resolve(&Registries::builtin(), "trace", false, overrides).unwrap()
}

/// Settings that do not distinguish results, with the reason. This repeats the list in the code on
/// purpose: a change there requires a change here.
const TELL_NOTHING: [&str; 13] = [
    "benchmark",
    "calibration.held_out",
    "calibration.save",
    "checkpoints.every_minutes",
    "checkpoints.every_steps",
    "checkpoints.keep",
    "compare",
    "order",
    "seeds",
    "tune_grid",
    "tuned.osft",
    "tuned.osft-paper",
    "tuned.seqft",
];

/// Parts of the settings that are absent by default.
const ABSENT: &str = "
    [calibration]
    base = 'continued'
    base_total_tokens = 0
    prefix_tokens = 8
    held_out = true
";

fn table() -> Table {
    let config = resolved(&Overrides::default());
    let mut table = Table::try_from(&config).unwrap();
    // Keys that are absent by default.
    table.insert("limit_per_class".to_string(), Value::from(0));
    table.insert("label_scores".to_string(), Value::from("none"));
    let epochs = Table::from_iter([("sums".to_string(), Value::from(2))]);
    table.insert("task_epochs".to_string(), Value::Table(epochs));
    let train = table
        .get_mut("train")
        .and_then(Value::as_table_mut)
        .unwrap();
    train.insert("max_tokens".to_string(), Value::from(512));
    train.insert("packing".to_string(), Value::from(true));
    train.insert("mixed_precision".to_string(), Value::from("none"));
    let added: Table = toml::from_str(ABSENT).unwrap();
    merge(&mut table, added);
    table
}

fn config(table: &Table) -> Option<RunConfig> {
    parse(&Registries::builtin(), table.clone()).ok()
}

/// Collects the dotted names of all settings; a rule of the share is one setting, with its
/// parameters.
fn leaves(prefix: &str, table: &Table, out: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) if key != "protected_share" && !inner.is_empty() => {
                leaves(&format!("{prefix}{key}."), inner, out);
            }
            // A method without settings.
            Value::Table(inner) if inner.is_empty() && prefix == "methods." => {}
            _ => out.push(format!("{prefix}{key}")),
        }
    }
}

fn at<'a>(table: &'a mut Table, name: &str) -> &'a mut Value {
    match name.split_once('.') {
        None => &mut table[name],
        Some((first, rest)) => match &mut table[first] {
            Value::Table(inner) => at(inner, rest),
            _ => panic!("{name}"),
        },
    }
}

fn identity(config: &RunConfig, method: &str) -> Identity {
    config
        .identity(config, method, &Contents::default())
        .unwrap()
}

fn result(identity: &Identity, seed: u64) -> RunResult {
    RunResult {
        method: "osft".to_string(),
        seed,
        order: "1".to_string(),
        scored: String::new(),
        learning_rate: 1e-3,
        protocol: Protocol::Sequential,
        tasks: vec!["a".to_string()],
        scores: vec![vec![Some(1.0)], vec![Some(2.0)]],
        label_scores: Vec::new(),
        by_likelihood: Vec::new(),
        row_scores: Vec::new(),
        in_format: Vec::new(),
        carried_bytes: Vec::new(),
        general: None,
        trainable_parameters: 1,
        figures: Vec::new(),
        training_seconds: 1.0,
        split_seconds: Some(0.0),
        calibration_seconds: Some(0.0),
        wall_seconds: None,
        tuned: None,
        revision: None,
        identity: Some(identity.clone()),
        scale: String::new(),
        folder: PathBuf::new(),
    }
}

/// Settings of which only the default is accepted: the penalties of `o-lora`, whose settings `lora` shares.
const FIXED: [&str; 3] = [
    "methods.lora.orthogonality",
    "methods.lora.orthogonality_on",
    "methods.lora.size",
];

/// Whether a method reads a setting: every method reads its own table, OSFT also reads the
/// calibration.
fn reads(method: &str, name: &str) -> bool {
    if TELL_NOTHING.contains(&name) {
        return false;
    }
    match name.split('.').next().unwrap() {
        "methods" => name.starts_with(&format!("methods.{method}.")),
        // Those that project by the inputs of tasks alone read how many of their rows are measured.
        "calibration" if ["gpm", "sgp", "adam-nscl"].contains(&method) => {
            name == "calibration.rows_per_task"
        }
        "calibration" => ["osft", "osft-paper", "osft-lwf"].contains(&method),
        "learning_rates" => name == format!("learning_rates.{method}"),
        // The method's own learning rate replaces it.
        "train" if name == "train.learning_rate" => false,
        _ => true,
    }
}

#[test]
fn runs_that_differ_in_one_setting_share_no_row_file_or_name() {
    let base = table();
    let mut names = Vec::new();
    leaves("", &base, &mut names);
    assert!(names.len() > 60, "{names:?}");
    let mut told_apart = BTreeSet::new();
    for name in &names {
        let mut tried = 0;
        let value = at(&mut base.clone(), name).clone();
        for other in others(&value).into_iter().filter(|other| *other != value) {
            let mut changed = base.clone();
            *at(&mut changed, name) = other;
            let (Some(before), Some(after)) = (config(&base), config(&changed)) else {
                continue;
            };
            tried += 1;
            for method in Registries::builtin().methods.names() {
                let (a, b) = (identity(&before, method), identity(&after, method));
                let case = format!("{name} of {method}");
                if !reads(method, name) {
                    assert_eq!(a, b, "{case}");
                    continue;
                }
                told_apart.insert(name.clone());
                assert_ne!(a.key, b.key, "{case}");
                assert_ne!(a.across_orders, b.across_orders, "{case}");
                // The stem names results, tables, layer reports and the folder of checkpoints.
                assert_ne!(stem("osft", &a, 0), stem("osft", &b, 0), "{case}");
                let rows = summarize(&[result(&a, 0), result(&b, 0), result(&b, 1)]).unwrap();
                let seeds: Vec<usize> = rows.iter().map(|row| row.runs.len()).collect();
                assert_eq!(seeds, [1, 2], "{case}");
                assert_ne!(rows[0].method, rows[1].method, "{case}");
                let twice = summarize(&[result(&a, 0), result(&a, 0)]).unwrap_err();
                assert!(twice.to_string().contains("twice"), "{twice}");
            }
        }
        let is_fixed = FIXED.contains(&name.as_str());
        assert_eq!(
            tried == 0,
            is_fixed,
            "other values of {name} tried: {tried}"
        );
    }
    for name in names {
        let nothing = TELL_NOTHING.contains(&name.as_str()) || FIXED.contains(&name.as_str());
        let silent = nothing || name == "train.learning_rate";
        assert_eq!(told_apart.contains(&name), !silent, "{name}");
    }
}

#[test]
fn results_from_different_content_share_no_row_file_or_name() {
    let config = config(&table()).unwrap();
    let base = Contents::default();
    let identity =
        |contents: &Contents, method: &str| config.identity(&config, method, contents).unwrap();
    let change: [fn(&mut Contents); 8] = [
        |contents| contents.model_config = "1".to_string(),
        |contents| contents.model_weights = "1".to_string(),
        |contents| contents.tokenizer = "1".to_string(),
        |contents| contents.rows = "1".to_string(),
        |contents| contents.calibration = "1".to_string(),
        |contents| contents.general = "1".to_string(),
        |contents| contents.suite = "1".to_string(),
        |contents| contents.tasks = BTreeMap::from([("a".to_string(), "1".to_string())]),
    ];
    let mut keys = BTreeSet::from([identity(&base, "osft").key]);
    for change in change {
        let mut contents = base.clone();
        change(&mut contents);
        keys.insert(identity(&contents, "osft").key);
    }
    assert_eq!(keys.len(), 9);
    // Orders are compared side by side if their common tasks are the same.
    let with = |name: &str, rows: &str| {
        let mut contents = base.clone();
        contents.tasks = BTreeMap::from([(name.to_string(), rows.to_string())]);
        identity(&contents, "osft")
    };
    assert!(with("a", "1").is_same_across_orders(&with("b", "2")));
    assert!(!with("a", "1").is_same_across_orders(&with("a", "2")));
    let mut text = base.clone();
    text.calibration = "1".to_string();
    let text = identity(&text, "osft");
    assert!(!text.is_same_across_orders(&identity(&base, "osft")));
    // Plain fine-tuning reads no calibration text.
    let mut contents = base.clone();
    contents.calibration = "1".to_string();
    let seqft = |contents: &Contents| identity(contents, "seqft").key;
    assert_eq!(seqft(&contents), seqft(&base));
}

#[test]
fn an_order_with_settings_of_its_own_is_compared_with_the_others() {
    let mut table = table();
    let changes = Table::from_iter([("epochs".to_string(), Value::from(3))]);
    let by_order = Table::from_iter([("2".to_string(), Value::Table(changes))]);
    table.insert("by_order".to_string(), Value::Table(by_order));
    let config = config(&table).unwrap();
    let identity_on = |order: &str| {
        let ordered = config.with_order(order).unwrap();
        let contents = Contents::default();
        config.identity(&ordered, "seqft", &contents).unwrap()
    };
    let (first, second) = (identity_on("1"), identity_on("2"));
    assert_ne!(first.key, second.key);
    assert_eq!(first.across_orders, second.across_orders);
    let mut without_order_settings = config.clone();
    without_order_settings.by_order.clear();
    let without_order_settings = identity(&without_order_settings, "seqft");
    assert_eq!(
        without_order_settings.key, first.key,
        "what another order changes is not read in this one"
    );
    assert_ne!(without_order_settings.across_orders, first.across_orders);
}

#[test]
fn labels_name_only_the_settings_that_differ() {
    let resolve = |pairs: &[&str]| {
        let set: Vec<String> = pairs.iter().map(ToString::to_string).collect();
        let overrides = Overrides {
            set: &set,
            ..Overrides::default()
        };
        resolved(&overrides)
    };
    let tasks = ["a".to_string()];
    let labels = |runs: &[(&str, &str, &[&str])]| {
        let identities: Vec<Identity> = runs
            .iter()
            .map(|(_, method, pairs)| identity(&resolve(pairs), method))
            .collect();
        let named: Vec<NamedResult<'_>> = runs
            .iter()
            .zip(&identities)
            .map(|((label, ..), identity)| NamedResult {
                label,
                tasks: &tasks,
                identity: Some(identity),
            })
            .collect();
        tell_apart(&named)
    };
    let [osft, paper, seqft] = ["osft", "osft-paper", "seqft"];
    assert_eq!(
        labels(&[
            ("x", osft, &[]),
            ("y", osft, &["epochs=2"]),
            ("z", seqft, &[])
        ]),
        ["x", "y", "z"],
        "names that differ stay as they are"
    );
    assert_eq!(
        labels(&[
            ("x", paper, &[]),
            ("x", osft, &["methods.osft.others='trained'"])
        ]),
        ["x (osft-paper)", "x (osft)"]
    );
    assert_eq!(
        labels(&[
            ("x", osft, &[]),
            ("x", osft, &["methods.osft.others='trained'"])
        ]),
        ["x (others = frozen)", "x (others = trained)"]
    );
    assert_eq!(
        labels(&[
            ("seqft", seqft, &["limit_train=16"]),
            ("osft", osft, &[]),
            ("seqft", seqft, &["limit_train=64"]),
            ("seqft", seqft, &["limit_train=64"]),
        ]),
        [
            "seqft (limit_train = 16)",
            "osft",
            "seqft (limit_train = 64)",
            "seqft (limit_train = 64)"
        ]
    );
    // A long value is shown by its beginning and a short hash.
    let targets = ["methods.osft.targets=['(q|k|v|o)_proj\\.weight$', 'mlp.down_proj.weight$']"];
    let labels_of_two = labels(&[("x", osft, &[]), ("x", osft, &targets)]);
    assert_ne!(labels_of_two[0], labels_of_two[1]);
    assert!(
        labels_of_two
            .iter()
            .all(|label| label.starts_with("x (targets = ") && label.len() < 60)
    );
}
