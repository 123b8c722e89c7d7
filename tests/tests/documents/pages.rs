//! The pages and what they are made of; their length and their links.

use std::path::Path;

use integration_tests::repository;

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Paths of all pages that are written by hand.
pub fn pages() -> Vec<String> {
    let mut pages: Vec<String> = [
        "README.md",
        "REPRODUCIBILITY.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "crates/osft/README.md",
        "results/README.md",
    ]
    .map(str::to_string)
    .into();
    let docs = std::fs::read_dir(repository().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    pages.extend(docs.map(|name| format!("docs/{name}")));
    pages.sort();
    pages
}

/// The lines of code blocks, fenced (`sh` or without a language) or indented, and all other lines.
pub fn code_and_text(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut code, mut text) = (Vec::new(), Vec::new());
    let mut fence: Option<String> = None;
    let mut after_empty = true;
    for line in page.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = match fence {
                Some(_) => None,
                None => Some(language.to_string()),
            };
            continue;
        }
        match &fence {
            Some(language) if ["", "sh", "bash"].contains(&language.as_str()) => {
                code.push(line.to_string())
            }
            Some(_) => (),
            None if line.starts_with("    ") && after_empty => {
                code.push(line.trim_start().to_string());
                continue;
            }
            None => text.push(line.to_string()),
        }
        after_empty = line.trim().is_empty();
    }
    (code, text)
}

/// The targets of the links and pictures of a text.
pub fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split(')').next())
        .map(str::to_string)
        .collect()
}

/// A link's path from the root of the repository, without its anchor; `None` for another site.
pub fn local(page: &str, link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let path = link.split('#').next().unwrap();
    if path.is_empty() {
        return Some(page.to_string());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => assert!(parts.pop().is_some(), "{page}: {link}"),
            "." | "" => (),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || "- _".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for page in pages() {
        for link in links(&read(&page)) {
            let Some(path) = local(&page, &link) else {
                continue;
            };
            assert!(repository().join(&path).exists(), "{page}: {link}");
            if let Some((_, wanted)) = link.split_once('#') {
                let target = read(&path);
                let mut headings = target.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|line| anchor(line) == wanted),
                    "{page}: {link}"
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn pages_are_complete() {
    for page in pages() {
        let text = read(&page);
        assert!(!text.contains("@@"), "{page} has a gap");
        // One mark too few would take text for code, and code for text, from there on.
        let (_, lines) = code_and_text(&text);
        let marks = lines.join("\n").matches('`').count();
        assert!(marks.is_multiple_of(2), "{page} has {marks} backticks");
    }
}

#[test]
fn pages_are_short() {
    for page in pages() {
        let limit = match page.as_str() {
            "README.md" => 130,
            page if page.starts_with("docs/") => 200,
            _ => continue,
        };
        let lines = read(&page).lines().count();
        assert!(lines <= limit, "{page} has {lines} lines, at most {limit}");
    }
    assert!(Path::new(&repository()).join("LICENSE-MIT").is_file());
}
