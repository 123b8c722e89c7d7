//! How numbers are stored in a tensor: types, sizes of their blocks, and f32 out of blocks.

mod legacy;
mod super_blocks;

use half::{bf16, f16};

/// Type of the numbers of a tensor.
///
/// # References
///
/// `ggml_type` in `ggml/include/ggml.h` of llama.cpp for the codes, `block_*` in `ggml/src/ggml-common.h` for the
/// layouts, and `gguf/quants.py` of the Python package `gguf` for the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorType {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// 16-bit floating point with the exponent of f32.
    BF16,
    /// 4 bits, one scale for 32 numbers.
    Q4_0,
    /// 4 bits, one scale and one minimum for 32 numbers.
    Q4_1,
    /// 5 bits, one scale for 32 numbers.
    Q5_0,
    /// 5 bits, one scale and one minimum for 32 numbers.
    Q5_1,
    /// 8 bits, one scale for 32 numbers.
    Q8_0,
    /// `Q4_K`: 4 bits, scales and minima of 6 bits for 32 numbers, themselves scaled for 256.
    Q4K,
    /// `Q5_K`: 5 bits, scales and minima as in `Q4_K`.
    Q5K,
    /// `Q6_K`: 6 bits, scales of 8 bits for 16 numbers, themselves scaled for 256.
    Q6K,
}

/// Types with their codes and names in GGUF, and the numbers and bytes of a block.
const SUPPORTED: [(TensorType, u32, &str, u64, u64); 11] = [
    (TensorType::F32, 0, "F32", 1, 4),
    (TensorType::F16, 1, "F16", 1, 2),
    (TensorType::Q4_0, 2, "Q4_0", 32, 18),
    (TensorType::Q4_1, 3, "Q4_1", 32, 20),
    (TensorType::Q5_0, 6, "Q5_0", 32, 22),
    (TensorType::Q5_1, 7, "Q5_1", 32, 24),
    (TensorType::Q8_0, 8, "Q8_0", 32, 34),
    (TensorType::Q4K, 12, "Q4_K", 256, 144),
    (TensorType::Q5K, 13, "Q5_K", 256, 176),
    (TensorType::Q6K, 14, "Q6_K", 256, 210),
    (TensorType::BF16, 30, "BF16", 1, 2),
];

/// Codes and names of other types, so that they are refused by name.
const OTHERS: [(u32, &str); 23] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

impl TensorType {
    /// The type with a code.
    ///
    /// # Errors
    ///
    /// The name of a type that is not supported, or its code if it has no known name.
    pub(crate) fn of_code(code: u32) -> Result<Self, String> {
        if let Some(row) = SUPPORTED.iter().find(|row| row.1 == code) {
            return Ok(row.0);
        }
        let other = OTHERS.iter().find(|other| other.0 == code);
        Err(other.map_or_else(|| format!("code {code}"), |other| other.1.to_string()))
    }

    /// Its name in llama.cpp.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// How many numbers are stored together.
    pub fn block_elements(self) -> u64 {
        self.row().3
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        self.row().4
    }

    /// Names of the supported types, in one text.
    pub(crate) fn supported() -> String {
        SUPPORTED.map(|row| row.2).join(", ")
    }

    fn row(self) -> &'static (Self, u32, &'static str, u64, u64) {
        let found = SUPPORTED.iter().find(|row| row.0 == self);
        // Every type has a row, which a test checks.
        found.unwrap_or(&SUPPORTED[0])
    }

    /// Appends the f32 values of whole blocks. Bytes behind the last whole block are not read.
    ///
    /// The operations and their order are those of llama.cpp, so that every bit agrees.
    pub(crate) fn dequantize(self, blocks: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F32 => values.extend(words(blocks).map(f32::from_le_bytes)),
            Self::F16 => values.extend(words(blocks).map(|b| f16::from_le_bytes(b).to_f32())),
            Self::BF16 => values.extend(words(blocks).map(|b| bf16::from_le_bytes(b).to_f32())),
            Self::Q4_0 => legacy::q4_0(blocks, values),
            Self::Q4_1 => legacy::q4_1(blocks, values),
            Self::Q5_0 => legacy::q5_0(blocks, values),
            Self::Q5_1 => legacy::q5_1(blocks, values),
            Self::Q8_0 => legacy::q8_0(blocks, values),
            Self::Q4K => super_blocks::q4_k(blocks, values),
            Self::Q5K => super_blocks::q5_k(blocks, values),
            Self::Q6K => super_blocks::q6_k(blocks, values),
        }
    }
}

/// Consecutive pieces of `N` bytes.
fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// The f16 at a place of a block, as f32.
fn half_at<const N: usize>(block: &[u8; N], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_row_and_no_code_stands_twice() {
        for row in &SUPPORTED {
            assert_eq!(row.0.row(), row);
            assert_eq!(TensorType::of_code(row.1), Ok(row.0));
        }
        let mut codes: Vec<u32> = SUPPORTED.iter().map(|row| row.1).collect();
        codes.extend(OTHERS.iter().map(|other| other.0));
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(TensorType::of_code(23), Err("IQ4_XS".to_string()));
        assert_eq!(TensorType::of_code(4), Err("code 4".to_string()));
    }
}
