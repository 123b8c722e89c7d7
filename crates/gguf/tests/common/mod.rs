//! What the tests share: fixtures, and GGUF files made entry by entry.

#![allow(clippy::unwrap_used, dead_code)] // A helper of tests fails by panicking; each test uses some of them.

use std::path::{Path, PathBuf};

use gguf::{Array, Gguf, Value};
use serde_json::Value as Json;

/// A file beside the tests.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A JSON file.
pub fn json(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A GGUF file that is being made: entries of metadata and tensors of type F32.
#[derive(Clone, Default)]
pub struct Draft {
    pub entries: Vec<(String, Value)>,
    /// Names, shapes (rows first) and numbers.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Draft {
    /// The metadata and tensors of a file, as f32.
    pub fn of(path: &Path) -> Self {
        let file = Gguf::open(path).unwrap();
        let tensors = file.tensors().iter().map(|info| {
            let tensor = file.tensor(&info.name).unwrap();
            (info.name.clone(), tensor.shape, tensor.values)
        });
        Self {
            entries: file
                .entries()
                .map(|(key, value)| (key.to_string(), value.clone()))
                .collect(),
            tensors: tensors.collect(),
        }
    }

    /// Sets an entry, or removes it.
    pub fn set(mut self, key: &str, value: impl Into<Option<Value>>) -> Self {
        self.entries.retain(|(name, _)| name != key);
        if let Some(value) = value.into() {
            self.entries.push((key.to_string(), value));
        }
        self
    }

    /// Adds a tensor of zeros.
    pub fn tensor(mut self, name: &str, shape: &[usize]) -> Self {
        let zeros = vec![0.0; shape.iter().product()];
        self.tensors.push((name.to_string(), shape.to_vec(), zeros));
        self
    }

    /// Removes a tensor.
    pub fn without(mut self, name: &str) -> Self {
        self.tensors.retain(|tensor| tensor.0 != name);
        self
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.entries.len() as u64).to_le_bytes());
        for (key, value) in &self.entries {
            text(&mut out, key);
            write_value(&mut out, value);
        }
        let mut offset = 0_usize;
        for (name, shape, values) in &self.tensors {
            text(&mut out, name);
            out.extend((shape.len() as u32).to_le_bytes());
            for size in shape.iter().rev() {
                out.extend((*size as u64).to_le_bytes());
            }
            out.extend(0_u32.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + 4 * values.len()).next_multiple_of(32);
        }
        for (_, _, values) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        out
    }

    /// The file, in a folder that lives as long as the result.
    pub fn write(&self) -> Written {
        written(&self.bytes())
    }
}

/// A file in a temporary folder.
pub struct Written {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
}

/// Writes a file.
pub fn written(bytes: &[u8]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    Written { folder, path }
}

/// A text as an entry of metadata.
pub fn words(text: &str) -> Value {
    Value::Text(text.to_string())
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    let code = |out: &mut Vec<u8>, code: u32| out.extend(code.to_le_bytes());
    match value {
        Value::Unsigned(number) => {
            code(out, 10);
            out.extend(number.to_le_bytes());
        }
        Value::Signed(number) => {
            code(out, 11);
            out.extend(number.to_le_bytes());
        }
        Value::Float32(number) => {
            code(out, 6);
            out.extend(number.to_le_bytes());
        }
        Value::Float64(number) => {
            code(out, 12);
            out.extend(number.to_le_bytes());
        }
        Value::Bool(flag) => {
            code(out, 7);
            out.push(u8::from(*flag));
        }
        Value::Text(content) => {
            code(out, 8);
            text(out, content);
        }
        Value::Array(array) => {
            code(out, 9);
            write_array(out, array);
        }
    }
}

fn write_array(out: &mut Vec<u8>, array: &Array) {
    let mut begin = |code: u32, count: usize| {
        out.extend(code.to_le_bytes());
        out.extend((count as u64).to_le_bytes());
    };
    match array {
        Array::Texts(texts) => {
            begin(8, texts.len());
            texts.iter().for_each(|content| text(out, content));
        }
        Array::Integers(numbers) => {
            begin(11, numbers.iter().count());
            numbers
                .iter()
                .for_each(|number| out.extend(number.to_le_bytes()));
        }
        Array::Floats(numbers) => {
            begin(6, numbers.len());
            numbers
                .iter()
                .for_each(|number| out.extend(number.to_le_bytes()));
        }
        Array::Doubles(numbers) => {
            begin(12, numbers.len());
            numbers
                .iter()
                .for_each(|number| out.extend(number.to_le_bytes()));
        }
        Array::Bools(flags) => {
            begin(7, flags.len());
            out.extend(flags.iter().map(|flag| u8::from(*flag)));
        }
    }
}
