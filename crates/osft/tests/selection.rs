//! What is split, what is left alone, and what asks for gradients.

#![allow(clippy::unwrap_used)]

mod common;

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use common::drawn::{Drawn, Everything, Plan};
use common::{Mlp, backends};
use osft::{Osft, OsftConfig, OsftError, Others, ShareRule, Targets};

#[test]
fn training_flags_and_what_the_owner_has_frozen_are_left_alone() {
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
        for (path, known) in &start.parameters {
            let trains = prepared.parameters[path].trains;
            let may = others == Others::Trained && known.trains && path != "layers.1.weight";
            assert_eq!(trains, may, "{others:?} {path}");
        }
        assert!(prepared.parameters["layers.1.weight.osft.core"].trains);
    }
}

#[test]
fn what_was_frozen_after_the_split_is_said_and_not_undone() {
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
        // Validation is no freezing, nor is a device without autodiff.
        let prepared = osft.prepare(model.valid()).unwrap();
        let model = osft.finish(prepared).unwrap().train();
        assert!(model.last.weight.is_require_grad() && model.first.bias.unwrap().is_require_grad());
    }
}

#[test]
fn nothing_that_could_train_is_an_error() {
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
fn what_cannot_move_asks_for_no_gradients_unless_nothing_else_does() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let layers = |model: &Mlp| {
            [&model.first, &model.middle, &model.last].map(|l| l.weight.is_require_grad())
        };
        let closed = OsftConfig::new().with_protected_share(1.0);
        let osft = Osft::split(&Mlp::new(38, &device), &closed).unwrap();
        // A backward pass needs something to reach.
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
fn by_default_linear_layers_are_split_and_no_embedding_and_no_head() {
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

    // What is attached is never one of the targets, whatever pattern finds it.
    let osft = Osft::split(&network, &OsftConfig::new()).unwrap();
    let prepared = osft.prepare(network.clone()).unwrap();
    let every = Targets::matching(["weight"]);
    let selected = every.selected(&prepared).unwrap();
    let of: Vec<&str> = selected.iter().map(|target| target.path.as_str()).collect();
    assert_eq!(
        of,
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
fn a_parameter_at_two_places_is_listed_once() {
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
