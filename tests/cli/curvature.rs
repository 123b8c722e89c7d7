//! Curvature along the directions of single weights.

use std::fs;

use super::{experiments, fail, scratch, succeed};

/// One small layer of the built-in model, few rows and directions.
const SMALL: [&str; 13] = [
    "curvature",
    "--layer",
    r"layers\.1\.self_attn\.[kv]_proj",
    "--rows",
    "4",
    "--tokens",
    "8",
    "--directions",
    "3",
    "--outputs",
    "1",
    "--out",
    "seen",
];

#[test]
fn curvature_is_reported_and_goes_on_with_the_layers_that_are_missing() {
    let folder = scratch();
    let shown = succeed(folder.path(), &SMALL);
    for word in [
        "2 layers, 0 measured before; 18 directions, 104 to 176 losses over 4 rows",
        "layers.1.self_attn.k_proj",
        "128x64",
        "singular inputs",
        "differ by > 10 %",
    ] {
        assert!(shown.contains(word), "no {word} in\n{shown}");
    }
    let seen = folder.path().join("seen");
    let report = fs::read_to_string(seen.join("report.md")).unwrap();
    assert!(report.contains("experiments curvature --layer"), "{report}");
    assert!(report.contains("Kendall"), "{report}");
    let picture = fs::read_to_string(seen.join("curvature.svg")).unwrap();
    assert!(picture.contains("k_proj") && picture.contains("<circle"));
    let values = seen.join("layers.1.self_attn.v_proj.weight.csv");
    let points = fs::read_to_string(&values).unwrap();
    // Three directions of three sets below the names of the columns.
    assert_eq!(points.lines().count(), 1 + 9, "{points}");
    assert!(points.contains("\nsingular_inputs,64,1,"), "{points}");

    // As after a stop between the two layers: the numbers of the second one are the same again.
    fs::remove_file(&values).unwrap();
    let again = succeed(folder.path(), &SMALL);
    assert!(again.contains("1 measured before; 9 directions"), "{again}");
    assert_eq!(fs::read_to_string(&values).unwrap(), points);
    let tables = |text: &str| text.split("Spearman").nth(1).unwrap().to_string();
    assert_eq!(tables(&again), tables(&shown));
}

#[test]
fn wrong_layers_and_folders_of_other_measurements_are_refused() {
    let folder = scratch();
    let with = |layer: &str, rows: &str| {
        let mut arguments = SMALL.to_vec();
        (arguments[2], arguments[4]) = (layer, rows);
        fail(folder.path(), &arguments)
    };
    let error = with(r"layers\.9\.", "4");
    assert!(error.contains("matches none of the 29"), "{error}");
    let error = with("embed_tokens", "4");
    assert!(
        error.contains("embed_tokens.weight is no linear layer"),
        "{error}"
    );
    // The folder was begun with four rows.
    let error = with("k_proj", "5");
    assert!(error.contains("was begun with"), "{error}");
}

#[test]
fn a_text_without_a_row_to_predict_is_refused() {
    let folder = scratch();
    fs::write(folder.path().join("empty.txt"), "\n\n").unwrap();
    let arguments = [&SMALL[..11], &["--text", "empty.txt"]].concat();
    let error = fail(folder.path(), &arguments);
    assert!(error.contains("empty.txt has no line with text"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_measurement_stops_at_a_request_and_keeps_whole_layers_only() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let folder = scratch();
    let mut command = Command::new(experiments(folder.path()).get_program());
    // All layers of the model with all directions: nothing ends by itself before the signal arrives.
    let mut child = command
        .args(["curvature", "--out", "seen"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("Decompositions")));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let left = fs::read_dir(folder.path().join("seen")).unwrap();
    let mut names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["settings.json"]);
}
