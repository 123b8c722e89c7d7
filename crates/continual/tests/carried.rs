//! Two sequences, of which the second takes over what the first carried, end as one sequence of all tasks.

use crate::common;
use burn::tensor::Device;
use continual::checkpoint::Checkpoint;
use continual::method::{TaskContext, Vocabulary};
use continual::methods::OsftMethod;
use continual::trainer::TrainConfig;
use continual::{
    CalibrationData, Clock, Method, MethodInputs, MethodRegistry, Scoring, Sequence,
    SequenceConfig, SequenceOutcome, Task,
};
use lm::Decoder;
use osft::{BasePrecision, OsftConfig, ShareRule, SplitSource};

use crate::common::*;

fn built(name: &str, settings: &str) -> Box<dyn Method<Decoder>> {
    let inputs = MethodInputs {
        seed: 4,
        vocabulary: Some(Vocabulary {
            size: WORDS.len(),
            embeddings: WORDS.len(),
            ends: &[0],
        }),
        ..MethodInputs::default()
    };
    let registry = MethodRegistry::builtin();
    let kind = registry.get(name).unwrap();
    let settings = toml::from_str(settings).unwrap();
    kind.build(&settings, inputs).unwrap()
}

fn learn(
    start: Decoder,
    tasks: &[Task],
    method: &mut dyn Method<Decoder>,
    learned_before: usize,
) -> SequenceOutcome<Decoder> {
    let tokenizer = tokenizer();
    let settings = SequenceConfig {
        learned_before,
        scoring: Scoring::Nothing,
        ..config(TrainConfig::default())
    };
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks,
        general: None,
        config: &settings,
    };
    sequence.run(start, method, &mut |_| {}).unwrap()
}

/// A folder with what a method carries to the next sequence.
fn carried(method: &dyn Method<Decoder>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in method.carried() {
        let path = folder.path().join(part.name());
        part.write_to(&path).unwrap();
    }
    folder
}

/// The same weights under identities of their own, as when a model is loaded.
fn reloaded(model: &Decoder, device: &Device) -> Decoder {
    with_weights(common::model(device), &weights(model))
}

#[test]
fn two_sequences_end_as_one() {
    let (_, device) = backends().remove(1);
    let device = device.autodiff();
    let tasks = tasks(&tokenizer());
    let methods = [
        ("l2-sp", "strength = 0.3"),
        ("ewc", "strength = 20\ndecay = 0.5\nrows = 7"),
        ("ties", "density = 0.4"),
        ("wise-ft", ""),
        ("lwf", "strength = 0.7\nretain_base = false"),
        ("lwf-generated", "rows = 5\ntokens = 6\nrows_per_step = 2"),
        ("replay", "share = 0.3"),
    ];
    let without = learn(model(&device), &tasks, built("seqft", "").as_mut(), 0);
    for (name, settings) in methods {
        let one = learn(model(&device), &tasks, built(name, settings).as_mut(), 0);
        let [one, without] = [&one, &without].map(|outcome| weights(&outcome.model));
        assert_ne!(one, without, "{name}: the method does something");

        let mut first = built(name, settings);
        let halfway = learn(model(&device), &tasks[..1], first.as_mut(), 0);
        let folder = carried(first.as_ref());
        let start = reloaded(&halfway.model, &device);
        let mut second = built(name, settings);
        let carried = Checkpoint::of_parts(folder.path());
        second.take_over(&start, &carried).unwrap();
        let two = learn(start, &tasks[1..], second.as_mut(), 1);
        assert_eq!(weights(&two.model), one, "{name}");
    }
}

#[test]
fn a_limit_on_replayed_rows_holds_for_rows_that_were_carried() {
    let device = Device::flex().autodiff();
    let tasks = tasks(&tokenizer());
    let mut first = built("replay", "share = 0.5");
    let halfway = learn(model(&device), &tasks[..1], first.as_mut(), 0);
    let folder = carried(first.as_ref());
    let carried = Checkpoint::of_parts(folder.path());
    let trained = |settings: &str| {
        let mut second = built("replay", settings);
        second.take_over(&halfway.model, &carried).unwrap();
        second.rows(&tasks[1]).unwrap().len() - tasks[1].train.len()
    };
    assert!(trained("share = 0.5") > 2);
    assert_eq!(trained("share = 0.5\nmost_rows = 2"), 2);
}

#[test]
fn a_bound_that_the_first_split_changes_is_saved_under_another_name() {
    let device = Device::flex().autodiff();
    let tasks = tasks(&tokenizer());
    let method = |precision| {
        let config = OsftConfig::new()
            .with_targets(["_proj\\.weight$"])
            .with_split(SplitSource::Inputs)
            .with_share_rule(ShareRule::energy(0.8))
            .with_base_precision(precision);
        OsftMethod::new(config).with_calibration(CalibrationData {
            held_out: false,
            ..calibration_data(&model(&device))
        })
    };
    let mut first = method(BasePrecision::Full);
    let halfway = learn(model(&device), &tasks[..1], &mut first, 0);
    let folder = carried(&first);
    let mut second = method(BasePrecision::Bf16);
    let parts = Checkpoint::of_parts(folder.path());
    second.take_over(&halfway.model, &parts).unwrap();
    let bounds = |method: &OsftMethod| {
        let parts = Method::<Decoder>::state(method);
        let mut names = parts.iter().map(|part| part.name().to_string());
        names.find(|name| name.starts_with("since-base-")).unwrap()
    };
    let before = bounds(&second);
    // The weights are rounded to bf16 here, which counts.
    let context = TaskContext {
        index: 1,
        count: 2,
        first: 1,
        task: &tasks[1],
        clock: &Clock::start(),
        optimizer: &TrainConfig::default().optimizer(),
    };
    second.begin_task(halfway.model, context).unwrap();
    assert_ne!(before, bounds(&second));
}
