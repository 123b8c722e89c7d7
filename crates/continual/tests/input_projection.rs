//! Methods that project updates off the inputs of earlier tasks, under the protocol.

use burn::tensor::Device;
use continual::methods::OsftMethod;
use continual::trainer::TrainConfig;
use continual::{
    CalibrationData, ContinualError, Method, MethodInputs, MethodRegistry, TaskDiagnostics,
};
use lm::Decoder;
use osft::{Combine, GrowingEnergy, OsftConfig, OsftError, Scaling, ShareRule, SplitSource};

use crate::common::*;

fn projecting(
    name: &str,
    settings: &str,
    calibration: Option<&CalibrationData>,
) -> Box<dyn continual::Method<Decoder>> {
    let settings = format!("targets = ['_proj\\.weight$']\n{settings}");
    let registry = MethodRegistry::<Decoder>::builtin();
    let kind = registry.get(name).unwrap();
    let inputs = MethodInputs {
        calibration,
        ..MethodInputs::default()
    };
    kind.build(&toml::from_str(&settings).unwrap(), inputs)
        .unwrap()
}

fn column(task: &TaskDiagnostics, name: &str) -> Vec<f64> {
    let values = task.layers.column(name).unwrap().into_iter();
    values.map(|value| value.unwrap()).collect()
}

#[test]
fn the_first_task_trains_freely_and_the_second_within_its_bounds() {
    for (backend, device) in backends() {
        // Without rows of the base: they are not read.
        let data = CalibrationData {
            base: Vec::new(),
            ..calibration_data(&model(&device))
        };
        for (name, settings) in [
            ("gpm", ""),
            ("sgp", ""),
            ("adam-nscl", ""),
            ("adam-nscl", "protected_share = { threshold = 30 }"),
        ] {
            let mut method = projecting(name, settings, Some(&data));
            let (outcome, _) = run(&device, method.as_mut(), &config(TrainConfig::default()));
            let case = format!("{backend} {name} {settings}");
            assert!(outcome.seconds.calibration > 0.0, "{case}");
            let [first, second] = &outcome.diagnostics[..] else {
                panic!("{case}: two tasks");
            };
            assert!(column(first, "k_in").iter().all(|k| *k == 0.0), "{case}");
            let protected: f64 = column(second, "k_in").iter().sum();
            assert!(protected > 0.0, "{case}");
            assert!(second.figure("leak in").unwrap() < 1e-5, "{case}");
            assert!(second.figure("change").unwrap() > 1e-3, "{case}");
            let measured = column(second, "output_change");
            for (measured, bound) in measured.iter().zip(column(second, "output_change_bound")) {
                assert!(*measured <= bound, "{case}: {measured} {bound}");
            }
            let scaled = second.layers.column("mean_scale").is_some();
            assert_eq!(scaled, name == "sgp", "{case}");
        }
    }
}

/// Over three tasks, so that two have been learned when the last one begins: a mean of them and a union differ.
#[test]
fn each_is_the_split_with_the_settings_of_its_publication() {
    let device = Device::flex();
    let data = calibration_data(&model(&device));
    let tokenizer = tokenizer();
    let mut tasks = tasks(&tokenizer);
    tasks.push(task("up", ["y", "y", "x", "w", "v"], &tokenizer));
    tasks[2].name = "again".to_string();
    let settings = config(TrainConfig::default());
    let after = |mut method: Box<dyn Method<Decoder>>| {
        let found = try_run_on(&device, &tasks, method.as_mut(), &settings);
        weights(&found.unwrap().0.model)
    };
    let explicit = |change: &dyn Fn(OsftConfig) -> OsftConfig| {
        let config = OsftConfig::new()
            .with_targets(["_proj\\.weight$"])
            .with_split(SplitSource::Inputs);
        let method = OsftMethod::new(change(config)).without_base();
        after(Box::new(method.with_calibration(data.clone())))
    };
    let growing = || {
        ShareRule::growing_energy(GrowingEnergy {
            first: 0.95,
            per_task: 0.003,
        })
    };
    let mean = explicit(&|config| config.with_share_rule(growing()));
    let gpm = explicit(&|config| {
        let config = config.with_share_rule(growing());
        config.with_combine(Combine::Union)
    });
    let sgp = explicit(&|config| {
        let config = config.with_share_rule(growing());
        let config = config.with_combine(Combine::Union);
        config.with_scaling(Scaling::Scaled).with_scaling_alpha(5.0)
    });
    let nscl = explicit(&|config| config.with_share_rule(ShareRule::threshold(10.0)));
    for (name, settings, expected) in [
        ("gpm", "", &gpm),
        ("sgp", "scaling_alpha = 5.0", &sgp),
        ("adam-nscl", "", &nscl),
    ] {
        let found = after(projecting(name, settings, Some(&data)));
        assert!(found == *expected, "{name}");
    }
    let default = after(projecting("sgp", "", Some(&data)));
    let all = [mean, gpm, sgp, nscl, default];
    for (place, one) in all.iter().enumerate() {
        assert!(all[..place].iter().all(|other| other != one), "{place}");
    }
}

#[test]
fn the_base_is_protected_if_that_is_set() {
    let device = Device::flex();
    let data = calibration_data(&model(&device));
    for name in ["gpm", "sgp", "adam-nscl"] {
        let mut method = projecting(name, "protect_base = true", Some(&data));
        let (outcome, _) = run(&device, method.as_mut(), &config(TrainConfig::default()));
        let first = &outcome.diagnostics[0];
        assert!(column(first, "k_in").iter().sum::<f64>() > 0.0, "{name}");
        for task in &outcome.diagnostics {
            let measured = column(task, "since_base");
            for (measured, bound) in measured.iter().zip(column(task, "since_base_bound")) {
                assert!(*measured <= bound, "{name}: {measured} {bound}");
            }
        }
    }
}

#[test]
fn without_rows_to_measure_a_task_on_it_is_an_error() {
    let device = Device::flex().autodiff();
    let tokenizer = tokenizer();
    let tasks = tasks(&tokenizer);
    let settings = config(TrainConfig::default());
    let sequence = continual::Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: None,
        config: &settings,
    };
    for name in ["gpm", "sgp", "adam-nscl"] {
        let mut method = projecting(name, "", None);
        let outcome = sequence.run(model(&device), method.as_mut(), &mut |_| {});
        let error = outcome.map(|_| ()).unwrap_err();
        assert!(
            matches!(error, ContinualError::Osft(OsftError::NotCalibrated)),
            "{name}: {error}"
        );
    }
}

#[test]
fn labels_name_the_settings_that_distinguish_a_method() {
    let registry = MethodRegistry::<Decoder>::builtin();
    let label = |name: &str, settings: &str| {
        let kind = registry.get(name).unwrap();
        kind.label(&toml::from_str(settings).unwrap()).unwrap()
    };
    assert_eq!(label("gpm", ""), "gpm energy 0.95 + 0.003 per task");
    assert_eq!(
        label("sgp", "scaling_alpha = 5.0\nprotect_base = true"),
        "sgp energy 0.95 + 0.003 per task alpha 5 with base"
    );
    assert_eq!(label("adam-nscl", ""), "adam-nscl threshold 10");
    assert_eq!(
        label("osft", "scaling = 'ridge'"),
        "osft inputs core ridge energy 0.9"
    );
    assert_eq!(
        label("osft", "combine = 'union'"),
        "osft inputs core union energy 0.9"
    );
}
