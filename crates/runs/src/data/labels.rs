//! The labels of a task: how its rows write them, and which of them can be an answer.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Result, ensure};
use benchmarks::Row;
use burn::data::dataset::Dataset;
use continual::{LabelScores, Task};
use lm::TextTokenizer;

use crate::settings::RunConfig;

/// The labels as the training rows write them: the tokens of a label depend on the white space around it. A label that no
/// row has gets the white space of the first row.
///
/// # Errors
///
/// If a row cannot be read.
pub fn spelled(labels: &[String], train: &dyn Dataset<Row>) -> Result<Vec<String>> {
    if labels.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: HashMap<String, String> = HashMap::new();
    for row in 0..train.len() {
        let answer = train.get(row)?.answer;
        found.entry(answer.trim().to_string()).or_insert(answer);
        if labels.iter().all(|label| found.contains_key(label.trim())) {
            break;
        }
    }
    let first = train.get(0)?.answer;
    let before = &first[..first.len() - first.trim_start().len()];
    let after = &first[first.trim_end().len()..];
    let spelled = labels.iter().map(|label| match found.get(label.trim()) {
        Some(answer) => answer.clone(),
        None => format!("{before}{}{after}", label.trim()),
    });
    Ok(spelled.collect())
}

/// What a list of labels says that rows do not: nothing if exactly these are their answers, otherwise the list.
///
/// # Errors
///
/// If a row cannot be read.
pub fn beside_rows(labels: &[String], splits: [&dyn Dataset<Row>; 2]) -> Result<Vec<String>> {
    if labels.is_empty() {
        return Ok(Vec::new());
    }
    let mut answers = BTreeSet::new();
    for rows in splits {
        for row in 0..rows.len() {
            answers.insert(rows.get(row)?.answer.trim().to_string());
        }
    }
    let listed: BTreeSet<String> = labels
        .iter()
        .map(|label| label.trim().to_string())
        .collect();
    Ok(match listed == answers {
        true => Vec::new(),
        false => labels.to_vec(),
    })
}

/// Remarks on labels that can never be an answer: longer than the `limit` of generated tokens, or with the tokens of a
/// label before them, of which the likelihood takes the first.
///
/// # Errors
///
/// A label whose likelihood cannot be measured because it has no token.
pub fn remarks(
    labels: &[String],
    scores: LabelScores,
    limit: usize,
    tokenizer: &TextTokenizer,
) -> Result<Vec<String>> {
    let mut remarks = Vec::new();
    let mut known: Vec<(Vec<u32>, &String)> = Vec::new();
    for label in labels {
        let tokens = tokenizer.encode(label, false)?;
        let count = tokens.len();
        if count > limit && scores != LabelScores::Instead {
            remarks.push(format!(
                "label {label:?} has {count} tokens, {limit} are generated: it cannot be answered"
            ));
        }
        if scores.is_none() {
            continue;
        }
        ensure!(
            count > 0,
            "the tokenizer finds no token in the label {label:?}, so that its likelihood cannot be measured: leave \
             label_scores out, or change the label"
        );
        match known.iter().find(|(other, _)| *other == tokens) {
            Some((_, other)) => remarks.push(format!(
                "label {label:?} has the tokens of {other:?}: by its likelihood it is never the answer"
            )),
            None => known.push((tokens, label)),
        }
    }
    Ok(remarks)
}

/// Refuses settings of labels where no task has a list of them: nothing would be measured, or left out.
///
/// # Errors
///
/// If `label_scores` or `limit_per_class` is set, and no task has labels.
pub fn check_any(config: &RunConfig, tasks: &[Task]) -> Result<()> {
    let has_labels = |task: &Task| !task.evaluation.scorer.labels().is_empty();
    let has_any = tasks.iter().any(has_labels);
    let settings = [
        ("label_scores", !config.label_scores.is_none()),
        ("limit_per_class", config.limit_per_class > 0),
    ];
    for (setting, is_set) in settings {
        ensure!(
            has_any || !is_set,
            "{setting} would have no effect: no task of order {} has a list of labels; leave it out",
            config.order
        );
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::data::dataset::InMemDataset;
    use lm::Framing;
    use serde_json::json;

    use super::*;

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(ToString::to_string).collect()
    }

    fn rows(answers: &[&str]) -> InMemDataset<Row> {
        let row = |answer: &&str| Row {
            prompt: "p".to_string(),
            answer: answer.to_string(),
        };
        InMemDataset::new(answers.iter().map(row).collect())
    }

    #[test]
    fn a_list_says_nothing_beside_rows_that_have_exactly_its_answers() {
        let (train, scored) = (rows(&[" yes", "no\n", " yes"]), rows(&["maybe"]));
        let beside = |labels: &[&str]| beside_rows(&texts(labels), [&train, &scored]).unwrap();
        assert!(beside(&[]).is_empty());
        assert!(beside(&["maybe", "no", "yes"]).is_empty());
        // Answers that the list lacks, and labels that no row has.
        for labels in [&["no", "yes"][..], &["maybe", "never", "no", "yes"]] {
            assert_eq!(beside(labels), labels);
        }
    }

    #[test]
    fn labels_are_spelled_as_the_training_rows_write_them() {
        let found =
            |labels: &[&str], answers: &[&str]| spelled(&texts(labels), &rows(answers)).unwrap();
        assert_eq!(found(&["a", "b"], &["b", "a"]), ["a", "b"]);
        // The first spelling counts; "c" stands in no row.
        let mixed = [" a\n", "b", "a"];
        assert_eq!(found(&["a", "b", "c"], &mixed), [" a\n", "b", " c\n"]);
        assert!(found(&[], &[" a"]).is_empty());
    }

    #[test]
    fn labels_that_cannot_be_an_answer_are_named() {
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
            "added_tokens": [{"id": 0, "content": "<end>", "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false}],
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "unk_token": "<unk>",
                "vocab": {"<end>": 0, "<unk>": 1, "good": 2, "bad": 3}}
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, file.to_string()).unwrap();
        let tokenizer = TextTokenizer::open(&path, vec![0], Framing::Continuation).unwrap();
        let said = |labels: &[&str], scores| remarks(&texts(labels), scores, 1, &tokenizer);
        let labels = ["good", "very bad", "so bad", "bad"];
        let long = "label \"very bad\" has 2 tokens, 1 are generated: it cannot be answered";
        let same = "label \"so bad\" has the tokens of \"very bad\": by its likelihood it is never the answer";
        let none = said(&labels, LabelScores::None).unwrap();
        assert_eq!((none.len(), none[0].as_str()), (2, long));
        let beside = said(&labels, LabelScores::Beside).unwrap();
        assert_eq!(beside.len(), 3);
        assert!(beside.contains(&long.to_string()) && beside.contains(&same.to_string()));
        assert_eq!(said(&labels, LabelScores::Instead).unwrap(), [same]);
        assert!(said(&["good", " "], LabelScores::None).unwrap().is_empty());
        let error = said(&["good", " "], LabelScores::Beside).unwrap_err();
        assert!(
            error.to_string().contains("no token in the label \" \""),
            "{error}"
        );
    }
}
