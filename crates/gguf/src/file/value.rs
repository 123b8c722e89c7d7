//! Values of metadata.

use std::io::Read;

use super::cursor::Cursor;
use crate::error::GgufError;

/// Longest text of a value, in bytes; chat templates have some twenty thousand.
const LONGEST_TEXT: u64 = 16 << 20;
/// Most texts of an array; the largest vocabularies have some three hundred thousand tokens, and as many merges.
const MOST_TEXTS: u64 = 1 << 22;
/// Code of arrays.
const ARRAY: u32 = 9;

/// A value of metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number of 8 to 64 bits.
    Unsigned(u64),
    /// A number of 8 to 64 bits.
    Signed(i64),
    /// A number of 32 bits.
    Float32(f32),
    /// A number of 64 bits.
    Float64(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// Values of one type.
    Array(Array),
}

/// Values of one type.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Whole numbers of 8 to 64 bits.
    Integers(Integers),
    /// Floating-point numbers of 32 bits.
    Floats(Vec<f32>),
    /// Floating-point numbers of 64 bits.
    Doubles(Vec<f64>),
    /// Truth values.
    Bools(Vec<bool>),
    /// Texts.
    Texts(Vec<String>),
}

/// Whole numbers, kept in as many bytes as in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Integers {
    kind: Scalar,
    bytes: Vec<u8>,
}

impl Integers {
    /// The numbers; the largest ones of 64 bits without sign, which no model has, become `i64::MAX`.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        let kind = self.kind;
        let items = self.bytes.chunks_exact(kind.size());
        items.map(move |bytes| match kind.integer(bytes) {
            Value::Signed(number) => number,
            Value::Unsigned(number) => i64::try_from(number).unwrap_or(i64::MAX),
            _ => 0,
        })
    }
}

impl Value {
    /// What kind of value it is, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned(_) | Self::Signed(_) => "a whole number",
            Self::Float32(_) | Self::Float64(_) => "a floating-point number",
            Self::Bool(_) => "a truth value",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
        }
    }
}

/// Types of values that are not texts or arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    U64,
    I64,
    F64,
}

/// By their codes in GGUF; texts and arrays have none.
const SCALARS: [Option<Scalar>; 13] = [
    Some(Scalar::U8),
    Some(Scalar::I8),
    Some(Scalar::U16),
    Some(Scalar::I16),
    Some(Scalar::U32),
    Some(Scalar::I32),
    Some(Scalar::F32),
    Some(Scalar::Bool),
    None,
    None,
    Some(Scalar::U64),
    Some(Scalar::I64),
    Some(Scalar::F64),
];

impl Scalar {
    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The value of a whole number in little-endian order.
    fn integer(self, bytes: &[u8]) -> Value {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let number = u64::from_le_bytes(wide);
        match self {
            Self::I8 => Value::Signed(i64::from(number as i8)),
            Self::I16 => Value::Signed(i64::from(number as i16)),
            Self::I32 => Value::Signed(i64::from(number as i32)),
            Self::I64 => Value::Signed(number as i64),
            _ => Value::Unsigned(number),
        }
    }
}

/// Reads the type and the value of the entry `key`.
pub(super) fn read<R: Read>(cursor: &mut Cursor<'_, R>, key: &str) -> Result<Value, GgufError> {
    let code = cursor.u32(&format!("the type of {key:?}"))?;
    let what = format!("the value of {key:?}");
    if code == ARRAY {
        return array(cursor, key).map(Value::Array);
    }
    let Some(scalar) = scalar(cursor, code, key)? else {
        return cursor.text(&what, LONGEST_TEXT).map(Value::Text);
    };
    Ok(match scalar {
        Scalar::F32 => Value::Float32(f32::from_le_bytes(cursor.array(&what)?)),
        Scalar::F64 => Value::Float64(f64::from_le_bytes(cursor.array(&what)?)),
        Scalar::Bool => match cursor.array(&what)? {
            [byte @ 0..=1] => Value::Bool(byte == 1),
            [byte] => return Err(not_bool(cursor, &what, byte)),
        },
        whole => whole.integer(&cursor.bytes(whole.size() as u64, &what)?),
    })
}

/// The type with a code, `None` for texts. Refuses unknown codes; arrays were dealt with.
fn scalar<R: Read>(
    cursor: &Cursor<'_, R>,
    code: u32,
    key: &str,
) -> Result<Option<Scalar>, GgufError> {
    match usize::try_from(code)
        .ok()
        .and_then(|code| SCALARS.get(code))
    {
        Some(scalar) => Ok(*scalar),
        None => Err(cursor.damaged(format!("{key:?} has the unknown type {code}"))),
    }
}

fn array<R: Read>(cursor: &mut Cursor<'_, R>, key: &str) -> Result<Array, GgufError> {
    let what = format!("the array {key:?}");
    let code = cursor.u32(&what)?;
    let count = cursor.u64(&what)?;
    if code == ARRAY {
        return Err(cursor.damaged(format!("{what} holds arrays, which no supported model has")));
    }
    let Some(kind) = scalar(cursor, code, key)? else {
        // Every text has at least its length; an empty one takes more memory than room in the file.
        let most = MOST_TEXTS.min(cursor.left() / 8);
        if count > most {
            let reason = format!("{what} has {count} texts where at most {most} are possible");
            return Err(cursor.damaged(reason));
        }
        let texts = (0..count).map(|_| cursor.text(&what, LONGEST_TEXT));
        return texts.collect::<Result<_, _>>().map(Array::Texts);
    };
    let Some(size) = count.checked_mul(kind.size() as u64) else {
        return Err(cursor.damaged(format!("{what} has {count} values, which no file can hold")));
    };
    let bytes = cursor.bytes(size, &what)?;
    Ok(match kind {
        Scalar::F32 => {
            let items = bytes.as_chunks().0.iter();
            Array::Floats(items.map(|item| f32::from_le_bytes(*item)).collect())
        }
        Scalar::F64 => {
            let items = bytes.as_chunks().0.iter();
            Array::Doubles(items.map(|item| f64::from_le_bytes(*item)).collect())
        }
        Scalar::Bool => match bytes.iter().find(|byte| **byte > 1) {
            None => Array::Bools(bytes.iter().map(|byte| *byte == 1).collect()),
            Some(&byte) => return Err(not_bool(cursor, &what, byte)),
        },
        kind => Array::Integers(Integers { kind, bytes }),
    })
}

fn not_bool<R: Read>(cursor: &Cursor<'_, R>, what: &str, byte: u8) -> GgufError {
    cursor.damaged(format!("{what} is {byte} where 0 or 1 is expected"))
}
