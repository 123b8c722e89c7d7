//! Two sequences, of which the second takes over what the first carried, end as one sequence of all tasks.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::Device;
use continual::checkpoint::Checkpoint;
use continual::method::Vocabulary;
use continual::trainer::TrainConfig;
use continual::{
    Method, MethodInputs, MethodRegistry, Scoring, Sequence, SequenceConfig, SequenceOutcome, Task,
};
use lm::Decoder;

use common::*;

fn built(name: &str, settings: &str) -> Box<dyn Method<Decoder>> {
    let inputs = MethodInputs {
        seed: 4,
        vocabulary: Some(Vocabulary {
            size: WORDS.len(),
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
        let folder = tempfile::tempdir().unwrap();
        for part in first.carried() {
            let path = folder.path().join(part.name());
            part.write_to(&path).unwrap();
        }
        let start = reloaded(&halfway.model, &device);
        let mut second = built(name, settings);
        let carried = Checkpoint::of_parts(folder.path());
        second.take_over(&start, &carried).unwrap();
        let two = learn(start, &tasks[1..], second.as_mut(), 1);
        assert_eq!(weights(&two.model), one, "{name}");
    }
}
