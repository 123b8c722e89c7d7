//! Which crate may use which, which module of a crate which other, and that the map in `docs/architecture.md`
//! and `docs/modules.md` shows what is there.

#![allow(clippy::unwrap_used)]

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use reading::{crates, modules, named, root, uses};

/// What a crate may use of its siblings, but for tests.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("kernels", &[]),
    ("osft", &["kernels"]),
    ("lm", &["kernels"]),
    ("gguf", &[]),
    ("benchmarks", &[]),
    ("synthetic", &["lm", "benchmarks"]),
    ("continual", &["kernels", "osft", "lm"]),
    ("report", &["continual", "benchmarks"]),
    ("evaluate", &["lm", "general", "report"]),
    (
        "runs",
        &[
            "osft",
            "lm",
            "gguf",
            "hub",
            "general",
            "evaluate",
            "benchmarks",
            "continual",
            "report",
        ],
    ),
    (
        "measure",
        &[
            "kernels",
            "osft",
            "lm",
            "general",
            "evaluate",
            "benchmarks",
            "continual",
            "report",
            "runs",
        ],
    ),
    ("rows", &["lm"]),
    ("general", &["benchmarks"]),
    ("hub", &[]),
    (
        "finetune",
        &[
            "osft",
            "lm",
            "benchmarks",
            "continual",
            "report",
            "rows",
            "runs",
        ],
    ),
    (
        "cli",
        &[
            "osft", "lm", "hub", "general", "evaluate", "report", "rows", "runs", "measure",
            "finetune",
        ],
    ),
    (
        "experiments",
        &[
            "osft",
            "lm",
            "benchmarks",
            "synthetic",
            "continual",
            "report",
            "runs",
            "measure",
        ],
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

/// A way from a module back to itself.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        module: &str,
        uses: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if way.iter().any(|passed| passed == module) {
            way.push(module.to_string());
            return true;
        }
        if done.contains(module) {
            return false;
        }
        way.push(module.to_string());
        for next in uses.get(module).into_iter().flatten() {
            if visit(next, uses, way, done) {
                return true;
            }
        }
        way.pop();
        done.insert(module.to_string());
        false
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|module| {
        let mut way = Vec::new();
        visit(module, uses, &mut way, &mut done).then_some(way)
    })
}

/// Most lines of a file, and of all that the command line is made of.
const LONGEST_FILE: usize = 350;
const COMMAND_LINE: usize = 5_000;

#[test]
fn modules_of_a_crate_depend_one_way() {
    let mut found = 0;
    for (name, folder) in crates() {
        let uses = uses(&folder.join("src"));
        assert_eq!(circle(&uses), None, "{name}: {uses:#?}");
        found += uses.values().map(BTreeSet::len).sum::<usize>();
    }
    assert!(found > 80, "only {found} uses were found");
}

#[test]
fn modules_use_what_they_are_made_of() {
    // Errors name a measure, decompositions use nothing, the life of a module most of the rest.
    let method = uses(&root().join("crates/osft/src"));
    assert_eq!(Vec::from_iter(&method["error"]), ["importance_measure"]);
    assert!(!method.contains_key("linalg"));
    assert!(method["lifecycle"].contains("form") && method["form"].contains("split"));
    // What a family is comes before the families, and their list before folders.
    let models = uses(&root().join("crates/lm/src"));
    assert!(models["families"].contains("model") && models["folder"].contains("families"));
    for basic in ["error", "ops", "generate"] {
        assert!(!models.contains_key(basic), "{basic} uses {models:?}");
    }
    // What a method is comes before the methods and before the loop.
    let protocol = uses(&root().join("crates/continual/src"));
    assert!(protocol["methods"].contains("method") && protocol["trainer"].contains("method"));
    assert!(!protocol["method"].contains("methods") && !protocol["trainer"].contains("methods"));
}

/// Rust files of the repository, all of its folders but what is built.
fn sources() -> Vec<PathBuf> {
    let folders = ["crates", "experiments", "tests"];
    let files = folders
        .into_iter()
        .flat_map(|folder| modules(&root().join(folder)));
    let files = files.map(|(_, path)| path);
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn files_are_short_and_the_command_line_is_thin() {
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    let files = sources();
    assert!(files.len() > 250, "{} files were found", files.len());
    for path in &files {
        let count = lines(path);
        assert!(
            count <= LONGEST_FILE,
            "{} has {count} lines",
            path.display()
        );
    }
    let own = files
        .iter()
        .filter(|path| path.starts_with(root().join("experiments")));
    let all: usize = own.map(|path| lines(path)).sum();
    assert!(all <= COMMAND_LINE, "experiments has {all} lines");
}

/// The crates and their modules.
fn map() -> String {
    let page = |name: &str| fs::read_to_string(root().join("docs").join(name)).unwrap();
    page("architecture.md") + &page("modules.md")
}

/// Files that the pages name exist.
#[test]
fn the_map_names_files_that_are_there() {
    let text = map();
    let mut found = 0;
    for quoted in text.split('`').skip(1).step_by(2) {
        if quoted.contains('/') && !quoted.contains(' ') {
            assert!(root().join(quoted).exists(), "{quoted} is not there");
            found += 1;
        }
    }
    assert!(found > 15, "{found} paths were found");
}

/// It names every crate and every module, and a module stands below those that it uses.
#[test]
fn the_map_shows_every_module() {
    let text = map();
    for (name, folder) in crates() {
        assert!(
            text.contains(&format!("| `{name}` |")),
            "{name} is not on the map"
        );
        let source = folder.join("src");
        let heading = format!("## Modules of `{name}`\n");
        let table = text.split_once(heading.as_str());
        let (_, table) = table.unwrap_or_else(|| panic!("no modules of {name} on the map"));
        let table = table.split("\n## ").next().unwrap();
        // Several modules may share a row.
        let place = |module: &str| {
            let mut rows = table.lines().filter(|line| line.starts_with("| `"));
            let names = |row: &str| row.split('|').nth(1).unwrap_or_default().to_string();
            rows.position(|row| names(row).contains(&format!("`{module}`")))
        };
        for (module, _) in modules(&source) {
            let is_root = ["lib", "main"].contains(&module.as_str());
            assert!(
                is_root || place(&module).is_some(),
                "{module} of {name} is not on the map"
            );
        }
        for (module, used) in uses(&source).iter().filter(|(module, _)| *module != "lib") {
            for used in used {
                assert!(
                    place(used) <= place(module),
                    "{name}: {module} uses {used}, which stands below it"
                );
            }
        }
    }
}

/// A file that no list names would not run, and nothing would say so.
#[test]
fn every_file_of_tests_is_in_the_program_of_its_crate() {
    let mut programs = 0;
    for folder in crates().values().map(|path| path.join("tests")) {
        let Ok(list) = fs::read_to_string(folder.join("main.rs")) else {
            continue;
        };
        programs += 1;
        let entries = fs::read_dir(&folder).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            let is_file = path.extension().is_some_and(|ending| ending == "rs");
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if name != "main" && (is_file || path.join("mod.rs").is_file()) {
                let module = format!("mod {name};");
                assert!(
                    list.lines().any(|line| line == module),
                    "{} is in no program: {module}",
                    path.display()
                );
            }
        }
    }
    assert_eq!(programs, 3);
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

#[test]
fn paths_from_the_root_are_read_however_they_are_written() {
    let code = "use crate::a::X;\npub(crate) use crate::b;\nuse crate::{\n    c::{Y, d::Z},\n    e::{self},\n};\n\
                fn f() { crate::g::h() } macro_rules! m { () => { $crate::X } }";
    assert_eq!(named(code).unwrap(), ["a", "b", "c", "e", "g"]);
    assert_eq!(named("use crate::{a::X, b::Y};").unwrap(), ["a", "b"]);
    for unread in ["use crate::{a::X, b", "use crate::*;", "use crate::{};"] {
        assert!(named(unread).is_err(), "{unread}");
    }
}
