//! Saved state: a header and tensors in one safetensors file, with a kind, a format version and a checksum of
//! everything.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::OsftError;
use crate::linalg::hexadecimal;

/// Key of the header among the file's own metadata.
const KEY: &str = "osft";

/// The kind of a saved state and the versions of its layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub kind: &'static str,
    pub version: u32,
    /// Oldest version that can still be read.
    pub oldest: u32,
    /// First version with a checksum.
    pub checked_since: u32,
}

#[derive(Serialize, Deserialize)]
struct Label {
    kind: String,
    format_version: u32,
}

/// The header of a file without a checksum.
#[derive(Deserialize)]
struct Unchecked<H> {
    content: H,
}

/// The header of a file with one.
#[derive(Serialize, Deserialize)]
struct Checked {
    #[serde(flatten)]
    label: Label,
    /// SHA-256 in hexadecimal digits of the content and of every tensor.
    sha256: String,
    /// The hashed content, as JSON inside JSON.
    content: String,
}

/// Tensors by name, to be saved.
pub(crate) type Tensors = Vec<(String, TensorData)>;

/// Tensors by name, as loaded.
pub(crate) struct Stored {
    format: Format,
    tensors: HashMap<String, TensorData>,
}

impl Stored {
    /// A vector that a file may lack.
    pub(crate) fn find_vector(&mut self, name: &str) -> Option<Vec<f64>> {
        let data = self.tensors.remove(name)?;
        Some(data.iter::<f64>().collect())
    }

    /// A tensor, if the file has it.
    pub(crate) fn find(&mut self, name: &str) -> Option<TensorData> {
        self.tensors.remove(name)
    }

    pub(crate) fn take(&mut self, name: &str) -> Result<TensorData, OsftError> {
        let format = self.format;
        self.tensors
            .remove(name)
            .ok_or_else(|| broken(format, format!("no tensor {name:?}")))
    }

    /// A tensor of this shape, in the type that it was saved in.
    pub(crate) fn tensor<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>, OsftError> {
        let data = self.take(name)?;
        if data.shape()[..] != shape {
            let found = data.shape().to_vec();
            return Err(self.broken(format!("{name:?} has shape {found:?}, not {shape:?}")));
        }
        let dtype = data.dtype();
        if !device.supports_dtype(dtype) {
            let dtype = format!("{dtype:?}");
            return Err(OsftError::NotOnDevice { dtype });
        }
        Ok(Tensor::from_data(data, (device, dtype)))
    }

    pub(crate) fn broken(&self, reason: String) -> OsftError {
        broken(self.format, reason)
    }

    /// Exactly `N` numbers.
    pub(crate) fn take_numbers<const N: usize>(
        &mut self,
        name: &str,
    ) -> Result<[f64; N], OsftError> {
        let values = self.take_vector(name)?;
        let count = values.len();
        values.try_into().map_err(|_| {
            broken(
                self.format,
                format!("{name:?} holds {count} numbers, not {N}"),
            )
        })
    }

    pub(crate) fn take_vector(&mut self, name: &str) -> Result<Vec<f64>, OsftError> {
        Ok(self.take(name)?.iter::<f64>().collect())
    }
}

fn broken(format: Format, reason: String) -> OsftError {
    OsftError::BrokenState {
        kind: format.kind,
        reason,
    }
}

pub(crate) fn pack<H: Serialize>(
    format: Format,
    header: &H,
    tensors: &Tensors,
) -> Result<Vec<u8>, OsftError> {
    let failed = |error: &dyn std::fmt::Display| broken(format, error.to_string());
    let content = serde_json::to_string(header).map_err(|error| failed(&error))?;
    let mut views = tensors
        .iter()
        .map(|(name, data)| {
            let dtype = match data.dtype() {
                DType::F32 => Dtype::F32,
                DType::F64 => Dtype::F64,
                DType::BF16 => Dtype::BF16,
                DType::F16 => Dtype::F16,
                other => return Err(broken(format, format!("{name:?} is stored as {other:?}"))),
            };
            let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes())
                .map_err(|error| failed(&error))?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()?;
    views.sort_by_key(|(name, _)| *name);
    let whole = Checked {
        label: Label {
            kind: format.kind.to_string(),
            format_version: format.version,
        },
        sha256: checksum(&content, views.iter().map(|(name, view)| (*name, view))),
        content,
    };
    let text = serde_json::to_string(&whole).map_err(|error| failed(&error))?;
    let metadata = HashMap::from([(KEY.to_string(), text)]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| failed(&error))
}

/// # Errors
///
/// [`OsftError::OtherFormat`] for a version that cannot be read, [`OsftError::BrokenState`] if the bytes are
/// not a file of this format or were changed.
pub(crate) fn unpack<H: DeserializeOwned>(
    format: Format,
    bytes: &[u8],
) -> Result<(H, Stored), OsftError> {
    let failed = |error: &dyn std::fmt::Display| broken(format, error.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| failed(&error))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let Some(text) = text else {
        return Err(broken(
            format,
            "it was not written by this library".to_string(),
        ));
    };
    // The label first: another version may have another header.
    let label: Label = serde_json::from_str(text).map_err(|error| failed(&error))?;
    if label.kind != format.kind {
        return Err(broken(format, format!("it holds a saved {}", label.kind)));
    }
    if !(format.oldest..=format.version).contains(&label.format_version) {
        return Err(OsftError::OtherFormat {
            kind: format.kind,
            found: label.format_version,
            supported: format.version,
        });
    }
    let file = SafeTensors::deserialize(bytes).map_err(|error| failed(&error))?;
    let content = if label.format_version >= format.checked_since {
        let header: Checked = serde_json::from_str(text).map_err(|error| failed(&error))?;
        let views: BTreeMap<_, _> = file.tensors().into_iter().collect();
        let views = views.iter().map(|(name, view)| (name.as_str(), view));
        if header.sha256 != checksum(&header.content, views) {
            let changed = "its checksum is another: it was changed after it was written";
            return Err(broken(format, changed.to_string()));
        }
        serde_json::from_str(&header.content).map_err(|error| failed(&error))?
    } else {
        let header: Unchecked<H> = serde_json::from_str(text).map_err(|error| failed(&error))?;
        header.content
    };
    let mut tensors = HashMap::new();
    for (name, view) in file.tensors() {
        let data = match view.dtype() {
            Dtype::F32 => TensorData::new(numbers(view.data(), f32::from_le_bytes), view.shape()),
            Dtype::F64 => TensorData::new(numbers(view.data(), f64::from_le_bytes), view.shape()),
            Dtype::BF16 => {
                TensorData::from_bytes_vec(view.data().to_vec(), view.shape(), DType::BF16)
            }
            Dtype::F16 => {
                TensorData::from_bytes_vec(view.data().to_vec(), view.shape(), DType::F16)
            }
            other => return Err(broken(format, format!("{name:?} is stored as {other:?}"))),
        };
        tensors.insert(name, data);
    }
    Ok((content, Stored { format, tensors }))
}

/// SHA-256 of the content and the tensors, which are sorted by name.
fn checksum<'a, 'data: 'a>(
    content: &str,
    tensors: impl Iterator<Item = (&'a str, &'a TensorView<'data>)>,
) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // The length is hashed too, so that bytes cannot move from one part to the next.
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(content.as_bytes());
    for (name, tensor) in tensors {
        part(name.as_bytes());
        part(format!("{:?} {:?}", tensor.dtype(), tensor.shape()).as_bytes());
        part(tensor.data());
    }
    hexadecimal(&hash.finalize())
}

fn numbers<T, const N: usize>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| read(*chunk)).collect()
}
