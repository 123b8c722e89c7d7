#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn a_seed_determines_every_row() {
    assert_eq!(generate(1), generate(1));
    for (one, other) in generate(1).iter().zip(&generate(2)) {
        assert_ne!(one.train, other.train, "{}", one.name);
    }
    let documents = |seed, count| documents(seed, count).collect::<Vec<_>>();
    assert_eq!(documents(1, 300)[..100], documents(1, 100));
    assert_ne!(documents(1, 100), documents(2, 100));
    // Committed files record only their seed, so a changed generator must fail here.
    let entries = &generate(0)[4];
    assert_eq!(entries.name, "entries");
    assert_eq!(entries.train[0].sentence, FIRST_ENTRY);
}

const FIRST_ENTRY: &str = "Title: Elanden\nText: Elanden is a beetle with long wings.\n";

#[test]
fn splits_are_full_balanced_and_share_no_sentence() {
    for task in generate(3) {
        let splits = [&task.train, &task.validation, &task.test];
        let mut seen = BTreeSet::new();
        for (rows, size) in splits.into_iter().zip(SIZES) {
            assert_eq!(rows.len(), size, "{}", task.name);
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for row in rows {
                assert!(
                    seen.insert(&row.sentence),
                    "{}: {}",
                    task.name,
                    row.sentence
                );
                *counts.entry(&row.label).or_default() += 1;
            }
            let labels: BTreeSet<&str> = task.labels.iter().copied().collect();
            assert_eq!(counts.keys().copied().collect::<BTreeSet<_>>(), labels);
            let (least, most) = (
                counts.values().min().unwrap(),
                counts.values().max().unwrap(),
            );
            assert!(most - least <= 1, "{}: {counts:?}", task.name);
        }
        // The order of the rows must not reveal the labels.
        let cycle = task.train.iter().enumerate();
        let in_turn = cycle.filter(|(i, row)| row.label == task.labels[i % task.labels.len()]);
        assert!(in_turn.count() < SIZES[0] * 3 / 4, "{}", task.name);
    }
}

#[test]
fn one_option_occurs_in_the_text_and_none_is_a_label() {
    let labels = labels();
    let texts: Vec<String> = documents(4, 300).collect();
    let questions: Vec<(String, String)> = options(&texts, &labels, 4).collect();
    assert!(questions.len() > 250);
    for (prompt, answer) in questions {
        let asked = prompt.strip_suffix("\nAnswer:").unwrap();
        let (head, text) = asked.split_once(" \n").unwrap();
        let choices = head.split_once("Option: ").unwrap().1.split(", ");
        let text = text.to_lowercase();
        let inside: Vec<&str> = choices
            .clone()
            .filter(|choice| text.contains(choice))
            .collect();
        assert_eq!(inside, [answer.as_str()], "{prompt}");
        assert!(choices.count() > 1 && !labels.contains(&answer));
    }
}

#[test]
fn groups_are_the_labels_under_other_names() {
    let questions: Vec<(String, String)> = groups(4, 600).collect();
    assert_eq!(questions.len(), 600);
    let labels = labels();
    let seen: BTreeSet<usize> = questions
        .iter()
        .map(|(_, group)| group.parse().unwrap())
        .collect();
    assert_eq!(seen, (0..labels.len()).collect());
    // The sentences of one task with one label form a group.
    let groups_of_text = |text: &str| -> BTreeSet<&str> {
        let rows = questions.iter();
        let rows = rows.filter(|(prompt, _)| prompt.contains(text));
        rows.map(|(_, group)| group.as_str()).collect()
    };
    assert_eq!(groups_of_text(" is a beetle").len(), 1);
    assert_eq!(groups_of_text(" is a stream").len(), 1);
}

#[test]
fn orders_and_instructions_cover_the_tasks() {
    let tasks = generate(0);
    let names: BTreeSet<&str> = tasks.iter().map(|task| task.name).collect();
    for (order, count) in ORDERS.iter().zip([4, 4, 4, 15, 15, 15]) {
        let own: BTreeSet<&str> = order.iter().copied().collect();
        assert_eq!((order.len(), own.len()), (count, count));
        assert!(own.is_subset(&names), "{own:?}");
    }
    for task in &tasks {
        assert!(INSTRUCTIONS.iter().any(|(group, _)| *group == task.group));
    }
}

#[test]
fn labels_follow_from_the_sentences() {
    let line = |text: &str, cue: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(cue));
        found
            .unwrap_or_else(|| panic!("no {cue} in {text}"))
            .to_string()
    };
    let mut read = 0;
    for task in generate(5) {
        for Row { sentence, label } in &task.train {
            read += 1;
            match task.name {
                "villages" => {
                    let asked = line(sentence, "question: ");
                    let asked = asked.rsplit(' ').next().unwrap();
                    let passage = line(sentence, "passage: ");
                    assert_eq!(passage.contains(asked), label == "True", "{sentence}");
                }
                "stories" => {
                    let gift = line(sentence, "question: Who had ");
                    let who = line(sentence, "candidate answer: ");
                    let paragraph = line(sentence, "paragraph: ");
                    let mut facts = paragraph.split('.');
                    let gift = gift.trim_end_matches('?');
                    let fact = facts.find(|fact| fact.contains(gift)).unwrap();
                    assert_eq!(fact.contains(&who), label == "True", "{sentence}");
                }
                "follows" | "claims" | "briefs" => {
                    let claim = line(sentence, "sentence 2: ");
                    let denied = claim.contains("did not") || claim.contains("Nobody");
                    assert_eq!(denied, label == "contradiction", "{sentence}");
                }
                "questions" => {
                    let what = |cue| {
                        let text = line(sentence, cue);
                        let words: Vec<String> = text
                            .trim_end_matches('?')
                            .split(' ')
                            .map(String::from)
                            .collect();
                        words[words.len() - 3..].to_vec()
                    };
                    let same = what("first sentence: ") == what("second sentence: ");
                    assert_eq!(same, label == "True", "{sentence}");
                }
                _ => read -= 1,
            }
        }
    }
    // Six tasks state their label literally.
    assert_eq!(read, 6 * SIZES[0]);
}
