//! Which crate may use which, and which room of a crate: read from the manifests and the `use` lines.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The crates of the workspace, by name, with their folders.
fn crates() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::from([("experiments".to_string(), root().join("experiments"))]);
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.insert(name, path);
    }
    found
}

/// What a crate may use of its siblings, but for tests.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("osft", &[]),
    ("lm", &[]),
    ("benchmarks", &[]),
    ("synthetic", &["lm", "benchmarks"]),
    ("continual", &["osft", "lm"]),
    (
        "experiments",
        &["osft", "lm", "benchmarks", "synthetic", "continual"],
    ),
];

#[test]
fn crates_use_the_siblings_that_they_may() {
    let crates = crates();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let names: Vec<&str> = crates.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        allowed.keys().copied().collect::<Vec<_>>(),
        "the crates there are"
    );
    for (name, folder) in &crates {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        // From its heading to the next one.
        let section = manifest
            .split("\n[")
            .find(|section| section.starts_with("dependencies]"));
        let lines = section.unwrap_or_default().lines();
        let used = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
        for sibling in used.filter(|used| crates.contains_key(*used)) {
            assert!(
                allowed[name.as_str()].contains(&sibling),
                "{name} uses {sibling}, which it may not"
            );
        }
    }
}

/// Files of a crate's source with the rooms that they belong to: the first folder, or the file's own name.
fn rooms(source: &Path) -> Vec<(String, PathBuf)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut files = Vec::new();
    walk(source, &mut files);
    let files = files.into_iter();
    files
        .map(|path| {
            let inside = path.strip_prefix(source).unwrap();
            let first = inside.components().next().unwrap().as_os_str();
            let room = first.to_string_lossy().trim_end_matches(".rs").to_string();
            (room, path)
        })
        .collect()
}

/// Rooms that each room names in a `use crate::…` line, itself not counted.
fn uses(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let files = rooms(source);
    let all: BTreeSet<String> = files.iter().map(|(room, _)| room.clone()).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (room, path) in files {
        let text = fs::read_to_string(path).unwrap();
        // What tests use is their affair.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let named = text.lines().filter_map(|line| {
            let line = line.trim_start();
            line.split_once("use crate::")
                .filter(|(before, _)| !before.contains("//"))
        });
        for (_, named) in named {
            let first = named.split([':', ';', ' ']).next().unwrap().to_string();
            assert!(
                all.contains(&first),
                "use crate::{named} names no room: import from where it lives"
            );
            if first != room {
                uses.entry(room.clone()).or_default().insert(first);
            }
        }
    }
    uses
}

/// A way from a room back to itself.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        room: &str,
        uses: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if way.iter().any(|passed| passed == room) {
            way.push(room.to_string());
            return true;
        }
        if done.contains(room) {
            return false;
        }
        way.push(room.to_string());
        for next in uses.get(room).into_iter().flatten() {
            if visit(next, uses, way, done) {
                return true;
            }
        }
        way.pop();
        done.insert(room.to_string());
        false
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|room| {
        let mut way = Vec::new();
        visit(room, uses, &mut way, &mut done).then_some(way)
    })
}

#[test]
fn rooms_of_the_method_depend_one_way() {
    let uses = uses(&root().join("crates/osft/src"));
    assert!(uses.len() > 5, "the rooms were not found: {uses:?}");
    assert_eq!(circle(&uses), None, "{uses:#?}");
    // Errors name a measure, decompositions use nothing, the life of a module most of the rest.
    assert_eq!(Vec::from_iter(&uses["error"]), ["importance_measure"]);
    assert!(!uses.contains_key("linalg"));
    assert!(uses["lifecycle"].contains("form") && uses["form"].contains("split"));
}

/// Files that the document names exist, and it names every room of the method.
#[test]
fn the_map_shows_what_is_there() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let source = root().join("crates/osft/src");
    let mut named = 0;
    for quoted in text.split('`').skip(1).step_by(2) {
        let is_path = quoted.contains('/') && !quoted.contains(' ');
        if is_path {
            let found = [root().join(quoted), source.join(quoted)];
            assert!(
                found.iter().any(|path| path.exists()),
                "{quoted} is not there"
            );
            named += 1;
        }
    }
    assert!(named > 15, "{named} paths were found");
    // Rooms stand below those that they use.
    let table = text.find("## Rooms of `osft`").unwrap();
    for (room, used) in uses(&source) {
        for used in used.iter().filter(|used| *used != "importance_measure") {
            let [above, below] = [used, &room].map(|room| {
                let of = &text[table + 10..];
                of.find(&format!("| `{room}`")).unwrap_or(usize::MAX)
            });
            assert!(above < below, "{room} uses {used}, which stands below it");
        }
    }
    for (room, _) in rooms(&source) {
        assert!(
            room == "lib" || text.contains(&format!("`{room}`")),
            "{room} is not on the map"
        );
    }
    for name in crates().keys() {
        assert!(
            text.contains(&format!("| `{name}` |")),
            "{name} is not on the map"
        );
    }
}

#[test]
fn a_circle_is_found() {
    let of = |pairs: &[(&str, &str)]| {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            uses.entry((*from).to_string())
                .or_default()
                .insert((*to).to_string());
        }
        circle(&uses)
    };
    assert_eq!(of(&[("a", "b"), ("b", "c"), ("a", "c")]), None);
    let found = of(&[("a", "b"), ("b", "c"), ("c", "b")]).unwrap();
    assert_eq!(found, ["a", "b", "c", "b"]);
}
