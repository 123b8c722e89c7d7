//! Random modules through several splits: only trained values change.

use crate::common::backends;
use crate::common::drawn::{Drawn, Everything, Plan};
use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, LionConfig, ModuleOptimizer, MuonConfig, RmsPropConfig, SgdConfig};
use burn::tensor::{DType, Device};
use osft::{Form, Osft, OsftConfig, OsftError, Others, SplitContext};
use proptest::prelude::*;

fn plan() -> impl Strategy<Value = Plan> {
    let dtypes = &[DType::F32, DType::F64, DType::BF16, DType::F16][..];
    let parts = prop::collection::vec(any::<bool>(), 7);
    let layers = prop::collection::vec((1usize..9, any::<bool>()), 2..4);
    let frozen = prop::option::of(0usize..3);
    (
        layers,
        2usize..9,
        parts,
        frozen,
        prop::sample::select(dtypes),
    )
        .prop_map(|(layers, first, parts, frozen, dtype)| {
            let mut widths = vec![first];
            widths.extend(layers.iter().map(|(width, _)| *width));
            Plan {
                transposed: layers.iter().map(|(_, transposed)| *transposed).collect(),
                frozen: frozen.filter(|layer| *layer < layers.len()),
                widths,
                bias: parts[0],
                embedding: parts[1],
                convolution: parts[2],
                layer_norm: parts[3],
                batch_norm: parts[4],
                dropout: parts[5],
                shared: parts[6],
                dtype,
            }
        })
}

/// The optimizers, with rates at which each moves weights by some hundredths.
const OPTIMIZERS: [(&str, f64); 5] = [
    ("sgd", 0.5),
    ("adamw", 1e-2),
    ("rmsprop", 1e-2),
    ("lion", 1e-2),
    ("muon", 1e-2),
];

fn optimizer(osft: &Osft, name: &str) -> Result<ModuleOptimizer, OsftError> {
    match name {
        "sgd" => {
            let momentum = Some(MomentumConfig::new());
            osft.optimizer(SgdConfig::new().with_momentum(momentum).build())
        }
        "adamw" => osft.optimizer(AdamWConfig::new().build()),
        "rmsprop" => osft.optimizer(RmsPropConfig::new().build()),
        "lion" => osft.optimizer(LionConfig::new().build()),
        _ => osft.optimizer(MuonConfig::new().build()),
    }
}

/// Asserts that leaks which the form should prevent are rounding of f32 or f64.
fn check_leaks(osft: &Osft, module: &Drawn, dtype: DType, case: &str) {
    for leak in osft.leaks(module).unwrap().layers {
        let ruled_out = match osft.config().form {
            Form::Core | Form::FactoredReprojected => leak.leak_in.max(leak.leak_out),
            Form::Weight => leak.leak_both,
            Form::Factored => 0.0,
        };
        // Rounding of the weight counts relative to the change.
        let (bound, rounding) = match dtype {
            DType::F64 => (1e-13, 1e-14),
            _ => (1e-5, 1e-6),
        };
        let bound = f64::max(bound, rounding / leak.relative_change);
        assert!(ruled_out <= bound, "{case}: {leak:?}");
    }
}

fn drive(
    plan: &Plan,
    config: &OsftConfig,
    (name, rate): (&str, f64),
    saved_between: bool,
    device: &Device,
    case: &str,
) {
    let module = Drawn::new(plan, 7, device);
    let start = Everything::of(&module);
    let osft = match Osft::split(&module, config) {
        Ok(osft) => osft,
        // All layers are frozen or shared.
        Err(OsftError::NothingTrains { .. }) => return,
        Err(error) => panic!("{case}: {error}"),
    };
    assert_eq!(Everything::of(&module), start, "{case}");
    let targets: Vec<String> = osft
        .layers()
        .iter()
        .map(|layer| layer.path.clone())
        .collect();
    let is_target = |path: &str| targets.iter().any(|target| target == path);
    // Batch normalization updates its statistics in every forward pass.
    let may_move = |path: &str| {
        let trained = config.others == Others::Trained && start.parameters[path].trains;
        is_target(path) || path.contains("running") || trained
    };

    let mut optimizer = match optimizer(&osft, name) {
        Ok(optimizer) => optimizer,
        Err(OsftError::MatricesOnly { .. }) => {
            let factored = matches!(config.form, Form::Factored | Form::FactoredReprojected);
            let others = config.others == Others::Trained;
            assert!(name == "muon" && (factored || others), "{case}");
            return;
        }
        Err(error) => panic!("{case}: {error}"),
    };
    let mut module = osft.prepare(module).unwrap();
    let prepared = Everything::of(&module.clone().materialize());
    assert_eq!(prepared.flags, start.flags, "{case}");
    for (path, parameter) in &prepared.parameters {
        let before = &start.parameters[path];
        assert_eq!(parameter.id, before.id, "{case}: {path}");
        let factored = matches!(config.form, Form::Factored | Form::FactoredReprojected);
        match factored && is_target(path) {
            false => assert_eq!(parameter.values, before.values, "{case}: {path}"),
            // A difference and a sum of values up to 0.5, rounded, and then rounded to the stored type.
            true => {
                let rounding = match plan.dtype {
                    DType::F64 => 1e-15,
                    DType::F32 => 1e-6,
                    _ => 2e-3,
                };
                let mut pairs = parameter.values.iter().zip(&before.values);
                assert!(
                    pairs.all(|(a, b)| (a - b).abs() < rounding),
                    "{case}: {path}"
                );
            }
        }
    }

    for step in 0..4 {
        module = module.step(&osft, &mut optimizer, rate, step);
    }
    if saved_between {
        let (bytes, record) = (osft.to_bytes().unwrap(), module.clone().into_record());
        let moments = optimizer.into_bytes().unwrap();
        let fresh = Drawn::empty(plan, &device.clone().autodiff());
        let again = Osft::from_bytes(&bytes, &fresh, &SplitContext::new()).unwrap();
        let loaded = again.prepare(fresh).unwrap().load_record(record);
        assert!(
            again.is_prepared(&loaded) && osft.is_prepared(&loaded),
            "{case}"
        );
        let values = |module: &Drawn| {
            let parameters = Everything::of(&module.clone().materialize()).parameters;
            parameters
                .into_iter()
                .map(|(path, parameter)| (path, parameter.values))
                .collect::<Vec<_>>()
        };
        assert_eq!(values(&loaded), values(&module), "{case}");
        optimizer = self::optimizer(&again, name).unwrap();
        // Burn loads moments in the device's default type; parameters of another type cannot be stepped with
        // them.
        if plan.dtype == DType::F32 {
            optimizer = optimizer.from_bytes(moments).unwrap();
        }
        module = loaded;
    }
    // An odd number of steps, since equal steps in both directions would lead back to the start.
    for step in 4..9 {
        module = module.step(&osft, &mut optimizer, rate, step);
    }
    check_leaks(&osft, &module, plan.dtype, case);

    let flags = |everything: &Everything| {
        everything
            .flags
            .values()
            .map(|(_, on)| *on)
            .collect::<Vec<_>>()
    };
    let assert_kept = |now: &Everything, case: &str| match saved_between {
        false => now.assert_kept(&start, &may_move, case),
        // Records do not contain identities of flags and of running statistics.
        true => {
            assert_eq!(flags(now), flags(&start), "{case}");
            let mut now = now.clone();
            now.flags.clone_from(&start.flags);
            for (path, parameter) in &mut now.parameters {
                if path.contains("running") {
                    parameter.id = start.parameters[path].id;
                }
            }
            now.assert_kept(&start, &may_move, case);
        }
    };
    if config.others == Others::Frozen && !plan.batch_norm {
        let values = |module: &Drawn| {
            let parameters = Everything::of(module).parameters.into_values();
            parameters
                .map(|parameter| parameter.values)
                .collect::<Vec<_>>()
        };
        let before: Vec<_> = start
            .parameters
            .values()
            .map(|k| k.values.clone())
            .collect();
        assert_eq!(values(&osft.disabled(&module).unwrap()), before, "{case}");
        let discarded = osft.discard(module.clone()).unwrap();
        assert_eq!(values(&discarded), before, "{case}");
        assert_kept(&Everything::of(&discarded), case);
    }
    let effective = Everything::of(&module.valid().materialize());
    let module = osft.finish(module).unwrap();
    let finished = Everything::of(&module);
    assert_kept(&finished, case);
    for (path, parameter) in &finished.parameters {
        assert_eq!(
            parameter.values, effective.parameters[path].values,
            "{case}: {path}"
        );
    }
    let moved = targets
        .iter()
        .any(|path| finished.parameters[path].values != start.parameters[path].values);
    // A norm over one number gives the same output for all inputs: no gradient passes it. Behind an inner width of one
    // number, weights only scale that number, which a norm takes out again but for the bend of tanh: what is left of the
    // gradient can be too small for two bytes.
    let inner = &plan.widths[1..plan.widths.len() - 1];
    let over_one = plan.layer_norm && plan.widths.last() == Some(&1);
    let scale_alone = (plan.layer_norm || plan.batch_norm) && inner.contains(&1);
    if !over_one && !scale_alone {
        assert_eq!(
            moved,
            osft.trainable_parameters() > 0,
            "{case}: what was trained"
        );
    }

    // Saved and loaded like any module, and split again.
    let loaded = Drawn::empty(plan, device).load_record(module.clone().into_record());
    for (path, parameter) in Everything::of(&loaded).parameters {
        assert_eq!(
            parameter.values, finished.parameters[&path].values,
            "{case}: {path}"
        );
    }
    let next = Osft::split(&module, config).unwrap();
    assert_eq!(next.leaks(&module).unwrap().worst().relative_change, 0.0);
    let module = next.prepare(module).unwrap();
    assert!(next.is_prepared(&module), "{case}");
    next.finish(module).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn splits_change_nothing_but_trained_values_of_any_module(
        plan in plan(),
        share in prop::sample::select(&[0.0, 0.3, 0.5, 0.8, 1.0][..]),
        form in prop::sample::select(
            &[Form::Core, Form::Weight, Form::Factored, Form::FactoredReprojected][..]
        ),
        others in prop::sample::select(&[Others::Frozen, Others::Trained][..]),
        optimizer in prop::sample::select(&OPTIMIZERS[..]),
        every_matrix in any::<bool>(),
        saved_between in any::<bool>(),
    ) {
        for (backend, device) in backends() {
            // ndarray does not support two-byte types.
            if backend == "ndarray" && matches!(plan.dtype, DType::BF16 | DType::F16) {
                continue;
            }
            let config = OsftConfig::new()
                .with_protected_share(share)
                .with_form(form)
                .with_others(others);
            // Embeddings too; by default only linear layers.
            let config = match every_matrix {
                true => config.with_targets(["weight$"]),
                false => config,
            };
            let case = format!("{backend} {share} {form:?} {others:?} {} {plan:?}", optimizer.0);
            drive(&plan, &config, optimizer, saved_between, &device, &case);
        }
    }
}
