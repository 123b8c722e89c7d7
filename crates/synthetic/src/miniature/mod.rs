//! A miniature of the CL benchmark: fifteen classification tasks of the same kinds, with label
//! spaces of the same kinds, in the benchmark's format. Every sentence is generated from a seed.
//!
//! Each task draws from its own random stream, so a change of one task does not affect the rows of
//! the others. A small T5 is pre-trained on the same sentences: without labels (`documents`), with
//! group numbers in place of labels (`groups`), and as texts in which to look words up (`options`).
//! So it has seen the words, the classes and the form, but none of the labels.

mod inference;
mod options;
mod orders;
mod reasoning;
mod sentiment;
#[cfg(test)]
mod tests;
mod topic;
mod words;

use std::collections::BTreeSet;

pub use options::options;
pub use orders::ORDERS;
use rand::{SeedableRng, seq::SliceRandom};
use serde::Serialize;
use words::Random;

/// One example in the benchmark's row format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The sentence to label.
    pub sentence: String,
    /// One of the task's labels.
    pub label: String,
}

/// One task with three splits that share no sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledTask {
    /// Its name.
    pub name: &'static str,
    /// Kind of the task.
    pub group: &'static str,
    /// The labels, in the order of the options.
    pub labels: &'static [&'static str],
    /// Rows to learn from.
    pub train: Vec<Row>,
    /// Rows to choose settings with.
    pub validation: Vec<Row>,
    /// Rows for reported scores.
    pub test: Vec<Row>,
}

/// The instructions by group; a group without one asks in its sentences.
pub const INSTRUCTIONS: [(&str, &str); 8] = [
    (
        "SC",
        "What is the mood of the following text? Choose one from the option.",
    ),
    (
        "TC",
        "What is the following text about? Choose one from the option.",
    ),
    (
        "NLI",
        "How does \"sentence 2\" follow from \"sentence 1\"? Choose one from the option.",
    ),
    (
        "QQP",
        "Do both sentences ask the same? Choose one from the option.",
    ),
    (
        "WiC",
        "Does the word mean the same in both sentences? Choose one from the option.",
    ),
    ("COPA", ""),
    (
        "BoolQA",
        "Is the answer to the question yes, by the passage? Choose one from the option.",
    ),
    (
        "MultiRC",
        "Is the answer right, by the paragraph? Choose one from the option.",
    ),
];

/// How to draw the rows of a task.
struct Task {
    name: &'static str,
    group: &'static str,
    labels: &'static [&'static str],
    /// Draws a sentence for the label with this index.
    sentence: fn(&mut Random, usize) -> String,
}

/// Modelled on the benchmark's yelp, amazon, IMDB, SST-2; dbpedia, yahoo, agnews; MNLI, CB, RTE;
/// QQP, WiC, COPA, BoolQA, MultiRC.
const TASKS: [Task; 15] = [
    Task {
        name: "cafes",
        group: "SC",
        labels: &sentiment::FIVE,
        sentence: sentiment::cafe,
    },
    Task {
        name: "gadgets",
        group: "SC",
        labels: &sentiment::FIVE,
        sentence: sentiment::gadget,
    },
    Task {
        name: "films",
        group: "SC",
        labels: &sentiment::TWO,
        sentence: sentiment::film,
    },
    Task {
        name: "notes",
        group: "SC",
        labels: &sentiment::TWO,
        sentence: sentiment::note,
    },
    Task {
        name: "entries",
        group: "TC",
        labels: &topic::KINDS,
        sentence: topic::entry,
    },
    Task {
        name: "forum",
        group: "TC",
        labels: &topic::FIELDS,
        sentence: topic::forum,
    },
    Task {
        name: "press",
        group: "TC",
        labels: &topic::SECTIONS,
        sentence: topic::press,
    },
    Task {
        name: "claims",
        group: "NLI",
        labels: &["neutral", "entailment", "contradiction"],
        sentence: inference::claim,
    },
    Task {
        name: "briefs",
        group: "NLI",
        labels: &["contradiction", "entailment", "neutral"],
        sentence: inference::brief,
    },
    Task {
        name: "follows",
        group: "NLI",
        labels: &["contradiction", "entailment"],
        sentence: inference::follows,
    },
    Task {
        name: "questions",
        group: "QQP",
        labels: &["False", "True"],
        sentence: inference::questions,
    },
    Task {
        name: "senses",
        group: "WiC",
        labels: &["True", "False"],
        sentence: reasoning::senses,
    },
    Task {
        name: "causes",
        group: "COPA",
        labels: &["A", "B"],
        sentence: reasoning::causes,
    },
    Task {
        name: "villages",
        group: "BoolQA",
        labels: &["True", "False"],
        sentence: reasoning::village,
    },
    Task {
        name: "stories",
        group: "MultiRC",
        labels: &["False", "True"],
        sentence: reasoning::story,
    },
];

/// Rows per split of a task: training, validation, test.
pub const SIZES: [usize; 3] = [300, 60, 60];
/// Number of failed draws after which a task has no more new sentences.
const MAX_DRAWS: usize = 2_000;

/// Generates the tasks from a seed.
pub fn generate(seed: u64) -> Vec<LabelledTask> {
    let tasks = TASKS.iter().enumerate();
    tasks
        .map(|(position, task)| {
            let mut random = stream(seed, 1 + position as u64);
            let mut seen = BTreeSet::new();
            let mut split = |count| rows(task, count, &mut seen, &mut random);
            LabelledTask {
                name: task.name,
                group: task.group,
                labels: task.labels,
                train: split(SIZES[0]),
                validation: split(SIZES[1]),
                test: split(SIZES[2]),
            }
        })
        .collect()
}

/// The instruction of a task, before its options.
pub fn instruction(task: &LabelledTask) -> Option<&'static str> {
    let mut instructions = INSTRUCTIONS.iter();
    let (_, instruction) = instructions.find(|(group, _)| *group == task.group)?;
    Some(instruction)
}

/// Texts with everything that is not in the sentences: names of groups and tasks, instructions,
/// options and labels.
pub fn wordings() -> impl Iterator<Item = String> {
    generate(0).into_iter().map(|task| {
        let options = task.labels.join(", ");
        let asked = instruction(&task).unwrap_or_default();
        format!(
            "Task:{}\nDataset:{}\n{asked}\nOption: {options} \nAnswer: {options}",
            task.group, task.name
        )
    })
}

/// Draws rows with new sentences only, with balanced labels, in random order.
fn rows(task: &Task, count: usize, seen: &mut BTreeSet<String>, random: &mut Random) -> Vec<Row> {
    let mut rows = Vec::with_capacity(count);
    for index in 0..count {
        let label = index % task.labels.len();
        let fresh = (0..MAX_DRAWS)
            .map(|_| (task.sentence)(random, label))
            .find(|sentence| !seen.contains(sentence));
        let Some(sentence) = fresh else { break };
        seen.insert(sentence.clone());
        rows.push(Row {
            sentence,
            label: task.labels[label].to_string(),
        });
    }
    rows.shuffle(random);
    rows
}

/// Draws `count` sentences without labels for pre-training, from all tasks in turn.
pub fn documents(seed: u64, count: usize) -> impl Iterator<Item = String> {
    // Stream 0; the tasks use the streams above it.
    drawn(stream(seed, 0), count).map(|(sentence, _)| sentence)
}

/// Draws `count` prompts and answers for pre-training: sentences of all tasks in turn, with the
/// number of the label's group as the answer.
///
/// They are to a small model what supervised pre-training tasks are to a published T5: it learns to
/// distinguish the classes, in another form and under other names.
pub fn groups(seed: u64, count: usize) -> impl Iterator<Item = (String, String)> {
    let labels: Vec<String> = labels().into_iter().collect();
    let random = stream(seed, 1 + TASKS.len() as u64);
    drawn(random, count).filter_map(move |(sentence, label)| {
        let group = labels
            .iter()
            .position(|other| *other == label.to_lowercase())?;
        let prompt = format!("Which group is this?\n{sentence}\nAnswer:");
        Some((prompt, group.to_string()))
    })
}

/// Draws sentences and labels of all tasks in turn.
fn drawn(mut random: Random, count: usize) -> impl Iterator<Item = (String, &'static str)> {
    (0..count).map(move |index| {
        let task = &TASKS[index % TASKS.len()];
        let label = (index / TASKS.len()) % task.labels.len();
        ((task.sentence)(&mut random, label), task.labels[label])
    })
}

/// All labels in lower case.
pub fn labels() -> BTreeSet<String> {
    let labels = TASKS.iter().flat_map(|task| task.labels);
    labels.map(|label| label.to_lowercase()).collect()
}

/// An independent random stream of a seed.
fn stream(seed: u64, number: u64) -> Random {
    let mut random = Random::seed_from_u64(seed);
    random.set_stream(number);
    random
}
