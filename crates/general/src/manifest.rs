//! Which files a folder of data must hold, and whether it does.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::GeneralError;
use crate::files;
use crate::hash::Hasher;

/// The files of a folder of data, with where they are from and their checksums; a TOML file.
///
/// ```toml
/// [[file]]
/// path = "gsm8k.jsonl"
/// url = "https://example.org/test.jsonl"
/// bytes = 3
/// sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
/// licence = "MIT"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The files.
    #[serde(rename = "file")]
    pub files: Vec<ManifestFile>,
}

/// One file of a folder of data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its path below the folder, with `/` between its parts.
    pub path: String,
    /// Where it can be downloaded.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// The terms of its content.
    pub licence: String,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It has another size.
    Size {
        /// Its size in bytes.
        found: u64,
    },
    /// It has another content.
    Checksum {
        /// Its SHA-256 in hexadecimal digits.
        found: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => out.write_str("is missing"),
            Self::Size { found } => write!(out, "has another size: {found} bytes"),
            Self::Checksum { found } => write!(out, "has another content: SHA-256 {found}"),
        }
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Io`]; [`GeneralError::File`] if it is not such a TOML file, a path leaves
    /// the folder or is named twice, or a checksum is none.
    pub fn read(path: &Path) -> Result<Self, GeneralError> {
        let text = files::text(path)?;
        let manifest: Self = toml::from_str(&text)
            .map_err(|error| GeneralError::file(path, error.message().replace('\n', " ")))?;
        for (index, file) in manifest.files.iter().enumerate() {
            if let Some(reason) = file.flaw() {
                return Err(GeneralError::file(path, reason));
            }
            let mut before = manifest.files[..index].iter();
            if before.any(|other| other.path == file.path) {
                let reason = format!("{:?} is named twice", file.path);
                return Err(GeneralError::file(path, reason));
            }
        }
        Ok(manifest)
    }

    /// The files of a folder that are missing or differ, with what is wrong with them; none if the
    /// folder is whole.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Io`] if a file is there but cannot be read; [`GeneralError::Setting`] if a
    /// path leaves the folder.
    pub fn verify(&self, folder: &Path) -> Result<Vec<(&ManifestFile, Fault)>, GeneralError> {
        let mut faults = Vec::new();
        for file in &self.files {
            if let Some(fault) = file.verify(folder)? {
                faults.push((file, fault));
            }
        }
        Ok(faults)
    }
}

impl ManifestFile {
    /// What is wrong with this file in a folder; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// As for [`Manifest::verify`].
    pub fn verify(&self, folder: &Path) -> Result<Option<Fault>, GeneralError> {
        if self.flaw().is_some() {
            return Err(GeneralError::Setting {
                setting: "the path and checksum of a file",
                expected: "a path below the folder and 64 hexadecimal digits",
                found: format!("{:?} and {:?}", self.path, self.sha256),
            });
        }
        let path = folder.join(&self.path);
        let io = |error| GeneralError::Io {
            path: PathBuf::from(&path),
            error,
        };
        let mut opened = match File::open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Fault::Missing)),
            Err(error) => return Err(io(error)),
        };
        let found = opened.metadata().map_err(io)?.len();
        if found != self.bytes {
            return Ok(Some(Fault::Size { found }));
        }
        let mut hasher = Hasher::default();
        io::copy(&mut opened, &mut hasher).map_err(io)?;
        let found = hasher.finish();
        let is_same = found.eq_ignore_ascii_case(&self.sha256);
        Ok((!is_same).then_some(Fault::Checksum { found }))
    }

    fn flaw(&self) -> Option<String> {
        let mut parts = Path::new(&self.path).components();
        let is_below = parts.all(|part| matches!(part, Component::Normal(_)));
        if self.path.is_empty() || !is_below {
            return Some(format!("{:?} is not a path below the folder", self.path));
        }
        let digits = self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.sha256.len() != 64 || !digits {
            let reason = "is not a SHA-256: expected 64 hexadecimal digits";
            return Some(format!("{:?} of {:?} {reason}", self.sha256, self.path));
        }
        None
    }
}
