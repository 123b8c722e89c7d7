//! TRACE: eight tasks in two orders.

use crate::{Format, Score, Suite, TaskSpec};

/// Name, score, longest answer in tokens, epochs in TRACE's training scripts.
///
/// TRACE generates up to 512 tokens for every task; these limits hold 99 % of the answers of its
/// files at three bytes a token, and cost less time on a model that does not stop. Of ScienceQA's
/// answers only the first character is scored, so the reason after it is not waited for.
const TASKS: [(&str, Score, usize, usize); 8] = [
    ("C-STANCE", Score::Accuracy, 4, 5),
    ("FOMC", Score::Accuracy, 4, 3),
    ("MeetingBank", Score::RougeL, 384, 7),
    ("Py150", Score::FuzzyRatio, 64, 5),
    ("ScienceQA", Score::FirstCharacter, 8, 3),
    ("NumGLUE-cm", Score::Accuracy, 12, 5),
    ("NumGLUE-ds", Score::Accuracy, 8, 5),
    ("20Minuten", Score::Sari, 256, 7),
];

/// The second order of the paper; the first is that of [`TASKS`].
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

/// Tasks whose answers are the letters of their prompts.
const LETTERS: [(&str, [&str; 3]); 2] = [("C-STANCE", ["A", "B", "C"]), ("FOMC", ["A", "B", "C"])];

/// # References
///
/// TRACE (arXiv 2310.06762) and the scripts of its repository, BeyonderXX/TRACE.
pub(crate) fn suite() -> Suite {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let first: Vec<&str> = TASKS.iter().map(|task| task.0).collect();
    Suite {
        name: "TRACE".to_string(),
        tasks: TASKS
            .iter()
            .map(|&(name, score, max_new_tokens, epochs)| TaskSpec {
                name: name.to_string(),
                score,
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
