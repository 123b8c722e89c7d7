//! The protocol `trace`: configurations of OpenCompass.

use general::{Expected, Protocol::Trace, Request, Scope};
use serde_json::json;

use crate::common::{folder, lines, open, prompt};
use crate::{bbh, boolq, choices, gsm8k, limits, mmlu, piqa, shared};

#[test]
fn mmlu_puts_a_blank_line_behind_every_example() {
    let folder = folder(&mmlu());
    let suite = open("mmlu", Trace, folder.path());
    let examples = "The following are multiple choice questions (with answers) about  virology.\n\n\
        v0\nA. v01\nB. two\nC. \nD.  4\nAnswer: B\n\n\
        v1\nA. v11\nB. two\nC. \nD.  4\nAnswer: A\n\n\
        v2\nA. v21\nB. two\nC. \nD.  4\nAnswer: D\n\n\
        v3\nA. v31\nB. two\nC. \nD.  4\nAnswer: C\n\n\
        v4\nA. v41\nB. two\nC. \nD.  4\nAnswer: A\n\n";
    assert_eq!(shared(&suite, 0), examples);
    let question = " What\nis it? \nA.  What\nis it? 1\nB. two\nC. \nD.  4\nAnswer: ";
    assert_eq!(prompt(&suite, 0), format!("{examples}{question}"));
    assert_eq!(
        choices(&suite, 0),
        (vec!["A", "B", "C", "D"], Scope::WholeText)
    );
    assert_eq!(suite.rows()[0].expected, Expected::Choice(2));

    let other = prompt(&suite, 1);
    let start = "The following are multiple choice questions (with answers) about  high school physics.\n\nh0\nA. h01\n";
    assert!(other.starts_with(start), "{other}");
    let end = "Answer: A\n\né {A}\nA. é {A}1\nB. two\nC. \nD.  4\nAnswer: ";
    assert!(other.ends_with(end), "{other}");
}

#[test]
fn gsm8k_joins_four_fixed_examples_by_line_breaks() {
    let folder = folder(&gsm8k());
    let suite = open("gsm8k", Trace, folder.path());
    let expected = "Question: Q1\nLet's think step by step\nAnswer:\nIt is 1.\nThe answer is 1\n\n\
        Question: Q2\nLet's think step by step\nAnswer:\nIt is 2.\nThe answer is 2\n\n\
        Question: Q3\nLet's think step by step\nAnswer:\nIt is 3.\nThe answer is 3\n\n\
        Question: Q4\nLet's think step by step\nAnswer:\nIt is 4.\nThe answer is 4\n\n";
    assert_eq!(shared(&suite, 0), expected);
    assert_eq!(shared(&suite, 1), expected);
    let question = "Question: How many?\nLet's think step by step\nAnswer:";
    assert_eq!(prompt(&suite, 0), format!("{expected}{question}"));
    assert_eq!(limits(&suite, 0), (vec![], 512));
}

#[test]
fn bbh_asks_to_follow_the_examples() {
    let folder = folder(&bbh());
    let suite = open("bbh", Trace, folder.path());
    let expected = "Follow the given examples and answer the question.\nGo.\n\n\
        Q: Left?\nA: Let's think step by step.\nIt is. So the answer is Yes.\n\n\
        Q: Right?\nOptions:\n- Yes\nA: Let's think step by step.";
    assert_eq!(prompt(&suite, 0), expected);
    assert!(expected.starts_with(shared(&suite, 0)) && shared(&suite, 0).ends_with("Yes.\n\n"));
    assert_eq!(limits(&suite, 0), (vec![], 512));
    let expected = "Follow the given examples and answer the question.\nJudge.\n\n\
        Q: Plausible?\nA: Let's think step by step. It is. So the answer is yes.\n\n\
        Q: \"x\"\nA: Let's think step by step.";
    assert_eq!(prompt(&suite, 1), expected);
}

#[test]
fn tydiqa_speaks_the_language_of_the_row() {
    let frames = json!({
        "english": {"instruction": "Do.", "passage": "Passage:", "question": "Question:", "answer": "Answer:"},
        "finnish": {"instruction": "Tee.", "passage": "Kappale:", "question": "Kysymys:", "answer": "Vastaus:"},
    });
    let row = |language: &str, answers: &[&str]| json!({"language": language, "id": "x-1", "question": "Who?", "context": "It is\nhe.", "answers": answers});
    let files = [
        (
            "tydiqa.jsonl",
            lines([row("finnish", &["hän", "he"]), row("english", &["he"])]),
        ),
        ("prompts/tydiqa_trace.json", frames.to_string()),
    ];
    let folder = folder(&files);
    let suite = open("tydiqa", Trace, folder.path());
    let expected = "Tee.\n\nKappale:It is\nhe.\nKysymys: Who?\nVastaus: ";
    assert_eq!(prompt(&suite, 0), expected);
    let expected = "Do.\n\nPassage:It is\nhe.\nQuestion: Who?\nAnswer: ";
    assert_eq!(prompt(&suite, 1), expected);
    assert_eq!(limits(&suite, 0), (vec![], 50));
    assert_eq!(suite.rows()[0].texts(), ["hän", "he"]);
    assert_eq!(suite.rows()[0].group, "finnish");
}

#[test]
fn boolq_is_two_lines_behind_the_passage() {
    let folder = folder(&boolq());
    let suite = open("boolq", Trace, folder.path());
    assert_eq!(prompt(&suite, 0), "So -- It is so.\nQuestion: is it so?\n");
    assert_eq!(choices(&suite, 0), (vec!["No", "Yes"], Scope::WholeText));
    assert_eq!(suite.rows()[0].expected, Expected::Choice(1));
}

#[test]
fn piqa_makes_sense() {
    let folder = folder(&piqa());
    let suite = open("piqa", Trace, folder.path());
    assert_eq!(
        prompt(&suite, 0),
        "The following makes sense: \nQ: Dry a cup\nA: "
    );
    let expected = (vec!["Wipe it.\n", "Fill it\n"], Scope::WholeText);
    assert_eq!(choices(&suite, 0), expected);
    assert_eq!(suite.rows()[0].expected, Expected::Choice(0));
}

#[test]
fn the_loss_reads_lines_as_they_are() {
    let folder = folder(&[(
        "wiki.txt",
        " One text.\r\n\n   \nAnother \"text\"\n".to_string(),
    )]);
    let suite = open("loss", Trace, folder.path());
    let texts = suite.rows().iter().map(|row| match &row.request {
        Request::Loss { text, max_tokens } => (text.as_str(), *max_tokens),
        other => panic!("{other:?}"),
    });
    let expected = [(" One text.", 768), ("Another \"text\"", 768)];
    assert_eq!(texts.collect::<Vec<_>>(), expected);
}
