//! How the inputs of earlier tasks were summed decides how those of later tasks are.

use std::path::Path;

use crate::{jsonl, model, rows, run, said, succeed, text};

const SMALL: [&str; 10] = [
    "--set",
    "calibration.base_rows=8",
    "--set",
    "calibration.base_tokens=8",
    "--set",
    "calibration.rows_per_task=8",
    "--questions",
    "0",
    "--valid",
    "none",
];

fn finetune<'a>(model: &'a str, data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["finetune", "--model", model, "--data", data, "--out", out];
    arguments.extend(["--epochs", "1", "--max-length", "96"]);
    arguments.extend(SMALL);
    arguments.extend(more);
    arguments
}

/// The settings of the moment that a folder was learned with.
fn moment(folder: &Path) -> toml::Table {
    let config = std::fs::read_to_string(folder.join("osft/config.toml")).unwrap();
    let config: toml::Table = toml::from_str(&config).unwrap();
    config["methods"]["osft"]["moment"]
        .as_table()
        .unwrap()
        .clone()
}

#[test]
fn a_later_task_is_summed_as_the_first_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let path = |name: &str| text(&at(name));
    let [tone, choice] = ["tone", "choice"].map(|task| {
        let name = format!("{task}.jsonl");
        jsonl(folder.path(), &name, &rows(task, "train", 16))
    });
    let base = text(&model());
    let own = [
        "--set",
        "methods.osft.moment.tokens=own",
        "--set",
        "methods.osft.moment.skip_first=0",
    ];
    let (first, second, third) = (path("first"), path("second"), path("third"));
    succeed(&finetune(&base, &tone, &first, &own));
    assert_eq!(moment(&at("first"))["tokens"].as_str(), Some("own"));

    succeed(&finetune(&first, &choice, &second, &[]));
    assert_eq!(moment(&at("second")), moment(&at("first")));
    let unit = ["--set", "methods.osft.moment.tokens=unit"];
    let output = run(&finetune(&first, &choice, &third, &unit));
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("another moment"), "{said}");
    assert!(!at("third").exists());

    // A new sequence takes the default.
    let fresh = path("fresh");
    succeed(&finetune(&base, &tone, &fresh, &[]));
    assert_eq!(moment(&at("fresh"))["tokens"].as_str(), Some("unit"));
}
