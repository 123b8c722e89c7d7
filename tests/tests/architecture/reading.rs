//! What the manifests and the sources say: crates, modules, and what each names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The crates of the workspace, by name, with their folders.
pub fn crates() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::from([("experiments".to_string(), root().join("experiments"))]);
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.insert(name, path);
    }
    found
}

/// Files of a crate's source with the modules that they belong to: the first folder, or the file's own name.
pub fn modules(source: &Path) -> Vec<(String, PathBuf)> {
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
            let module = first.to_string_lossy().trim_end_matches(".rs").to_string();
            (module, path)
        })
        .collect()
}

/// A source text without comments and without its tests: what those use is their affair.
fn code(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with("tests.rs") {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\nmod tests {").next();
    let lines = text.unwrap_or_default().lines();
    let code = lines.map(|line| line.split_once("//").map_or(line, |(before, _)| before));
    code.collect::<Vec<_>>().join("\n")
}

/// The first names behind every `crate::`, in `use` lines and elsewhere; several behind `crate::{`.
///
/// # Errors
///
/// What cannot be read as a list of names.
pub fn named(code: &str) -> Result<Vec<String>, String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let first = |path: &str| path.split(|c| !is_name(c)).next().map(str::to_string);
    let mut names = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        // `$crate::` of a macro names the crate as its users see it.
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c == '$' || is_name(c)) {
            continue;
        }
        let path = &code[start + "crate::".len()..];
        let unread = || path.lines().next().unwrap_or_default().to_string();
        let paths = match path.strip_prefix('{') {
            None => vec![path],
            Some(group) => outer_parts(group).ok_or_else(unread)?,
        };
        let found: Vec<String> = paths.into_iter().filter_map(first).collect();
        if found.is_empty() || found.iter().any(String::is_empty) {
            return Err(unread());
        }
        names.extend(found);
    }
    Ok(names)
}

/// The parts of `a::X, b::{Y, Z}}…` between the commas of the outermost braces, up to their end.
fn outer_parts(group: &str) -> Option<Vec<&str>> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (place, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let part = group[start..place].trim();
                parts.extend((!part.is_empty()).then_some(part));
                start = place + 1;
                if c == '}' {
                    return Some(parts);
                }
            }
            _ => {}
        }
    }
    None
}

/// Modules that each module names by a path from the crate's root, itself not counted.
pub fn uses(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let files = modules(source);
    let all: BTreeSet<String> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, path) in files {
        let code = code(&path);
        let inside = path.strip_prefix(source).unwrap();
        let shown = path.display();
        // Where `super` is the crate's root.
        let at_root = match inside.components().count() {
            1 => true,
            2 => inside.ends_with("mod.rs"),
            _ => false,
        };
        let leaves = match at_root {
            true => code.contains("super::"),
            false => code.contains("super::super::"),
        };
        assert!(!leaves, "{shown}: name another module by `crate::`");
        let named = named(&code);
        let named = named.unwrap_or_else(|path| panic!("{shown}: cannot read crate::{path}"));
        for first in named {
            assert!(
                all.contains(&first),
                "{shown}: crate::{first} names no module: import from where it lives"
            );
            if first != module {
                uses.entry(module.clone()).or_default().insert(first);
            }
        }
    }
    uses
}
