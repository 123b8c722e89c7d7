//! Which weights are split, which are left out, and which parameters require gradients.

use crate::common::drawn::{Drawn, Everything, Plan};
use crate::common::{Mlp, backends};
use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use osft::{Osft, OsftConfig, OsftError, Others, ShareRule, SplitContext, Targets};

#[test]
fn training_flags_and_frozen_parameters_do_not_change() {
    let (_, device) = backends().remove(0);
    let module = Drawn::new(&Plan::all_kinds(), 3, &device);
    for others in [Others::Frozen, Others::Trained] {
        let module = Drawn {
            convolution: module.convolution.clone().map(Module::no_grad),
            ..module.clone()
        };
        let start = Everything::of(&module);
        let osft = Osft::split(&module, &OsftConfig::new().with_others(others)).unwrap();
        let prepared = Everything::of(&osft.prepare(module).unwrap());
        assert_eq!(prepared.flags, start.flags);
        for (path, parameter) in &start.parameters {
            let trains = prepared.parameters[path].trains;
            let may = others == Others::Trained && parameter.trains && path != "layers.1.weight";
            assert_eq!(trains, may, "{others:?} {path}");
        }
        assert!(prepared.parameters["layers.1.weight.osft.core"].trains);
    }
}

#[test]
fn freezing_after_the_split_is_an_error_and_is_not_undone() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(36, &device);
        let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
        let mut frozen = model.clone();
        frozen.last = frozen.last.no_grad();
        let error = osft.prepare(frozen).unwrap_err();
        assert!(
            matches!(error, OsftError::TrainabilityChanged { ref parameter, trained: true }
            if parameter == "last.bias"),
            "{error}"
        );
        // Validation does not count as freezing, nor does a device without autodiff.
        let prepared = osft.prepare(model.valid()).unwrap();
        let model = osft.finish(prepared).unwrap().train();
        assert!(model.last.weight.is_require_grad() && model.first.bias.unwrap().is_require_grad());
    }
}

#[test]
fn a_module_without_trainable_targets_is_an_error() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(37, &device).no_grad();
        let error = Osft::split(&model, &OsftConfig::new()).unwrap_err();
        assert!(
            matches!(error, OsftError::NothingTrains { ref targets } if targets.len() == 3),
            "{error}"
        );
    }
}

#[test]
fn closed_targets_require_gradients_only_if_nothing_else_does() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let layers = |model: &Mlp| {
            [&model.first, &model.middle, &model.last].map(|l| l.weight.is_require_grad())
        };
        let closed = OsftConfig::new().with_protected_share(1.0);
        let osft = Osft::split(&Mlp::new(38, &device), &closed).unwrap();
        // A backward pass needs a parameter that requires gradients.
        assert_eq!(
            layers(&osft.prepare(Mlp::new(38, &device)).unwrap()),
            [true; 3]
        );
        let first_only = closed.with_target_share("first", ShareRule::fixed(0.0));
        let osft = Osft::split(&Mlp::new(38, &device), &first_only).unwrap();
        let prepared = osft.prepare(Mlp::new(38, &device)).unwrap();
        assert_eq!(layers(&prepared), [true, false, false]);
        assert_eq!(layers(&osft.finish(prepared).unwrap()), [true; 3]);
    }
}

#[test]
fn by_default_linear_layers_are_split_but_not_embeddings_and_heads() {
    #[derive(Module, Debug)]
    struct Network {
        embedding: Embedding,
        multi_head: Vec<Linear>,
        matrix: Param<Tensor<2>>,
        lm_head: Linear,
    }
    let device = Device::flex().autodiff();
    let network = Network {
        embedding: EmbeddingConfig::new(4, 4).init(&device),
        multi_head: vec![LinearConfig::new(4, 4).init(&device)],
        matrix: Param::from_tensor(Tensor::ones([4, 4], &device)),
        lm_head: LinearConfig::new(4, 4).init(&device),
    };
    let paths = |targets: Targets| {
        let selected = targets.selected(&network).unwrap();
        selected.into_iter().map(|t| t.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(Targets::linear_layers()), ["multi_head.0.weight"]);
    let named = Targets::matching(["embedding", "lm_head.weight$", "^matrix$"]);
    assert_eq!(
        paths(named),
        ["embedding.weight", "matrix", "lm_head.weight"]
    );

    // Attachments are never targets, even if a pattern matches them.
    let osft = Osft::split(&network, &OsftConfig::new()).unwrap();
    let prepared = osft.prepare(network.clone()).unwrap();
    let every = Targets::matching(["weight"]);
    let selected = every.selected(&prepared).unwrap();
    let paths: Vec<&str> = selected.iter().map(|target| target.path.as_str()).collect();
    assert_eq!(
        paths,
        ["embedding.weight", "multi_head.0.weight", "lm_head.weight"]
    );
    let head = network.lm_head.clone();
    #[derive(Module, Debug)]
    struct Head {
        head: Linear,
    }
    let error = Osft::split(&Head { head }, &OsftConfig::new()).unwrap_err();
    assert!(
        matches!(error, OsftError::NoLinearLayer { ref available } if available == &["head.weight"]),
        "{error}"
    );
}

#[test]
fn a_shared_parameter_is_listed_once() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let layer = LinearConfig::new(4, 4).init(&device);
        let module = vec![layer.clone(), LinearConfig::new(4, 4).init(&device), layer];
        let targets = Targets::linear_layers().selected(&module).unwrap();
        let paths: Vec<&str> = targets.iter().map(|target| target.path.as_str()).collect();
        assert_eq!(paths, ["0.weight", "1.weight"]);
        let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
        assert_eq!(osft.layers().len(), 1);
        assert!(osft.warnings()[0].contains("0.weight is left as it is: it is also 2.weight"));
    }
}

#[test]
fn a_parameter_group_selects_its_rank_2_parameters() {
    use burn::module::ParamGroup;
    for (_, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(38, &device);
        // Weight and bias of a layer, by identity.
        let of_middle = ParamGroup::ids_from_module(model.middle.clone());
        let but_first = ParamGroup::all().exclude(ParamGroup::from_predicate("first"));
        let cases = [
            (of_middle.clone(), vec!["middle.weight"]),
            (ParamGroup::from_path("last.weight"), vec!["last.weight"]),
            (but_first.clone(), vec!["middle.weight", "last.weight"]),
        ];
        for (group, expected) in cases {
            let config = OsftConfig::new().with_target_group(group.clone());
            assert_eq!(config.targets, Targets::from(group));
            let osft = Osft::split(&model, &config).unwrap();
            let paths: Vec<&str> = osft.layers().iter().map(|l| l.path.as_str()).collect();
            assert_eq!(paths, expected);
            // Saved with the split, and read again.
            let bytes = osft.to_bytes().unwrap();
            let read = Osft::from_bytes(&bytes, &model, &SplitContext::new()).unwrap();
            assert_eq!(read.config(), osft.config());
            assert!(osft.prepare(model.clone()).is_ok());
        }
        assert_ne!(Targets::group(of_middle), Targets::group(but_first));
        let nothing = Targets::group(ParamGroup::from_path("middle.bias"));
        let error = nothing.selected(&model).unwrap_err();
        assert!(
            matches!(error, OsftError::NoTargetInGroup { ref available } if available.len() == 3),
            "{error}"
        );
    }
}
