//! The registry of methods: its entries match the methods, and every optimizer trains every method.

use burn::tensor::Device;
use continual::method::{CalibrationUse, OptimizerName};
use continual::trainer::TrainConfig;
use continual::{ContinualError, MethodInputs, MethodRegistry, Protocol};
use lm::Decoder;
use toml::Table;

use crate::common::*;

fn registry() -> MethodRegistry<Decoder> {
    MethodRegistry::builtin()
}

fn table(text: &str) -> Table {
    toml::from_str(text).unwrap()
}

#[test]
fn every_method_matches_its_registry_entry() {
    let registry = registry();
    let names = [
        "seqft",
        "lora",
        "lora-decay",
        "inc-lora",
        "o-lora",
        "milora",
        "pissa",
        "seq-svd",
        "l2-sp",
        "ewc",
        "lwf",
        "lwf-generated",
        "replay",
        "wise-ft",
        "slerp",
        "ties",
        "dg-hard",
        "gpm",
        "sgp",
        "adam-nscl",
        "per-task",
        "multi-task",
        "osft-paper",
        "osft-lwf",
        "osft",
    ];
    assert_eq!(registry.names(), names);
    let model = model(&Device::flex());
    for kind in registry.iter() {
        let name = kind.name();
        let protocol = match name {
            "per-task" => Protocol::Independent,
            "multi-task" => Protocol::Joint,
            _ => Protocol::Sequential,
        };
        assert_eq!(kind.protocol(), protocol, "{name}");
        assert!(
            !kind.help().is_empty() && !kind.help().ends_with('.'),
            "{name}"
        );
        let settings = kind.settings(&Table::new()).unwrap();
        assert_eq!(kind.settings(&settings).unwrap(), settings, "{name}");
        let method = kind.build(&settings, MethodInputs::default()).unwrap();
        assert_eq!(method.protocol(), protocol, "{name}");
        let calibration = match name {
            "osft" | "osft-lwf" => CalibrationUse::Needed,
            "osft-paper" => CalibrationUse::WhereMeasured,
            "gpm" | "sgp" | "adam-nscl" => CalibrationUse::OfTasks,
            _ => CalibrationUse::Never,
        };
        assert_eq!(kind.calibration(&settings).unwrap(), calibration, "{name}");
        // Adapters are no wider than their layer.
        let small = match name {
            name if name.contains("lora") || matches!(name, "pissa" | "seq-svd") => {
                table("adapter_rank = 4")
            }
            _ => settings,
        };
        let needs = kind.memory(&small, &model).unwrap();
        let parameters = 4 * burn::module::Module::num_params(&model);
        assert!(needs.bytes() > parameters, "{name}: {needs:?}");
        // What is held beside weights where terms compare probabilities, or rules merge on the host.
        assert_eq!(needs.compared.is_some(), name.contains("lwf"), "{name}");
        let merging = match name {
            // The base model, two changes, and the sizes of one.
            "ties" => 4 * parameters..=4 * parameters,
            // All changes and what is kept of them, and decompositions.
            "dg-hard" => 2 * parameters + 1..=usize::MAX,
            _ => 0..=0,
        };
        assert!(merging.contains(&needs.merging), "{name}: {needs:?}");
    }
}

#[test]
fn an_error_names_the_invalid_setting() {
    let registry = registry();
    let cases = [
        ("lora", "rank = 4", "methods.lora.rank"),
        ("lora", "adapter_rank = 'four'", "methods.lora.adapter_rank"),
        ("lora", "adapter_rank = 0", "adapter_rank"),
        ("osft", "split = 'outputs'", "outputs"),
        (
            "osft",
            "protected_share = { fixed = 2.0 }",
            "2 is outside [0, 1]",
        ),
        ("osft", "protected_share = { half = 1 }", "half"),
        ("osft", "scaling = 'soft'", "soft"),
        ("osft", "scaling = 'ridge'\nform = 'weight'", "ridge"),
        ("osft", "scaling_alpha = 3.0", "scaling_alpha"),
        ("gpm", "scaling_alpha = 3.0", "methods.gpm.scaling_alpha"),
        ("sgp", "scaling_alpha = -1.0", "at least 0"),
        (
            "adam-nscl",
            "protected_share = { threshold = 0.5 }",
            "at least 1",
        ),
        ("seqft", "speed = 1", "methods.seqft.speed"),
        ("lora", "orthogonality = 0.5", "o-lora has these penalties"),
        (
            "lora",
            "orthogonality_on = 'b'",
            "o-lora has these penalties",
        ),
    ];
    for (name, text, words) in cases {
        let kind = registry.get(name).unwrap();
        let error = kind.settings(&table(text)).unwrap_err().to_string();
        assert!(error.contains(words), "{name} {text}: {error}");
    }
    let error = registry.get("l2p").map(|_| ()).unwrap_err();
    assert!(matches!(error, ContinualError::UnknownMethod { .. }));
    assert!(error.to_string().contains("osft-paper"), "{error}");
    // Given settings replace defaults; the other defaults stay.
    let osft = registry.get("osft").unwrap();
    let settings = osft.settings(&table("form = 'factored'")).unwrap();
    assert_eq!(settings["protected_share"]["energy"].as_float(), Some(0.9));
    assert_eq!(
        osft.label(&settings).unwrap(),
        "osft inputs factored energy 0.9"
    );
}

#[test]
fn every_optimizer_trains_every_method() {
    let device = Device::flex();
    let of = |name: &str, settings: &str| (name.to_string(), table(settings));
    let osft = "targets = ['_proj\\.weight$']\nprotected_share = { fixed = 0.5 }\n";
    let methods = [
        of("seqft", ""),
        of(
            "lora",
            "targets = ['[qv]_proj\\.weight$']\nadapter_rank = 2",
        ),
        of(
            "pissa",
            "targets = ['[qv]_proj\\.weight$']\nadapter_rank = 2",
        ),
        of("seq-svd", "targets = ['[qv]_proj\\.weight$']"),
        of("osft-paper", osft),
        of("osft-paper", &format!("{osft}others = 'trained'")),
        of(
            "osft-paper",
            &format!("{osft}form = 'factored_reprojected'"),
        ),
        of(
            "osft-paper",
            "targets = ['_proj\\.weight$']\nprotected_share = { fixed = 0.0 }",
        ),
    ];
    for (name, _, _) in OptimizerName::ALL {
        for (method, settings) in &methods {
            let kind = registry();
            let kind = kind.get(method).unwrap();
            let mut built = kind.build(settings, MethodInputs::default()).unwrap();
            let train = TrainConfig {
                optimizer: name,
                weight_decay: 0.01,
                ..TrainConfig::default()
            };
            let mut settings_of_run = config(train);
            settings_of_run.train.learning_rate = match name {
                OptimizerName::Sgd => 0.1,
                OptimizerName::Lion => 1e-3,
                _ => 1e-2,
            };
            let (outcome, steps) = run(&device, built.as_mut(), &settings_of_run);
            let case = format!("{name:?} {method} {settings}");
            let of_first = steps.iter().take(40);
            let losses: Vec<f64> = of_first.map(|step| step.loss).collect();
            assert!(losses.iter().all(|loss| loss.is_finite()), "{case}");
            assert!(
                losses[losses.len() - 1] < losses[0],
                "{case}: {} {}",
                losses[0],
                losses[losses.len() - 1]
            );
            for task in &outcome.diagnostics {
                if let Some(leak) = task.figure("leak in") {
                    assert!(leak < 2e-5, "{case}: {leak}");
                }
            }
        }
    }
}
