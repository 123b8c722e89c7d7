//! The protocol `lm-eval`: tasks of lm-evaluation-harness.

use general::{Expected, Protocol::LmEval, Scope};

use crate::common::{folder, open, prompt};
use crate::{bbh, boolq, choices, gsm8k, limits, mmlu, piqa, shared};

#[test]
fn mmlu_has_one_space_before_the_subject_and_none_around_the_question() {
    let folder = folder(&mmlu());
    let suite = open("mmlu", LmEval, folder.path());
    let examples = "The following are multiple choice questions (with answers) about virology.\n\n\
        v0\nA. v01\nB. two\nC. \nD.  4\nAnswer: B\n\n\
        v1\nA. v11\nB. two\nC. \nD.  4\nAnswer: A\n\n\
        v2\nA. v21\nB. two\nC. \nD.  4\nAnswer: D\n\n\
        v3\nA. v31\nB. two\nC. \nD.  4\nAnswer: C\n\n\
        v4\nA. v41\nB. two\nC. \nD.  4\nAnswer: A\n\n";
    assert_eq!(shared(&suite, 0), examples);
    let question = "What\nis it?\nA.  What\nis it? 1\nB. two\nC. \nD.  4\nAnswer:";
    assert_eq!(prompt(&suite, 0), format!("{examples}{question}"));
    assert_eq!(
        choices(&suite, 0),
        (vec![" A", " B", " C", " D"], Scope::Choice)
    );
    assert_eq!(suite.rows()[0].expected, Expected::Choice(2));
}

/// CPython 3.11: `r = random.Random(1234); r.sample(range(6), 5)` is [3, 0, 4, 5, 2], then [5, 0, 4, 1, 3].
#[test]
fn gsm8k_draws_five_examples_for_every_row() {
    let folder = folder(&gsm8k());
    let suite = open("gsm8k", LmEval, folder.path());
    let expected = |drawn: [usize; 5], question: &str| {
        let examples = drawn.map(|n| format!("Question: q{n}\nAnswer: a{n}\n#### {n}\n\n"));
        format!("{}Question: {question}\nAnswer:", examples.concat())
    };
    assert_eq!(prompt(&suite, 0), expected([3, 0, 4, 5, 2], "How many?"));
    assert_eq!(prompt(&suite, 1), expected([5, 0, 4, 1, 3], "And now? "));
    let stop = vec!["Question:", "</s>", "<|im_end|>"];
    assert_eq!(limits(&suite, 0), (stop, 256));
    assert_eq!(shared(&suite, 0), "");
}

#[test]
fn bbh_breaks_the_line_behind_the_cue_everywhere() {
    let folder = folder(&bbh());
    let suite = open("bbh", LmEval, folder.path());
    let expected = "Go.\n\nQ: Left?\nA: Let's think step by step.\nIt is. So the answer is Yes.\n\n\
        Q: Right?\nOptions:\n- Yes\nA: Let's think step by step.\n";
    assert_eq!(prompt(&suite, 0), expected);
    let expected = "Judge.\n\nQ: Plausible?\nA: Let's think step by step.\nIt is. So the answer is yes.\n\n\
        Q: \"x\"\nA: Let's think step by step.\n";
    assert_eq!(prompt(&suite, 1), expected);
    assert_eq!(limits(&suite, 0), (vec!["</s>", "Q", "\n\n"], 1024));
}

#[test]
fn boolq_answers_behind_a_cue() {
    let folder = folder(&boolq());
    let suite = open("boolq", LmEval, folder.path());
    let expected = "So -- It is so.\nQuestion: is it so?\nAnswer:";
    assert_eq!(prompt(&suite, 0), expected);
    assert_eq!(choices(&suite, 0), (vec![" no", " yes"], Scope::Choice));
    assert_eq!(suite.rows()[0].expected, Expected::Choice(1));
}

#[test]
fn piqa_answers_behind_a_cue() {
    let folder = folder(&piqa());
    let suite = open("piqa", LmEval, folder.path());
    assert_eq!(prompt(&suite, 0), "Question: Dry a cup\nAnswer:");
    let expected = (vec![" Wipe it.", " Fill it"], Scope::Choice);
    assert_eq!(choices(&suite, 0), expected);
}
