//! An interrupted run resumes in another process and ends with the same numbers, bit for bit.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::Device;
use continual::checkpoint::{Checkpoints, SEQUENCE_FILE as STATE, StatePart};
use continual::method::Vocabulary;
use continual::methods::{MultiTaskFt, OsftMethod, PerTaskFt, SeqFt};
use continual::trainer::{Step, TrainConfig, ValidationConfig};
use continual::{
    CheckpointPolicy, ContinualError, Event, Method, MethodInputs, MethodRegistry, NoCheckpoints,
    Pause, Sequence, SequenceConfig, SequenceOutcome, Task,
};
use lm::Decoder;
use osft::{BasePrecision, Combine, Form, OsftConfig, Scaling, ShareRule, SplitSource};
use serde_json::Value;

use common::*;

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

fn osft(source: SplitSource, form: Form, precision: BasePrecision) -> Box<dyn Method<Decoder>> {
    let config = OsftConfig::new()
        .with_base_precision(precision)
        .with_targets(["_proj\\.weight$"])
        .with_split(source)
        .with_share_rule(ShareRule::energy(0.8))
        .with_form(form);
    let data = calibration_data(&model(&Device::flex()));
    Box::new(OsftMethod::new(config).with_calibration(data))
}

/// A method by its name, with these settings over its defaults; some are common to several methods.
fn of_name(name: &'static str, common: &'static str, settings: &'static str) -> Make {
    Box::new(move || {
        let data = calibration_data(&model(&Device::flex()));
        let inputs = MethodInputs {
            seed: 4,
            calibration: Some(&data),
            vocabulary: Some(Vocabulary {
                size: WORDS.len(),
                ends: &[0],
            }),
            ..MethodInputs::default()
        };
        let registry = MethodRegistry::<Decoder>::builtin();
        let kind = registry.get(name).unwrap();
        let settings = toml::from_str(&format!("{common}{settings}")).unwrap();
        kind.build(&settings, inputs).unwrap()
    })
}

/// OSFT in the core form by the inputs, changed by `change`.
fn osft_with(change: fn(OsftConfig) -> OsftConfig) -> Make {
    Box::new(move || {
        let config = OsftConfig::new()
            .with_targets(["_proj\\.weight$"])
            .with_split(SplitSource::Inputs)
            .with_share_rule(ShareRule::energy(0.8));
        let data = calibration_data(&model(&Device::flex()));
        Box::new(OsftMethod::new(change(config)).with_calibration(data))
    })
}

type Make = Box<dyn Fn() -> Box<dyn Method<Decoder>>>;

fn methods() -> Vec<(&'static str, Make)> {
    use SplitSource::{Both, Inputs, InputsAndGradients, Weights};
    let of = |source, form, precision| -> Make { Box::new(move || osft(source, form, precision)) };
    let osft = |source, form| of(source, form, BasePrecision::Full);
    const ADAPTERS: &str = r"targets = ['(q|v)_proj\.weight$']
adapter_rank = 3
alpha = 6.0
";
    const GENERATED: &str = "rows = 5\ntokens = 6\nrows_per_step = 2";
    const TERM: &str = "term = { rows = 5, tokens = 6, rows_per_step = 2 }";
    const TARGETS: &str = r"targets = ['_proj\.weight$']
";
    vec![
        ("seqft", Box::new(|| Box::new(SeqFt))),
        ("per-task", Box::new(|| Box::new(PerTaskFt::new()))),
        ("multi-task", Box::new(|| Box::new(MultiTaskFt))),
        ("osft weights", osft(Weights, Form::Core)),
        ("osft inputs", osft(Inputs, Form::Core)),
        ("osft both", osft(Both, Form::Weight)),
        ("osft gradients", osft(InputsAndGradients, Form::Core)),
        ("osft factored", osft(Inputs, Form::FactoredReprojected)),
        ("osft bf16", of(Inputs, Form::Core, BasePrecision::Bf16)),
        (
            "osft ridge",
            osft_with(|config| config.with_scaling(Scaling::Ridge)),
        ),
        (
            "osft union",
            osft_with(|config| config.with_combine(Combine::Union)),
        ),
        (
            "osft moment",
            osft_with(|config| config.with_moment(every_moment())),
        ),
        ("gpm", of_name("gpm", TARGETS, "")),
        (
            "gpm with base",
            of_name("gpm", TARGETS, "protect_base = true"),
        ),
        ("sgp", of_name("sgp", TARGETS, "")),
        ("adam-nscl", of_name("adam-nscl", TARGETS, "")),
        ("lora", of_name("lora", ADAPTERS, "")),
        ("lora-decay", of_name("lora-decay", ADAPTERS, "")),
        ("inc-lora", of_name("inc-lora", ADAPTERS, "")),
        ("o-lora", of_name("o-lora", ADAPTERS, "size = 0.1")),
        (
            "o-lora on b",
            of_name("o-lora", ADAPTERS, "orthogonality_on = 'b'"),
        ),
        ("milora", of_name("milora", ADAPTERS, "")),
        ("pissa", of_name("pissa", ADAPTERS, "")),
        ("seq-svd", of_name("seq-svd", ADAPTERS, "")),
        ("l2-sp", of_name("l2-sp", "", "strength = 0.3")),
        (
            "ewc",
            of_name("ewc", "", "strength = 20\ndecay = 0.5\nrows = 7"),
        ),
        ("ewc with base", of_name("ewc", "", "protect_base = true")),
        ("lwf", of_name("lwf", "", "strength = 0.7")),
        ("lwf-generated", of_name("lwf-generated", "", GENERATED)),
        (
            "osft-lwf",
            of_name("osft-lwf", "osft.targets = ['_proj\\.weight$']\n", TERM),
        ),
        ("replay", of_name("replay", "", "share = 0.3")),
        ("wise-ft", of_name("wise-ft", "", "")),
        ("slerp", of_name("slerp", "", "")),
        ("ties", of_name("ties", "", "")),
        ("dg-hard", of_name("dg-hard", "", "")),
    ]
}

#[test]
fn an_interrupted_run_equals_an_uninterrupted_run() {
    for (backend, device) in backends() {
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
