//! A miniature of the CL benchmark: fifteen classification tasks of the same kinds, with the same label
//! spaces in kind, in the benchmark's own format. Every sentence is generated from a seed.
//!
//! Each task draws from a stream of its own, so that changing one leaves the rows of the others.
//! Its sentences are also what a small T5 is pre-trained on: without labels (`documents`), under numbers
//! in their place (`groups`), and as texts that words are looked up in (`options`). It knows the words,
//! the classes and the form, and none of the labels.

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
    /// What is to be labelled.
    pub sentence: String,
    /// One of the task's labels.
    pub label: String,
}

/// One task with its three splits, which share no sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledTask {
    /// Its name.
    pub name: &'static str,
    /// Kind of the task.
    pub group: &'static str,
    /// The labels in the order of the options.
    pub labels: &'static [&'static str],
    /// Rows to learn from.
    pub train: Vec<Row>,
    /// Rows to choose settings on.
    pub validation: Vec<Row>,
    /// Rows to report.
    pub test: Vec<Row>,
}

/// What is asked, by group; a task of a group without one asks in its sentences.
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

/// How one task is drawn.
struct Task {
    name: &'static str,
    group: &'static str,
    labels: &'static [&'static str],
    /// Draws the sentence of the label with that index.
    sentence: fn(&mut Random, usize) -> String,
}

/// After the benchmark's yelp, amazon, IMDB, SST-2; dbpedia, yahoo, agnews; MNLI, CB, RTE; QQP, WiC,
/// COPA, BoolQA, MultiRC.
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

/// Rows of every task's splits: training, validation, test.
pub const SIZES: [usize; 3] = [300, 60, 60];
/// Draws in vain after which a task counts as having run out of new sentences.
const MAX_DRAWS: usize = 2_000;

/// Generates the tasks of a seed.
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

/// What a task asks, before its options.
pub fn instruction(task: &LabelledTask) -> Option<&'static str> {
    let mut instructions = INSTRUCTIONS.iter();
    let (_, instruction) = instructions.find(|(group, _)| *group == task.group)?;
    Some(instruction)
}

/// Texts that hold what the rows' own sentences do not: names of groups and tasks, instructions,
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

/// Draws rows whose sentences are all new, every label as often as any other, in random order.
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

/// Sentences without labels, to pre-train on: `count` of a seed, all tasks in turn.
pub fn documents(seed: u64, count: usize) -> impl Iterator<Item = String> {
    // Stream 0; the tasks draw from those above.
    drawn(stream(seed, 0), count).map(|(sentence, _)| sentence)
}

/// Prompts and answers to pre-train on, `count` of a seed: sentences of all tasks in turn, and in place
/// of a label the number of its group.
///
/// It is to a small model what the tasks of its pre-training are to a published T5: it tells the classes
/// apart, in another form and under other names.
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

/// Sentences and labels of all tasks in turn.
fn drawn(mut random: Random, count: usize) -> impl Iterator<Item = (String, &'static str)> {
    (0..count).map(move |index| {
        let task = &TASKS[index % TASKS.len()];
        let label = (index / TASKS.len()) % task.labels.len();
        ((task.sentence)(&mut random, label), task.labels[label])
    })
}

/// All labels, in lower case.
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
