//! Every method beside OSFT that keeps something of earlier tasks also trains encoder-decoder models.

use std::sync::Arc;

use crate::models::t5::{VOCABULARY, both, examples, model};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::tensor::Device;
use continual::method::Vocabulary;
use continual::trainer::TrainConfig;
use continual::{Event, MethodInputs, MethodRegistry, Scoring, Sequence, SequenceConfig, Task};
use lm::{Example, T5};

use crate::common::{config, tasks, tokenizer, weights};

/// Two tasks of a few rows: the answers of the second are those of the first in reverse.
fn two_tasks() -> Vec<Task> {
    let own = tasks(&tokenizer());
    let reversed = |row: &Example| {
        Example::new(
            row.prompt.clone(),
            row.answer.iter().rev().copied().collect(),
        )
    };
    let rows = [examples(), examples().iter().map(reversed).collect()];
    let task = |(task, rows): (Task, Vec<Example>)| Task {
        train: Arc::new(InMemDataset::new(rows)),
        epochs: 12,
        ..task
    };
    own.into_iter().zip(rows).map(task).collect()
}

#[test]
fn methods_beside_osft_train_encoder_decoder_models() {
    let device = Device::flex();
    let registry = MethodRegistry::<T5>::builtin();
    let methods = [
        ("l2-sp", ""),
        ("ewc", "strength = 1"),
        ("lwf", ""),
        ("lwf-generated", "rows = 5\ntokens = 6\nrows_per_step = 2"),
        ("replay", "share = 0.5"),
    ];
    let settings = SequenceConfig {
        scoring: Scoring::Nothing,
        ..config(TrainConfig::default())
    };
    for (version, architecture) in both() {
        let start = model(&architecture, &device.clone().autodiff()).unfreeze();
        for (name, text) in methods {
            let case = format!("T5 {version} {name}");
            let inputs = MethodInputs {
                seed: 1,
                vocabulary: Some(Vocabulary {
                    size: VOCABULARY as usize,
                    embeddings: VOCABULARY as usize,
                    ends: &[1],
                }),
                ..MethodInputs::default()
            };
            let kind = registry.get(name).unwrap();
            let mut method = kind.build(&toml::from_str(text).unwrap(), inputs).unwrap();
            let tasks = two_tasks();
            let sequence = Sequence {
                tokenizer: &tokenizer(),
                tasks: &tasks,
                general: None,
                config: &settings,
            };
            let mut losses = vec![Vec::new(); 2];
            let outcome = sequence.run(start.clone(), method.as_mut(), &mut |event| {
                if let Event::Stepped { task, step, .. } = event {
                    losses[task].push(step.loss);
                }
            });
            let outcome = outcome.unwrap();
            let own = weights(&outcome.model);
            assert!(own.iter().all(|value| value.is_finite()), "{case}");
            assert_ne!(own, weights(&start), "{case}");
            for (task, losses) in losses.iter().enumerate() {
                let (first, last) = (losses[0], losses[losses.len() - 1]);
                assert!(last < first, "{case} task {task}: {first} {last}");
            }
        }
    }
}
