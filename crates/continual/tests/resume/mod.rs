//! An interrupted run resumes in another process and ends with the same numbers, bit for bit.

mod methods;

use burn::tensor::Device;
use continual::checkpoint::{Checkpoints, SEQUENCE_FILE as STATE, StatePart};
use continual::method::OptimizerName;
use continual::methods::SeqFt;
use continual::trainer::{Step, TrainConfig, ValidationConfig};
use continual::{
    CheckpointPolicy, ContinualError, Event, Method, NoCheckpoints, Pause, Sequence,
    SequenceConfig, SequenceOutcome, Task,
};
use lm::Decoder;
use serde_json::Value;

use crate::common::*;
use methods::methods;

/// Stops a run at the first pause after `n` pauses.
struct StopAt<'a> {
    checkpoints: &'a mut Checkpoints,
    left: usize,
    stopping: bool,
}

impl CheckpointPolicy for StopAt<'_> {
    fn due(&mut self, _pause: Pause) -> bool {
        self.left = self.left.saturating_sub(1);
        self.stopping = self.left == 0;
        self.stopping
    }

    fn save(&mut self, state: Value, parts: Vec<StatePart<'_>>) -> Result<(), ContinualError> {
        self.checkpoints.save(&state, parts)
    }

    fn stopping(&self) -> bool {
        self.stopping
    }
}

type RunResult = (Vec<Step>, SequenceOutcome<Decoder>);

/// Runs a sequence in as many processes as necessary. `pauses` says after how many pauses the first
/// and the other processes stop.
fn run_in_pieces(
    device: &Device,
    make: &dyn Fn() -> Box<dyn Method<Decoder>>,
    config: &SequenceConfig,
    pauses: Option<(usize, usize)>,
) -> RunResult {
    let tokenizer = tokenizer();
    let mut tasks = tasks(&tokenizer);
    for task in &mut tasks {
        task.validation = Some(task.train.clone());
        task.epochs = 2;
    }
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: Some(&tasks[0].evaluation),
        config,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut steps = Vec::new();
    let mut processes = 0;
    loop {
        processes += 1;
        let mut on_event = |event: Event<'_>| {
            if let Event::Stepped { step, .. } = event {
                steps.push(step);
            }
        };
        // Make everything again, as in another process.
        let (mut method, start) = (make(), model(&device.clone().autodiff()));
        let mut checkpoints = Checkpoints::open(folder.path().join("run")).unwrap();
        let latest = checkpoints.latest().cloned();
        let outcome = match pauses {
            None => sequence.run_kept(
                start,
                method.as_mut(),
                None,
                &mut NoCheckpoints,
                &mut on_event,
            ),
            Some((first, others)) => {
                let mut policy = StopAt {
                    checkpoints: &mut checkpoints,
                    left: if processes == 1 { first } else { others },
                    stopping: false,
                };
                let latest = latest.as_ref();
                sequence.run_kept(start, method.as_mut(), latest, &mut policy, &mut on_event)
            }
        };
        match outcome {
            Ok(outcome) => {
                // Every step has a pause: no process takes more steps than it has pauses.
                if let Some((first, others)) = pauses {
                    let most = first.max(others) + 1;
                    assert!(steps.len() <= processes * most, "{processes} processes");
                }
                return (steps, outcome);
            }
            Err(ContinualError::Interrupted) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn assert_same(resumed: &RunResult, expected: &RunResult, case: &str) {
    assert_eq!(resumed.0, expected.0, "{case}: steps");
    let (resumed, expected) = (&resumed.1, &expected.1);
    assert_eq!(resumed.matrix, expected.matrix, "{case}");
    assert_eq!(resumed.answers, expected.answers, "{case}");
    assert_eq!(resumed.general, expected.general, "{case}");
    assert_eq!(resumed.diagnostics, expected.diagnostics, "{case}");
    assert_eq!(weights(&resumed.model), weights(&expected.model), "{case}");
    // The cost before the interruption still counts.
    let parts = |outcome: &SequenceOutcome<Decoder>| {
        let cost = outcome.seconds;
        [cost.training, cost.split, cost.calibration].map(|seconds| seconds > 0.0)
    };
    assert_eq!(parts(resumed), parts(expected), "{case}: seconds");
}

fn settings() -> SequenceConfig {
    config(TrainConfig {
        validation: ValidationConfig {
            every_epochs: 1,
            patience: 1,
            keep_best: true,
        },
        ..TrainConfig::default()
    })
}

#[test]
fn an_interrupted_run_equals_an_uninterrupted_run() {
    interrupted_equals_uninterrupted("flex");
}

#[test]
fn an_interrupted_run_equals_an_uninterrupted_run_on_the_other_backend() {
    interrupted_equals_uninterrupted("ndarray");
}

fn interrupted_equals_uninterrupted(backend: &str) {
    let mut known = backends().into_iter();
    let (_, device) = known.find(|(name, _)| *name == backend).unwrap();
    for (name, make) in methods() {
        // ndarray has no bf16.
        if backend == "ndarray" && name == "osft bf16" {
            continue;
        }
        let whole = run_in_pieces(&device, make.as_ref(), &settings(), None);
        // Stop at every second pause, starting with the first or the second: between any two
        // steps, tasks and scores. Then at every fourth and every twelfth pause.
        for pauses in [(1, 1), (2, 1), (3, 3), (11, 11)] {
            let case = format!("{backend} {name}, {pauses:?} pauses");
            let pieces = run_in_pieces(&device, make.as_ref(), &settings(), Some(pauses));
            assert_same(&pieces, &whole, &case);
        }
    }
}

/// The state of every optimizer, of a method whose optimizer works in coordinates and of one with plain weights.
#[test]
fn an_interrupted_run_goes_on_with_any_optimizer() {
    let (_, device) = backends().remove(1);
    let chosen = methods().into_iter();
    let chosen: Vec<_> = chosen
        .filter(|(name, _)| matches!(*name, "seqft" | "osft bound"))
        .collect();
    assert_eq!(chosen.len(), 2);
    for (optimizer, ..) in OptimizerName::ALL {
        let train = TrainConfig {
            optimizer,
            ..settings().train
        };
        let settings = SequenceConfig {
            train,
            ..settings()
        };
        for (name, make) in &chosen {
            let whole = run_in_pieces(&device, make.as_ref(), &settings, None);
            for pauses in [(2, 1), (11, 11)] {
                let case = format!("{optimizer:?} {name}, {pauses:?} pauses");
                let pieces = run_in_pieces(&device, make.as_ref(), &settings, Some(pauses));
                assert_same(&pieces, &whole, &case);
            }
        }
    }
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let device = Device::flex().autodiff();
    let tokenizer = tokenizer();
    let folder = tempfile::tempdir().unwrap();
    let config = config(TrainConfig::default());
    let attempt = |tasks: &[Task], start: Decoder| {
        let mut checkpoints = Checkpoints::open(folder.path().join("run")).unwrap();
        let latest = checkpoints.latest().cloned();
        let sequence = Sequence {
            tokenizer: &tokenizer,
            tasks,
            general: None,
            config: &config,
        };
        let mut policy = StopAt {
            checkpoints: &mut checkpoints,
            left: 8,
            stopping: false,
        };
        let latest = latest.as_ref();
        sequence
            .run_kept(start, &mut SeqFt, latest, &mut policy, &mut |_| {})
            .map(|_| ())
    };
    let own = tasks(&tokenizer);
    let error = attempt(&own, model(&device)).unwrap_err();
    assert!(matches!(error, ContinualError::Interrupted));
    let mut other = own.clone();
    other[1].epochs += 1;
    let error = attempt(&other, model(&device)).unwrap_err().to_string();
    assert!(error.contains("other rows"), "{error}");

    let path = Checkpoints::open(folder.path().join("run")).unwrap();
    let path = path.latest().unwrap().path().join(STATE);
    let text = std::fs::read_to_string(&path).unwrap();
    let cases = [
        (
            text.replace("\"format_version\":3", "\"format_version\":9"),
            "version 9",
        ),
        (
            text.replace("\"identities\":[", "\"identities\":[5,"),
            "base model",
        ),
        (text[..text.len() / 2].to_string(), "column"),
    ];
    for (broken, word) in cases {
        std::fs::write(&path, broken).unwrap();
        let error = attempt(&own, model(&device)).unwrap_err().to_string();
        assert!(
            error.contains(word) && error.contains(STATE),
            "{word}: {error}"
        );
    }
    std::fs::write(&path, text).unwrap();
    let weights = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten();
    let weights = weights.map(|entry| entry.path());
    let weights = weights.filter(|path| path.extension().is_some_and(|end| end == "bpk"));
    let weights: Vec<_> = weights.collect();
    assert!(!weights.is_empty(), "no weights are saved");
    for file in weights {
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 3]).unwrap();
        let error = attempt(&own, model(&device)).unwrap_err();
        assert!(
            matches!(error, ContinualError::BrokenCheckpoint { .. }),
            "{error}"
        );
        std::fs::write(&file, &bytes).unwrap();
    }
}
