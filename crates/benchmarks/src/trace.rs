//! TRACE: eight tasks in two orders.

use crate::benchmark::{BOUNDED_GIVEN, Benchmark, BuiltinFolders, Preset};
use crate::scores::Score;
use crate::suite::{Format, Suite, TaskSpec};

/// TRACE, with two orders and the epochs of its scripts.
///
/// # References
///
/// TRACE (arXiv 2310.06762) and the scripts of its repository, BeyonderXX/TRACE.
#[derive(Clone, Copy, Debug)]
pub struct Trace;

impl Benchmark for Trace {
    fn command(&self) -> &'static str {
        "trace"
    }

    fn help(&self) -> &'static str {
        "Learn the tasks of TRACE, or of a suite like it, in sequence and compare what each method keeps"
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "experiments trace",
            "experiments trace --method osft --osft-split weights --share 0.8 --seeds 0,1,2",
            "experiments trace --method seqft,osft --energy 0.99",
            "experiments trace --model SmolLM2-135M --data TRACE-Benchmark --limit-train 100",
            "experiments trace --tune --method osft",
            "experiments trace --preset tuned --seeds 0,1,2",
            "experiments trace --resume runs/trace-1",
        ]
    }

    fn suite(&self) -> Suite {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let first: Vec<&str> = TASKS.iter().map(|task| task.0).collect();
        Suite {
            name: "TRACE".to_string(),
            tasks: TASKS
                .iter()
                .map(|&(name, score, max_new_tokens, epochs)| TaskSpec {
                    name: name.to_string(),
                    score: score(),
                    max_new_tokens,
                    epochs,
                    labels: LETTERS
                        .iter()
                        .filter(|(task, _)| *task == name)
                        .flat_map(|(_, labels)| labels.map(ToString::to_string))
                        .collect(),
                    folder: None,
                    format: Format::Prompts,
                })
                .collect(),
            orders: vec![owned(&first), owned(&SECOND_ORDER)],
            general: None,
        }
    }

    fn published(&self) -> Option<&'static str> {
        Some(include_str!("../published/trace.toml"))
    }

    fn builtin(&self) -> Option<BuiltinFolders> {
        Some(BuiltinFolders {
            suite: "suite",
            model: "model",
        })
    }

    fn bounded_settings(&self, given: bool) -> &'static str {
        match given {
            true => BOUNDED_GIVEN,
            false => include_str!("../settings/trace-bounded.toml"),
        }
    }

    fn presets(&self) -> &'static [Preset] {
        &PRESETS
    }
}

impl Suite {
    /// The suite of [`Trace`].
    pub fn trace() -> Self {
        Trace.suite()
    }
}

/// Name, score, maximum answer length in tokens, and epochs in TRACE's training scripts.
type Task = (&'static str, fn() -> Score, usize, usize);

/// The tasks in the first order of the paper.
///
/// TRACE generates up to 512 tokens for every task. The limits here cover 99 % of the answers in
/// its files, at three bytes per token, and cost less time on a model that does not stop. ScienceQA
/// scores only the first character, so its explanation is not generated.
const TASKS: [Task; 8] = [
    ("C-STANCE", Score::accuracy, 4, 5),
    ("FOMC", Score::accuracy, 4, 3),
    ("MeetingBank", Score::rouge_l, 384, 7),
    ("Py150", Score::fuzzy_ratio, 64, 5),
    ("ScienceQA", Score::first_character, 8, 3),
    ("NumGLUE-cm", Score::accuracy, 12, 5),
    ("NumGLUE-ds", Score::accuracy, 8, 5),
    ("20Minuten", Score::sari, 256, 7),
];

/// The second order of the paper; [`TASKS`] has the first.
const SECOND_ORDER: [&str; 8] = [
    "NumGLUE-cm",
    "NumGLUE-ds",
    "FOMC",
    "20Minuten",
    "C-STANCE",
    "Py150",
    "MeetingBank",
    "ScienceQA",
];

/// Tasks whose answers are letters of options in the prompt.
const LETTERS: [(&str, [&str; 3]); 2] = [("C-STANCE", ["A", "B", "C"]), ("FOMC", ["A", "B", "C"])];

const PRESETS: [Preset; 3] = [
    Preset {
        name: "trace-paper",
        help: "TRACE as its paper describes full fine-tuning",
        settings: include_str!("../settings/trace-paper.toml"),
    },
    Preset {
        name: "trace-scripts",
        help: "TRACE as its repository's scripts run it",
        settings: include_str!("../settings/trace-scripts.toml"),
    },
    Preset {
        name: "tuned",
        help: "What was found on validation rows of the built-in suite, for the built-in model",
        settings: include_str!("../settings/tuned.toml"),
    },
];
