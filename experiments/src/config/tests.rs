//! Defaults, presets, overrides, and what is said about mistakes in them.

use clap::ValueEnum;

use super::*;

fn resolve(pairs: &[&str]) -> Result<RunConfig> {
    let set: Vec<String> = pairs.iter().map(ToString::to_string).collect();
    RunConfig::resolve(
        BenchmarkName::Trace,
        false,
        &Overrides {
            set: &set,
            ..Overrides::default()
        },
    )
}

#[test]
fn all_sets_of_defaults_are_valid() {
    for benchmark in [BenchmarkName::Trace, BenchmarkName::T5] {
        for given in [false, true] {
            let config = RunConfig::resolve(benchmark, given, &Overrides::default()).unwrap();
            let all = [MethodName::Seqft, MethodName::OsftPaper, MethodName::Osft];
            assert_eq!(
                (config.benchmark, config.methods.as_slice()),
                (benchmark, &all[..])
            );
            let text = toml::to_string(&config).unwrap();
            let again: RunConfig = toml::from_str(&text).unwrap();
            assert_eq!(toml::to_string(&again).unwrap(), text);
        }
    }
}

#[test]
fn numbers_are_orders_and_names_are_one() {
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
    for preset in Preset::value_variants() {
        let overrides = Overrides {
            preset: Some(*preset),
            ..Overrides::default()
        };
        let config = RunConfig::resolve(preset.benchmark(), true, &overrides).unwrap();
        assert_eq!(config.benchmark, preset.benchmark());
        let rate = config.learning_rate(MethodName::Seqft);
        match preset {
            Preset::TracePaper | Preset::TraceScripts => {
                assert_eq!((config.train.global_batch, rate), (128, 1e-5));
                assert_eq!(config.task_epochs.len(), 8);
                assert_eq!(config.decoding.temperature, 0.1);
            }
            Preset::OLora => assert_eq!((config.train.global_batch, rate), (64, 1e-3)),
            Preset::Paper => {
                assert_eq!((config.train.global_batch, rate), (8, 5e-5));
                let share = osft::AdaptiveShare::default();
                assert_eq!(
                    config.osft_paper.protected_share,
                    osft::ShareRule::Adaptive(share)
                );
            }
            Preset::PaperScript => {
                assert_eq!(
                    config.osft_paper.protected_share,
                    osft::ShareRule::Fixed(1.0)
                );
                assert_eq!(config.osft_paper.others, osft::Others::Trained);
            }
        }
        let other = match preset.benchmark() {
            BenchmarkName::Trace => BenchmarkName::T5,
            BenchmarkName::T5 => BenchmarkName::Trace,
        };
        let error = RunConfig::resolve(other, true, &overrides).unwrap_err();
        assert!(error.to_string().contains("is about"), "{error}");
    }
}

#[test]
fn differences_name_both_values() {
    let table = |text: &str| toml::from_str::<Table>(text).unwrap();
    let there = table("a = 1\nb = { c = 2, d = 3 }\nprotected_share = { fixed = 0.5 }");
    let here = table("a = 1\nb = { c = 4 }\nprotected_share = { energy = 0.9 }\ne = 'x'");
    let found = differences(&there, &here);
    let expected = [
        "b.c is 2 there, 4 here",
        "b.d is 3 there, not set here",
        "protected_share is { fixed = 0.5 } there, { energy = 0.9 } here",
        "e is not set there, \"x\" here",
    ];
    assert_eq!(found, expected);
    assert!(differences(&there, &there).is_empty());
}

#[test]
fn pairs_replace_values_at_any_depth() {
    let config = resolve(&[
        "train.global_batch=8",
        "osft.protected_share={ fixed = 0.25 }",
        "learning_rates.osft=0.5",
        "order=2",
        "seeds=[1, 2]",
    ]);
    // An order is a string; a bare number is not.
    assert!(config.unwrap_err().to_string().contains("order"));
    let config = resolve(&["train.global_batch=8", "order='2'", "seeds=[1, 2]"]).unwrap();
    assert_eq!((config.train.global_batch, config.order.as_str()), (8, "2"));
    assert_eq!(config.seeds, [1, 2]);
}

#[test]
fn a_share_of_another_rule_replaces_the_default() {
    let config = resolve(&["osft.protected_share={ energy = 0.9 }"]).unwrap();
    assert_eq!(config.osft.protected_share, osft::ShareRule::Energy(0.9));
    let config = resolve(&["osft.protected_share=effective_rank"]).unwrap();
    assert_eq!(config.osft.protected_share, osft::ShareRule::EffectiveRank);
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("train.learning_rat=1", "learning_rat"),
        ("colour=1", "colour"),
        (
            "osft.protected_share={ fixed = 1.5 }",
            "1.5 is outside [0, 1]",
        ),
        ("osft.protected_share={ energy = 2 }", "2 is outside [0, 1]"),
        ("osft.split=outputs", "outputs"),
        ("osft.form=dense", "dense"),
        ("calibration.base_tokens=0", "base_tokens"),
        ("calibration.base_rows=0", "base_rows"),
        ("calibration.base_weight=0", "base_weight"),
        ("train.global_batch=0", "global_batch"),
        ("train.global_batch='x'", "global_batch"),
        ("methods=['ewc']", "ewc"),
        ("o_lora.adapter_rank=0", "adapter_rank"),
        ("lora.alpha=-1", "alpha"),
        ("methods=[]", "methods"),
        ("seeds=[]", "seeds"),
        ("max_length=1", "max_length"),
        ("learning_rates.osft=0", "osft"),
        ("no-equals-sign", "key=value"),
        ("a..b=1", "empty part"),
    ];
    for (pair, word) in cases {
        let error = format!("{:#}", resolve(&[pair]).unwrap_err());
        assert!(error.contains(word), "{pair}: {error}");
    }
}

#[test]
fn a_rate_is_a_tuned_one_only_with_the_settings_it_was_tuned_with() {
    use MethodName::{Lora, Osft, OsftPaper, Seqft};
    let marks =
        |config: &RunConfig| [Seqft, OsftPaper, Osft, Lora].map(|method| config.is_tuned(method));
    let tuned = |pairs: &[&str]| marks(&resolve(pairs).unwrap());
    for benchmark in [BenchmarkName::Trace, BenchmarkName::T5] {
        let config = RunConfig::resolve(benchmark, false, &Overrides::default()).unwrap();
        let found = [Seqft, OsftPaper, Osft].map(|method| config.tuned_for(method).unwrap());
        // What stands in the defaults is printed here where a setting was added or changed on purpose.
        assert_eq!(
            marks(&config),
            [true, true, true, false],
            "{benchmark:?}: {found:?}"
        );
    }
    // How much is trained and scored, and where, leaves a rate what it is.
    let scale = [
        "limit_train=16",
        "limit_test=4",
        "scoring='full'",
        "seeds=[1,2]",
        "order='2'",
    ];
    assert_eq!(tuned(&scale), [true, true, true, false]);
    let rate = ["learning_rates.seqft=1e-3"];
    assert_eq!(tuned(&rate), [false, true, true, false]);
    assert_eq!(
        tuned(&["osft.others='trained'"]),
        [true, true, false, false]
    );
    for calibration in ["calibration.base_rows=10", "calibration.text='notes.txt'"] {
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
    // What one order alone changes is not tuned in that order.
    let by_order = resolve(&["by_order.2.learning_rates.osft=1"]).unwrap();
    assert!(by_order.with_order("1").unwrap().is_tuned(Osft));
    assert!(!by_order.with_order("2").unwrap().is_tuned(Osft));
    assert!(by_order.with_order("2").unwrap().is_tuned(Seqft));
    // Whoever has tuned says for what.
    let own = resolve(&["learning_rates.lora=1e-3", "epochs=1"]).unwrap();
    let mark = format!("tuned.lora='{}'", own.tuned_for(Lora).unwrap());
    let said = ["learning_rates.lora=1e-3", "epochs=1", mark.as_str()];
    assert_eq!(tuned(&said), [false, false, false, true]);
    assert_eq!(tuned(&["epochs=1", mark.as_str()]), [false; 4]);
    // Published rates were tuned elsewhere, and those for a model of the user's not at all.
    let given = RunConfig::resolve(BenchmarkName::Trace, true, &Overrides::default()).unwrap();
    assert_eq!(marks(&given), [false; 4]);
    let preset = Overrides {
        preset: Some(Preset::TracePaper),
        ..Overrides::default()
    };
    let preset = RunConfig::resolve(BenchmarkName::Trace, false, &preset).unwrap();
    assert_eq!(marks(&preset), [false; 4]);
}

#[test]
fn what_is_one_for_all_orders_is_not_set_for_one() {
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
fn the_same_seed_or_order_twice_is_a_mistake() {
    for (pair, word) in [("seeds=[0,1,0]", "seed 0"), ("order='1,2,01'", "order 1")] {
        let error = resolve(&[pair]).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("twice"), "{error}");
    }
}
