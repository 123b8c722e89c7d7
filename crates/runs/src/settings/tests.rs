//! Tests of defaults, presets, overrides and error messages.

use continual::SampleSize;

use super::*;

fn defaults(benchmark: &str, given: bool, overrides: &Overrides<'_>) -> Result<RunConfig> {
    RunConfig::resolve(&Registries::builtin(), benchmark, given, overrides)
}

fn resolve(pairs: &[&str]) -> Result<RunConfig> {
    let set: Vec<String> = pairs.iter().map(ToString::to_string).collect();
    defaults(
        "trace",
        false,
        &Overrides {
            set: &set,
            ..Overrides::default()
        },
    )
}

#[test]
fn all_sets_of_defaults_are_valid() {
    for benchmark in ["trace", "t5"] {
        for given in [false, true] {
            let config = defaults(benchmark, given, &Overrides::default()).unwrap();
            let all = ["seqft", "osft-paper", "osft"];
            assert_eq!(
                (config.benchmark.as_str(), config.compare.as_slice()),
                (benchmark, &all.map(str::to_string)[..])
            );
            let text = toml::to_string(&config).unwrap();
            let reparsed = parse(&Registries::builtin(), toml::from_str(&text).unwrap()).unwrap();
            assert_eq!(toml::to_string(&reparsed).unwrap(), text);
        }
    }
}

#[test]
fn order_numbers_are_several_orders_and_task_names_are_one() {
    let orders = |text: &str| {
        let config = resolve(&[&format!("order='{text}'")]).unwrap();
        (config.orders(), config.with_order("x").unwrap().orders())
    };
    let one = vec!["x".to_string()];
    assert_eq!(orders("2"), (vec!["2".into()], one.clone()));
    assert_eq!(orders("1, 3"), (vec!["1".into(), "3".into()], one.clone()));
    assert_eq!(orders("b,a"), (vec!["b,a".into()], one));
}

#[test]
fn presets_are_valid_and_differ_from_the_defaults() {
    let registries = Registries::builtin();
    let mut names = Vec::new();
    for benchmark in registries.benchmarks.iter() {
        for preset in benchmark.presets() {
            let overrides = Overrides {
                preset: Some(preset.name),
                ..Overrides::default()
            };
            let config = defaults(benchmark.command(), true, &overrides).unwrap();
            let rate = config.learning_rate("seqft");
            let paper: osft::OsftConfig = config.method("osft-paper").clone().try_into().unwrap();
            let batch = config.train.global_batch;
            match preset.name {
                "trace-paper" | "trace-scripts" => {
                    assert_eq!((batch, rate), (128, 1e-5));
                    assert_eq!(config.task_epochs.len(), 8);
                    assert_eq!(config.decoding.temperature, 0.1);
                }
                "o-lora" => assert_eq!((batch, rate), (64, 1e-3)),
                "paper" => {
                    assert_eq!((batch, rate), (8, 5e-5));
                    let share = osft::AdaptiveShare::default();
                    assert_eq!(paper.protected_share, osft::ShareRule::adaptive(share));
                }
                "paper-script" => {
                    assert_eq!(paper.protected_share, osft::ShareRule::fixed(1.0));
                    assert_eq!(paper.others, osft::Others::Trained);
                }
                "tuned" => assert_eq!(rate, 2.91e-4),
                other => panic!("{other} is not checked here"),
            }
            names.push(preset.name);
            for other in registries.benchmarks.iter() {
                if other.command() != benchmark.command() {
                    let error = defaults(other.command(), true, &overrides).unwrap_err();
                    assert!(error.to_string().contains("is about"), "{error}");
                }
            }
        }
    }
    assert_eq!(names.len(), 6, "{names:?}");
}

#[test]
fn differences_list_both_values() {
    let table = |text: &str| toml::from_str::<Table>(text).unwrap();
    let left = table("a = 1\nb = { c = 2, d = 3 }\nprotected_share = { fixed = 0.5 }");
    let right = table("a = 1\nb = { c = 4 }\nprotected_share = { energy = 0.9 }\ne = 'x'");
    let found = differences(&left, &right);
    let expected = [
        "b.c is 2 there, 4 here",
        "b.d is 3 there, not set here",
        "protected_share is { fixed = 0.5 } there, { energy = 0.9 } here",
        "e is not set there, \"x\" here",
    ];
    assert_eq!(found, expected);
    assert!(differences(&left, &left).is_empty());
}

#[test]
fn pairs_override_values_at_any_depth() {
    let config = resolve(&[
        "train.global_batch=8",
        "methods.osft.protected_share={ fixed = 0.25 }",
        "learning_rates.osft=0.5",
        "order=2",
        "seeds=[1, 2]",
    ]);
    // An order is a string, not a number.
    assert!(config.unwrap_err().to_string().contains("order"));
    let config = resolve(&["train.global_batch=8", "order='2'", "seeds=[1, 2]"]).unwrap();
    assert_eq!((config.train.global_batch, config.order.as_str()), (8, "2"));
    assert_eq!(config.seeds, [1, 2]);
}

#[test]
fn another_rule_for_the_share_replaces_the_default() {
    let rule = |pair: &str| {
        let config = resolve(&[pair]).unwrap();
        let osft: osft::OsftConfig = config.method("osft").clone().try_into().unwrap();
        osft.protected_share
    };
    let energy = rule("methods.osft.protected_share={ energy = 0.8 }");
    assert_eq!(energy, osft::ShareRule::energy(0.8));
    let rank = rule("methods.osft.protected_share=effective_rank");
    assert_eq!(rank, osft::ShareRule::effective_rank());
}

#[test]
fn an_error_names_the_invalid_setting() {
    let cases = [
        ("train.learning_rat=1", "learning_rat"),
        ("colour=1", "colour"),
        (
            "methods.osft.protected_share={ fixed = 1.5 }",
            "1.5 is outside [0, 1]",
        ),
        (
            "methods.osft.protected_share={ energy = 2 }",
            "2 is outside [0, 1]",
        ),
        ("methods.osft.split=outputs", "outputs"),
        ("methods.osft.form=dense", "methods.osft.form"),
        ("calibration.base_tokens=0", "base_tokens"),
        ("calibration.base_rows=0", "base_rows"),
        ("calibration.base_weight=0", "base_weight"),
        ("calibration.base='drawn'", "generated"),
        ("calibration.base='text'", "calibration.text"),
        ("calibration.base='questions'", "calibration.questions"),
        ("calibration.questions='a.jsonl'", "calibration.base"),
        ("calibration.prefix_tokens=4", "prefix_tokens"),
        (
            "calibration={ base = 'continued', prefix_tokens = 48 }",
            "48",
        ),
        ("calibration={ base = 'continued', prefix_tokens = 0 }", "0"),
        ("calibration={ base = 'generated', text = 'a' }", "not read"),
        ("methods.osft.moment.shrinkage=2", "moment.shrinkage"),
        ("methods.osft.moment.shrinkage=wolf", "ledoit_wolf"),
        ("methods.osft.moment.tokens=long", "moment.tokens"),
        ("methods.osft-paper.moment.skip_first=1", "inputs"),
        ("train.global_batch=0", "global_batch"),
        ("train.global_batch='x'", "global_batch"),
        ("compare=['l2p']", "l2p"),
        ("methods.l2p.strength=1", "l2p"),
        ("learning_rates.l2p=1e-3", "l2p"),
        ("methods.osft.colour=1", "colour"),
        ("methods=['l2p']", "l2p"),
        ("train.learning_rate=0.5", "learning_rates.METHOD"),
        ("methods.o-lora.adapter_rank=0", "adapter_rank"),
        ("methods.lora.alpha=-1", "alpha"),
        ("compare=[]", "compare"),
        ("seeds=[]", "seeds"),
        ("max_length=1", "max_length"),
        ("learning_rates.osft=0", "osft"),
        ("suites.limit_between=2", "after_every_task"),
        ("no-equals-sign", "key=value"),
        ("a..b=1", "empty part"),
    ];
    for (pair, word) in cases {
        let error = format!("{:#}", resolve(&[pair]).unwrap_err());
        assert!(error.contains(word), "{pair}: {error}");
    }
}

#[test]
fn what_stands_for_the_base_model_follows_from_what_is_given() {
    let sample = |pairs: &[&str]| {
        let calibration = resolve(pairs).unwrap().calibration;
        let size = calibration.size();
        (calibration.sample(), calibration.generates(), size)
    };
    let rows = SampleSize::Rows(300);
    assert_eq!(sample(&[]), (BaseSample::Generated, true, rows));
    let text = "calibration.text='a'";
    assert_eq!(sample(&[text]), (BaseSample::Text, false, rows));
    let continued = "calibration.base='continued'";
    let tokens = "calibration.base_total_tokens=4096";
    let expected = (BaseSample::Continued, true, SampleSize::Tokens(4096));
    assert_eq!(sample(&[continued, tokens]), expected);
    assert_eq!(sample(&[continued, text, tokens]), expected);
    let none = "calibration.base_rows=0";
    assert!(resolve(&[none, tokens]).unwrap().reads_base_rows());
    assert!(resolve(&[none]).is_err());
    let questions = ["calibration.base='questions'", "calibration.questions='a'"];
    assert_eq!(sample(&questions), (BaseSample::Questions, false, rows));
    // Settings that were added with a default that changes nothing are not written at it.
    let written = toml::to_string(&resolve(&[]).unwrap()).unwrap();
    for added in ["base_total", "prefix", "held_out", "questions"] {
        assert!(!written.contains(added), "{added} in {written}");
    }
}

#[test]
fn a_learning_rate_counts_as_tuned_only_under_its_tuning_settings() {
    let marks = |config: &RunConfig| {
        ["seqft", "osft-paper", "osft", "lora"].map(|method| config.is_tuned(method))
    };
    let tuned = |pairs: &[&str]| marks(&resolve(pairs).unwrap());
    for benchmark in ["trace", "t5"] {
        let config = defaults(benchmark, false, &Overrides::default()).unwrap();
        let found = ["seqft", "osft-paper", "osft"].map(|method| config.tuned_for(method).unwrap());
        // If this prints other values after a setting was added or changed on purpose, copy them
        // into the defaults.
        assert_eq!(
            marks(&config),
            [true, true, true, false],
            "{benchmark:?}: {found:?}"
        );
    }
    // The number of rows to train on and to score, and the backend, do not affect a tuned rate.
    let scale = [
        "limit_train=16",
        "limit_test=4",
        "scoring='full'",
        "seeds=[1,2]",
        "order='2'",
        "general_rows='odd'",
    ];
    assert_eq!(tuned(&scale), [true, true, true, false]);
    let rate = ["learning_rates.seqft=1e-3"];
    assert_eq!(tuned(&rate), [false, true, true, false]);
    let others = ["methods.osft.others='trained'"];
    assert_eq!(tuned(&others), [true, true, false, false]);
    for calibration in [
        "calibration.base_rows=10",
        "calibration.base_total_tokens=10",
        "calibration.text='notes.txt'",
    ] {
        assert_eq!(
            tuned(&[calibration]),
            [true, false, false, false],
            "{calibration}"
        );
    }
    for all in [
        "train.global_batch=8",
        "epochs=1",
        "max_length=64",
        "model='other'",
    ] {
        assert_eq!(tuned(&[all]), [false; 4], "{all}");
    }
    // A setting of one order makes its rate untuned in that order only.
    let by_order = resolve(&["by_order.2.learning_rates.osft=1"]).unwrap();
    assert!(by_order.with_order("1").unwrap().is_tuned("osft"));
    assert!(!by_order.with_order("2").unwrap().is_tuned("osft"));
    assert!(by_order.with_order("2").unwrap().is_tuned("seqft"));
    // Users who tune record what they tuned for.
    let tuned_config = resolve(&["learning_rates.lora=1e-3", "epochs=1"]).unwrap();
    let mark = format!("tuned.lora='{}'", tuned_config.tuned_for("lora").unwrap());
    let marked = ["learning_rates.lora=1e-3", "epochs=1", mark.as_str()];
    assert_eq!(tuned(&marked), [false, false, false, true]);
    assert_eq!(tuned(&["epochs=1", mark.as_str()]), [false; 4]);
    // Published rates were tuned elsewhere, and the defaults for a user's model are not tuned.
    let given = defaults("trace", true, &Overrides::default()).unwrap();
    assert_eq!(marks(&given), [false; 4]);
    let preset = Overrides {
        preset: Some("trace-paper"),
        ..Overrides::default()
    };
    let preset = defaults("trace", false, &preset).unwrap();
    assert_eq!(marks(&preset), [false; 4]);
}

#[test]
fn a_setting_common_to_all_orders_cannot_be_set_for_one_order() {
    for (pair, key) in [
        ("by_order.2.calibration.base_rows=4", "calibration"),
        ("by_order.2.backend='ndarray'", "backend"),
        ("by_order.2.seeds=[7]", "seeds"),
        ("by_order.1.model='other'", "model"),
    ] {
        let error = resolve(&[pair]).unwrap_err().to_string();
        assert!(
            error.contains(key) && error.contains("all orders"),
            "{error}"
        );
    }
    for (pair, words) in [
        ("tune_grid=[]", "tune_grid is empty"),
        ("tune_grid=[1e-4,1e-4]", "twice"),
        ("tune_grid=[-1e-3]", "learning_rate"),
        ("checkpoints.every_minutes=1e30", "every_minutes"),
    ] {
        let error = format!("{:#}", resolve(&[pair]).unwrap_err());
        assert!(error.contains(words), "{pair}: {error}");
    }
}

#[test]
fn a_repeated_seed_or_order_is_refused() {
    for (pair, word) in [("seeds=[0,1,0]", "seed 0"), ("order='1,2,01'", "order 1")] {
        let error = resolve(&[pair]).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("twice"), "{error}");
    }
}

#[test]
fn settings_of_earlier_versions_are_read() {
    let old = [
        "methods=['lora', 'o-lora']",
        "o_lora.alpha=4",
        "osft_paper.protected_share={ fixed = 0.25 }",
        "by_order.2.o_lora.size=0.5",
    ];
    let new = [
        "compare=['lora', 'o-lora']",
        "methods.o-lora.alpha=4",
        "methods.osft-paper.protected_share={ fixed = 0.25 }",
        "by_order.2.methods.o-lora.size=0.5",
    ];
    let written = |pairs: &[&str]| toml::to_string(&resolve(pairs).unwrap()).unwrap();
    assert_eq!(written(&old), written(&new));
    let ordered = resolve(&old).unwrap().with_order("2").unwrap();
    assert_eq!(ordered.method("o-lora")["size"].as_float(), Some(0.5));
}
