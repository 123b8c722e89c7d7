//! A GGUF file: metadata, table of tensors, and the numbers of a tensor.
//!
//! # References
//!
//! The specification, `docs/gguf.md` of <https://github.com/ggml-org/ggml>.

mod cursor;
mod fingerprint;
mod table;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cursor::Cursor;
pub use table::TensorInfo;
pub use value::{Array, Integers, Value};

use crate::error::GgufError;

const MAGIC: [u8; 4] = *b"GGUF";
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
/// Where tensors may begin if the file does not say so.
const ALIGNMENT: u64 = 32;
/// Longest key, in bytes, by the specification.
const LONGEST_KEY: u64 = 65_535;
/// Fewest bytes of a metadata entry: length of the key, type, value.
const SMALLEST_ENTRY: u64 = 13;

/// A GGUF file. Its metadata are in memory; the numbers of tensors are read when they are asked for.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    file: Mutex<File>,
    metadata: BTreeMap<String, Value>,
    tensors: Vec<TensorInfo>,
}

/// The numbers of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its shape, rows first.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub values: Vec<f32>,
}

impl Gguf {
    /// Opens a file of version 2 or 3 in little-endian order, and checks metadata and table of tensors: every length,
    /// count, offset and alignment against the size of the file.
    ///
    /// # Errors
    ///
    /// [`GgufError::Io`] if the file cannot be read, [`GgufError::NotGguf`] if it is something else,
    /// [`GgufError::Unsupported`] for another version or byte order or a tensor of another type,
    /// [`GgufError::Damaged`], [`GgufError::Metadata`] or [`GgufError::Tensor`] if it contradicts itself.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GgufError> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(GgufError::io("read", path))?;
        let about = file.metadata().map_err(GgufError::io("read", path))?;
        if about.is_dir() {
            return Err(not_gguf(path, "it is a folder"));
        }
        let mut cursor = Cursor::new(BufReader::new(&mut file), path, about.len());
        check_beginning(&mut cursor)?;
        let tensor_count = cursor.u64("the number of tensors")?;
        let metadata = entries(&mut cursor)?;
        let alignment = alignment(&metadata, path)?;
        let tensors = table::read(&mut cursor, tensor_count, alignment)?;
        Ok(Self {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            metadata,
            tensors,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A value of metadata, such as that of `general.architecture`.
    pub fn metadata(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// All metadata in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        let entries = self.metadata.iter();
        entries.map(|(key, value)| (key.as_str(), value))
    }

    /// All tensors, in the order of the file.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// A tensor as the file describes it.
    pub fn tensor_info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The numbers of a tensor as the file has them, which llama.cpp's converter may have changed.
    ///
    /// # Shapes
    ///
    /// That of [`TensorInfo::shape`], for most tensors `[outputs, inputs]` or `[width]`.
    ///
    /// # Errors
    ///
    /// [`GgufError::Tensor`] if the file has none of that name or the memory does not suffice, [`GgufError::Io`] if
    /// it cannot be read.
    pub fn tensor(&self, name: &str) -> Result<Tensor, GgufError> {
        let Some(info) = self.tensor_info(name) else {
            return Err(GgufError::tensor(
                &self.path,
                name,
                "the file has no such tensor",
            ));
        };
        let memory = |_| {
            let reason = format!("no memory for its {} numbers", info.elements());
            GgufError::tensor(&self.path, name, reason)
        };
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        // Both sizes were checked when the file was opened.
        bytes
            .try_reserve_exact(info.bytes as usize)
            .map_err(memory)?;
        values.try_reserve_exact(info.elements()).map_err(memory)?;
        self.read(info, &mut bytes)
            .map_err(GgufError::io("read", &self.path))?;
        info.tensor_type.dequantize(&bytes, &mut values);
        Ok(Tensor {
            shape: info.shape.clone(),
            values,
        })
    }

    fn read(&self, info: &TensorInfo, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(info.start))?;
        let read = file.by_ref().take(info.bytes).read_to_end(bytes)?;
        match read as u64 == info.bytes {
            true => Ok(()),
            // The file became shorter after it was opened.
            false => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn check_beginning<R: Read>(cursor: &mut Cursor<'_, R>) -> Result<(), GgufError> {
    let path = cursor.path();
    if cursor.length() < 8 {
        return Err(not_gguf(path, "it has less than 8 bytes"));
    }
    let magic: [u8; 4] = cursor.array("the beginning")?;
    match &magic {
        &MAGIC => {}
        b"vers" => {
            let reason = "it may be a Git LFS pointer: run `git lfs pull` in its repository";
            return Err(not_gguf(path, reason));
        }
        other => {
            let reason = format!("it begins with \"{}\"", other.escape_ascii());
            return Err(not_gguf(path, &reason));
        }
    }
    let version = cursor.u32("the version")?;
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let found = match VERSIONS.contains(&version.swap_bytes()) {
        true => "big-endian".to_string(),
        false => version.to_string(),
    };
    let supported = "2 and 3 in little-endian order; convert the model with a newer llama.cpp";
    Err(GgufError::unsupported(path, "version", &found, supported))
}

fn entries<R: Read>(cursor: &mut Cursor<'_, R>) -> Result<BTreeMap<String, Value>, GgufError> {
    let count = cursor.u64("the number of metadata entries")?;
    if count > cursor.left() / SMALLEST_ENTRY {
        let reason = format!("it counts {count} metadata entries, more than the file can hold");
        return Err(cursor.damaged(reason));
    }
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.text("a key of metadata", LONGEST_KEY)?;
        let value = value::read(cursor, &key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(cursor.damaged(format!("the key {key:?} stands twice in the metadata")));
        }
    }
    Ok(metadata)
}

fn alignment(metadata: &BTreeMap<String, Value>, path: &Path) -> Result<u64, GgufError> {
    const KEY: &str = "general.alignment";
    match metadata.get(KEY) {
        None => Ok(ALIGNMENT),
        Some(&Value::Unsigned(bytes)) if bytes >= 8 && bytes.is_power_of_two() => Ok(bytes),
        Some(other) => {
            let found = match other {
                Value::Unsigned(bytes) => bytes.to_string(),
                other => other.kind().to_string(),
            };
            let reason = format!("expected a power of two of at least 8, found {found}");
            Err(GgufError::metadata(path, KEY, reason))
        }
    }
}

fn not_gguf(path: &Path, reason: &str) -> GgufError {
    GgufError::NotGguf {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}
