#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use super::{Row, Sizes, Suite, TaskSplit, generate, mixture};

fn suite() -> Suite {
    generate(1, &Sizes::default())
}

fn splits(task: &TaskSplit) -> [&[Row]; 3] {
    [&task.train, &task.validation, &task.test]
}

fn all_rows(task: &TaskSplit) -> impl Iterator<Item = &Row> {
    splits(task).into_iter().flatten()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// The text after the last occurrence of a cue, up to the end of its line.
fn after<'a>(prompt: &'a str, cue: &str) -> &'a str {
    let start = prompt.rfind(cue).unwrap() + cue.len();
    prompt[start..].lines().next().unwrap()
}

fn integers(text: &str) -> Vec<i64> {
    words(text).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_seed_determines_every_row() {
    assert_eq!(suite(), suite());
    let other = generate(2, &Sizes::default());
    for (one, other) in suite().tasks.iter().zip(&other.tasks) {
        assert_ne!(one.train, other.train, "{}", one.name);
        assert_ne!(one.test, other.test, "{}", one.name);
    }
    assert_ne!(suite().probe, other.probe);
    assert_eq!(mixture(1, 500), mixture(1, 500));
    assert_eq!(mixture(1, 500)[..100], mixture(1, 100)[..]);
    assert_ne!(mixture(1, 100), mixture(2, 100));
}

#[test]
fn a_seed_gives_the_same_rows_as_earlier_versions() {
    // Committed results record only their seed, so a changed generator must fail here.
    let suite = suite();
    let sums = suite.tasks.iter().find(|task| task.name == "sums").unwrap();
    assert_eq!(
        sums.train[0].prompt,
        "Solve the story with one number.\nStory: There are 2 pens in the basket. Gina puts in 12 more. \
         How many pens does the basket hold now?\nNumber:"
    );
}

#[test]
fn tasks_have_their_order_and_size() {
    let suite = suite();
    let names: Vec<_> = suite.tasks.iter().map(|task| task.name).collect();
    assert_eq!(
        names,
        [
            "stance", "tone", "summary", "code", "choice", "sums", "shares", "simplify"
        ]
    );
    for task in &suite.tasks {
        assert_eq!(task.train.len(), 400, "{}", task.name);
        assert_eq!(task.validation.len(), 80, "{}", task.name);
        assert_eq!(task.test.len(), 80, "{}", task.name);
    }
    assert_eq!(suite.probe.len(), 200);
}

#[test]
fn no_prompt_occurs_twice_in_a_task() {
    for task in &suite().tasks {
        let prompts: BTreeSet<_> = all_rows(task).map(|row| &row.prompt).collect();
        assert_eq!(prompts.len(), 560, "{}", task.name);
    }
}

#[test]
fn too_large_sizes_give_fewer_rows_without_repetitions() {
    let sizes = Sizes {
        train: 0,
        validation: 0,
        test: 0,
        probe: 100_000,
    };
    let probe = generate(1, &sizes).probe;
    let prompts: BTreeSet<_> = probe.iter().map(|row| &row.prompt).collect();
    assert!(probe.len() > 400);
    assert_eq!(prompts.len(), probe.len());
}

#[test]
fn rows_are_short_and_answers_fit_their_limit() {
    for task in &suite().tasks {
        for Row { prompt, answer } in all_rows(task) {
            let (long, short) = (
                prompt.split_whitespace().count(),
                answer.split_whitespace().count(),
            );
            assert!((10..=55).contains(&long), "{prompt}");
            assert!((1..=14).contains(&short), "{answer}");
            assert!(short * 3 <= task.max_new_tokens, "{answer}");
            assert!(prompt.ends_with(':'), "{prompt}");
            assert_eq!(answer.trim(), answer);
            assert!(prompt.is_ascii() && answer.is_ascii());
        }
    }
}

#[test]
fn labels_are_balanced_in_every_split() {
    for task in &suite().tasks {
        if !["stance", "tone", "choice"].contains(&task.name) {
            continue;
        }
        for rows in splits(task) {
            for label in ["A", "B", "C"] {
                let count = rows
                    .iter()
                    .filter(|row| row.answer.starts_with(label))
                    .count();
                let percent = 100.0 * count as f64 / rows.len() as f64;
                assert!(
                    (25.0..=42.0).contains(&percent),
                    "{}: {label} {percent}",
                    task.name
                );
            }
        }
    }
}

#[test]
fn no_single_answer_solves_an_open_task() {
    for task in &suite().tasks {
        let mut counts = BTreeMap::new();
        for row in &task.test {
            *counts.entry(&row.answer).or_insert(0) += 1;
        }
        let most = *counts.values().max().unwrap();
        assert!(most * 100 <= task.test.len() * 42, "{}: {most}", task.name);
    }
}

#[test]
fn the_answer_to_a_stance_depends_on_the_target() {
    let suite = suite();
    let stance = &suite.tasks[0];
    for row in all_rows(stance) {
        let target = after(&row.prompt, "Target: ");
        let text = after(&row.prompt, "Text: ");
        assert_eq!(
            text.to_lowercase().matches(target).count(),
            1,
            "{}",
            row.prompt
        );
    }
}

#[test]
fn sums_follow_from_their_stories() {
    let suite = suite();
    for row in all_rows(&suite.tasks[5]) {
        let story = after(&row.prompt, "Story: ");
        let [one, other] = integers(story)[..] else {
            panic!("{story}")
        };
        let subtracts = story.contains("left") || story.contains("How many more");
        let expected = if subtracts { one - other } else { one + other };
        assert_eq!(row.answer, expected.to_string(), "{story}");
        assert!((1..=20).contains(&expected));
    }
}

#[test]
fn shares_follow_from_their_stories() {
    let suite = suite();
    for row in all_rows(&suite.tasks[6]) {
        let story = after(&row.prompt, "Story: ");
        let [one, other] = integers(story)[..] else {
            panic!("{story}")
        };
        let divides = story.contains("share") || story.contains(" into ");
        let expected = if divides { one / other } else { one * other };
        assert_eq!(row.answer, expected.to_string(), "{story}");
        assert!(!divides || one % other == 0);
    }
}

#[test]
fn the_chosen_option_is_the_one_that_the_reason_names() {
    let suite = suite();
    for row in all_rows(&suite.tasks[4]) {
        let (letter, reason) = row.answer.split_once('\n').unwrap();
        let option = after(&row.prompt, &format!("\n{letter}. "));
        assert!(
            words(reason).any(|word| word == option.to_lowercase()),
            "{}{}",
            row.prompt,
            row.answer
        );
        let options: BTreeSet<_> = ["A", "B", "C"]
            .map(|letter| after(&row.prompt, &format!("\n{letter}. ")))
            .into();
        assert_eq!(options.len(), 3);
    }
}

#[test]
fn summaries_use_only_words_of_their_transcripts() {
    let suite = suite();
    for row in all_rows(&suite.tasks[2]) {
        let transcript_words: BTreeSet<_> = words(&row.prompt).collect();
        for word in words(&row.answer) {
            assert!(
                word == "moved" || transcript_words.contains(&word),
                "{word}: {}",
                row.prompt
            );
        }
    }
}

#[test]
fn simple_sentences_contain_no_long_winded_word() {
    let suite = suite();
    let long = [super::simplify::PEOPLE, super::simplify::THINGS].concat();
    for row in all_rows(&suite.tasks[7]) {
        for (word, _) in &long {
            assert!(
                !words(&row.answer).any(|other| other == *word),
                "{}",
                row.answer
            );
        }
        assert!(row.answer.len() < after(&row.prompt, "Sentence: ").len());
    }
}

#[test]
fn the_mixture_contains_every_word_of_the_tasks_and_no_prompt() {
    let documents = mixture(1, 20_000);
    let taught: BTreeSet<_> = documents
        .iter()
        .flat_map(|document| [words(&document.prompt), words(&document.answer)])
        .flatten()
        .collect();
    let suite = suite();
    let rows = suite.tasks.iter().flat_map(all_rows).chain(&suite.probe);
    let missing: BTreeSet<_> = rows
        .flat_map(|row| [words(&row.prompt), words(&row.answer)])
        .flatten()
        .filter(|word| !taught.contains(word))
        .collect();
    assert_eq!(missing, BTreeSet::new());
    assert!(taught.len() < 1_000, "{}", taught.len());

    let instructions: BTreeSet<_> = suite
        .tasks
        .iter()
        .flat_map(all_rows)
        .map(|row| row.prompt.lines().next().unwrap())
        .collect();
    assert_eq!(instructions.len(), 8);
    for document in &documents {
        let text = format!("{}{}", document.prompt, document.answer);
        for instruction in &instructions {
            // Every prompt begins with its instruction, so the text contains no prompt either.
            assert!(!text.contains(instruction), "{text}");
        }
        assert_eq!(document.answer.trim(), document.answer);
        assert!(!document.answer.is_empty());
    }
}

#[test]
fn the_mixture_teaches_the_probe_and_never_contradicts_it() {
    let mut answers: BTreeMap<String, String> = BTreeMap::new();
    for document in mixture(1, 60_000) {
        let single = document.prompt.starts_with("Question: ");
        if single {
            let answer = answers
                .entry(document.prompt)
                .or_insert(document.answer.clone());
            assert_eq!(*answer, document.answer);
        }
    }
    let probe = suite().probe;
    let taught = probe
        .iter()
        .filter(|row| answers.get(&row.prompt) == Some(&row.answer))
        .count();
    for row in &probe {
        let earlier = answers.get(&row.prompt);
        assert!(
            earlier.is_none_or(|answer| *answer == row.answer),
            "{}",
            row.prompt
        );
    }
    assert!(taught * 100 >= probe.len() * 95, "{taught}");
}
