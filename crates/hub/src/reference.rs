//! Names of models: `ORGANIZATION/NAME`, `ORGANIZATION/NAME@REVISION`, `ORGANIZATION/NAME/FILE.gguf`.

use std::fmt;
use std::str::FromStr;

use crate::error::HubError;

/// Branch that the hub shows first.
const DEFAULT_REVISION: &str = "main";
/// Longest name of a repository, with its organization, and longest revision, in bytes.
const LONGEST: usize = 96;
const LONGEST_REVISION: usize = 250;
/// Suffix of files that are whole models.
const GGUF: &str = ".gguf";

/// A model of the hub, at a revision; or one file of it.
///
/// # References
///
/// Names are those that `huggingface_hub.utils.validate_repo_id` accepts, with an organization; revisions are a
/// part of what `git check-ref-format` accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    model: String,
    file: Option<String>,
    revision: Option<String>,
}

impl Reference {
    /// The model, as `ORGANIZATION/NAME`.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The GGUF file that was named, relative to the model.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Branch, tag or commit: `main` if none was named.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(DEFAULT_REVISION)
    }

    /// Branch, tag or commit, if one was named.
    pub fn named_revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// Whether the revision is a commit, which never changes.
    pub fn is_commit(&self) -> bool {
        is_commit(self.revision())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)?;
        if let Some(file) = &self.file {
            write!(f, "/{file}")?;
        }
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let failed = |reason: String| HubError::Reference {
            text: text.to_string(),
            reason,
        };
        let (path, revision) = match text.split_once('@') {
            Some((path, revision)) => (path, Some(revision)),
            None => (text, None),
        };
        let mut parts = path.splitn(3, '/');
        let (Some(organization), Some(name)) = (parts.next(), parts.next()) else {
            return Err(failed("it has no organization before a \"/\"".to_string()));
        };
        let file = parts.next();
        check_name(organization).map_err(failed)?;
        check_name(name).map_err(failed)?;
        let model = format!("{organization}/{name}");
        if model.len() > LONGEST {
            return Err(failed(format!("the name is longer than {LONGEST} bytes")));
        }
        if let Some(file) = file
            && !is_gguf(file)
        {
            return Err(failed(format!("{file:?} is not the path of a GGUF file")));
        }
        if let Some(revision) = revision {
            check_revision(revision).map_err(failed)?;
        }
        Ok(Self {
            model,
            file: file.map(str::to_string),
            revision: revision.map(str::to_string),
        })
    }
}

/// Whether a revision is the full name of a commit.
pub(crate) fn is_commit(revision: &str) -> bool {
    is_hex(revision, 40)
}

/// Whether a text is so many digits in base 16, in lower case as Git writes them.
pub(crate) fn is_hex(text: &str, digits: usize) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == digits && text.bytes().all(digit)
}

/// Whether a path names a file below a folder, by its parts.
pub(crate) fn is_safe_path(path: &str) -> bool {
    let safe = |part: &str| !matches!(part, "" | "." | "..");
    let odd = |c: char| c == '\\' || c.is_control();
    !path.contains(odd) && path.split('/').all(safe)
}

/// Whether a path names a GGUF file; a colon would name a drive on some systems.
fn is_gguf(path: &str) -> bool {
    let stem = path.strip_suffix(GGUF);
    is_safe_path(path)
        && stem.is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/') && !stem.contains(':'))
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let reason = if name.is_empty() {
        "a part of the name is empty".to_string()
    } else if let Some(other) = name.chars().find(|c| !allowed(*c)) {
        format!("{other:?} is not a letter, a digit, \"-\", \"_\" or \".\"")
    } else if name.starts_with(['-', '.']) || name.ends_with(['-', '.']) {
        format!("{name:?} begins or ends with \"-\" or \".\"")
    } else if name.contains("--") || name.contains("..") {
        format!("{name:?} has \"--\" or \"..\" in it")
    } else if name.ends_with(".git") {
        format!("{name:?} ends with \".git\"")
    } else {
        return Ok(());
    };
    Err(reason)
}

fn check_revision(revision: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.+/".contains(c);
    let wrong = |part: &str| part.is_empty() || part.starts_with(['.', '-']) || part.ends_with('.');
    let reason = if revision.len() > LONGEST_REVISION {
        format!("the revision is longer than {LONGEST_REVISION} bytes")
    } else if let Some(other) = revision.chars().find(|c| !allowed(*c)) {
        format!("{other:?} is not in the name of a revision")
    } else if revision.split('/').any(wrong) || revision.contains("..") {
        format!("{revision:?} is not the name of a branch, tag or commit")
    } else {
        return Ok(());
    };
    Err(reason)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let long = format!("a/{}", "b".repeat(94));
        for text in [
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            "a/b@main",
            "a/b@refs/pr/1",
            "a/b@v1.0+x_y",
            &format!("a/b@{commit}"),
            "a/b/c.gguf",
            "a/b/folder/c-Q4_K.gguf@main",
            &long,
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(reference.is_commit(), text.ends_with(commit));
        }
        let reference: Reference = "a/b/c/d.gguf@x/y".parse().unwrap();
        assert_eq!(reference.model(), "a/b");
        assert_eq!(reference.file(), Some("c/d.gguf"));
        assert_eq!(reference.revision(), "x/y");
        assert_eq!("a/b".parse::<Reference>().unwrap().revision(), "main");
    }

    #[test]
    fn what_no_name_may_hold_is_refused() {
        let long = format!("a/{}", "b".repeat(95));
        let long_revision = format!("a/b@{}", "c".repeat(251));
        for text in [
            "",
            "gpt2",
            "/",
            "a/",
            "/b",
            "a//b.gguf",
            "./b",
            "../b",
            "a/..",
            "-a/b",
            "a/b-",
            "a/b--c",
            "a/b..c",
            "a/b.git",
            "a/b c",
            "a/b\n",
            "a/bé",
            "a/b?x=y",
            "https://huggingface.co/a/b",
            "a/b@",
            "a/b@/x",
            "a/b@x/",
            "a/b@x//y",
            "a/b@../x",
            "a/b@x/../y",
            "a/b@-x",
            "a/b@x y",
            "a/b@x@y",
            "a/b@x\\y",
            "a/b/c.bin",
            "a/b/.gguf",
            "a/b/../c.gguf",
            "a/b//c.gguf",
            "a/b/c:d.gguf",
            "a/b/c\\d.gguf",
            &long,
            &long_revision,
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(
                matches!(error, HubError::Reference { .. }),
                "{text:?}: {error}"
            );
            assert_eq!(error.to_string().lines().count(), 1, "{text:?}");
        }
    }
}
