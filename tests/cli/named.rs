//! Names in the report of a comparison: variants are told apart, and rows are called what they are.

use std::fs;

use crate::{scratch, succeed};

#[test]
fn variants_that_differ_in_their_rate_alone_and_validation_rows_are_named_so() {
    let folder = scratch();
    let plan = r#"
        title = "t"
        rows = "validation"
        seeds = [0]
        [run]
        order = "stance,sums"
        limit_train = 16
        limit_test = 4
        epochs = 1
        calibration = { base_rows = 8 }
        [[variants]]
        method = "seqft"
        learning_rates = [1e-3]
        [[variants]]
        method = "seqft"
        learning_rates = [3e-3]
    "#;
    fs::write(folder.path().join("plan.toml"), plan).unwrap();
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
