//! The table of tensors: names, shapes, types and places.

use std::collections::BTreeSet;
use std::io::Read;

use super::cursor::Cursor;
use crate::blocks::TensorType;
use crate::error::GgufError;

/// Most dimensions of a tensor, and longest name in bytes, by the specification.
const MOST_DIMENSIONS: u32 = 4;
const LONGEST_NAME: u64 = 64;
/// Fewest bytes of an entry: length of the name, number of dimensions, type, offset.
const SMALLEST_ENTRY: u64 = 24;
/// Most tensors; the largest models have some thousands.
const MOST_TENSORS: u64 = 1 << 16;

/// A tensor as the file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Its name in the file, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Its shape, rows first, as in Hugging Face's files; GGUF itself names the columns first.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub tensor_type: TensorType,
    /// Place of its first byte in the file, and number of bytes.
    pub(super) start: u64,
    pub(super) bytes: u64,
}

impl TensorInfo {
    /// How many numbers it has.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Reads `count` entries, then finds the tensors' places behind them, at multiples of `alignment`.
pub(super) fn read<R: Read>(
    cursor: &mut Cursor<'_, R>,
    count: u64,
    alignment: u64,
) -> Result<Vec<TensorInfo>, GgufError> {
    let most = MOST_TENSORS.min(cursor.left() / SMALLEST_ENTRY);
    if count > most {
        let reason = format!("it counts {count} tensors where at most {most} are possible");
        return Err(cursor.damaged(reason));
    }
    let mut tensors = Vec::new();
    let mut names = BTreeSet::new();
    for _ in 0..count {
        let tensor = entry(cursor, alignment)?;
        if !names.insert(tensor.name.clone()) {
            return Err(refused(cursor, &tensor, "it stands twice in the table"));
        }
        tensors.push(tensor);
    }
    let Some(data) = cursor.position().checked_next_multiple_of(alignment) else {
        return Err(cursor.damaged(format!("no place is a multiple of {alignment}")));
    };
    for tensor in &mut tensors {
        let end = tensor.start.checked_add(data);
        let end = end.and_then(|start| start.checked_add(tensor.bytes));
        if end.is_none_or(|end| end > cursor.length()) {
            let reason = format!(
                "it takes {} bytes from byte {} of the data on, but the file ends before",
                tensor.bytes, tensor.start
            );
            return Err(refused(cursor, tensor, reason));
        }
        tensor.start += data;
    }
    refuse_overlap(cursor, &tensors)?;
    Ok(tensors)
}

/// One entry; its place still counts from the beginning of the data.
fn entry<R: Read>(cursor: &mut Cursor<'_, R>, alignment: u64) -> Result<TensorInfo, GgufError> {
    let name = cursor.text("the name of a tensor", LONGEST_NAME)?;
    let what = format!("the entry of tensor {name:?}");
    let dimensions = cursor.u32(&what)?;
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        return Err(cursor.damaged(format!(
            "{what} has {dimensions} dimensions; 1 to {MOST_DIMENSIONS} are expected"
        )));
    }
    let mut columns_first = Vec::new();
    for _ in 0..dimensions {
        columns_first.push(cursor.u64(&what)?);
    }
    let code = cursor.u32(&what)?;
    let start = cursor.u64(&what)?;
    let tensor_type = TensorType::of_code(code).map_err(|found| {
        let what = format!("the type of tensor {name:?},");
        GgufError::unsupported(cursor.path(), &what, &found, &TensorType::supported())
    })?;
    let Some((shape, bytes)) = size(&columns_first, tensor_type) else {
        return Err(cursor.damaged(format!(
            "{what} has the shape {columns_first:?}, columns first; it must fill whole blocks of {} numbers ({}) in \
             less than 2^63 bytes",
            tensor_type.block_elements(),
            tensor_type.name()
        )));
    };
    if start % alignment != 0 {
        return Err(cursor.damaged(format!(
            "{what} has the offset {start}, which is not a multiple of the alignment {alignment}"
        )));
    }
    Ok(TensorInfo {
        name,
        shape,
        tensor_type,
        start,
        bytes,
    })
}

/// The shape, rows first, and the bytes of a tensor; `None` if it is empty, has parts of blocks or is too large.
fn size(columns_first: &[u64], tensor_type: TensorType) -> Option<(Vec<usize>, u64)> {
    let elements = columns_first
        .iter()
        .try_fold(1_u64, |all, &one| all.checked_mul(one))?;
    let columns = columns_first.first()?;
    if elements == 0 || columns % tensor_type.block_elements() != 0 {
        return None;
    }
    // As f32, all numbers take at most `isize::MAX` bytes, more than which no vector can have.
    isize::try_from(elements.checked_mul(4)?).ok()?;
    let blocks = elements / tensor_type.block_elements();
    let bytes = blocks.checked_mul(tensor_type.block_bytes())?;
    let rows_first = columns_first.iter().rev();
    let shape = rows_first.map(|&size| usize::try_from(size));
    Some((shape.collect::<Result<_, _>>().ok()?, bytes))
}

fn refuse_overlap<R: Read>(
    cursor: &Cursor<'_, R>,
    tensors: &[TensorInfo],
) -> Result<(), GgufError> {
    let mut sorted: Vec<&TensorInfo> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| tensor.start);
    let overlap = sorted
        .windows(2)
        .find(|pair| pair[0].start + pair[0].bytes > pair[1].start);
    match overlap {
        Some(pair) => {
            let reason = format!("its bytes overlap those of tensor {:?}", pair[1].name);
            Err(refused(cursor, pair[0], reason))
        }
        None => Ok(()),
    }
}

fn refused<R: Read>(
    cursor: &Cursor<'_, R>,
    tensor: &TensorInfo,
    reason: impl Into<String>,
) -> GgufError {
    GgufError::tensor(cursor.path(), &tensor.name, reason)
}
