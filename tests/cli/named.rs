//! Names in the report of a comparison: variants are told apart, and rows are called what they are.

use std::fs;

use crate::{scratch, succeed, write_plan};

#[test]
fn variants_that_differ_in_their_rate_alone_and_validation_rows_are_named_so() {
    let folder = scratch();
    let variants = r#"
        [[variants]]
        method = "seqft"
        [[variants]]
        method = "seqft"
        learning_rates = [3e-3]
    "#;
    write_plan(folder.path(), "validation", variants);
    succeed(
        folder.path(),
        &["compare", "--plan", "plan.toml", "--out", "rates"],
    );
    let page = fs::read_to_string(folder.path().join("rates/report.md")).unwrap();
    for words in [
        "seqft (train.learning_rate = 0.003)",
        "seqft (train.learning_rate = 0.001)",
        "and 4 validation rows per task",
        "over seeds and validation rows",
    ] {
        assert!(page.contains(words), "no {words} in\n{page}");
    }
}
