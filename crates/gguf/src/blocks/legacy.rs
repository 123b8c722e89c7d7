//! Blocks of 32 numbers that share one scale, and in some types one minimum.

use super::{half_at, words};

/// Scale (f16), then two numbers in each of 16 bytes: the lower halves come first.
pub(super) fn q4_0(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<18>(blocks) {
        let scale = half_at(&block, 0);
        let number = |nibble: u8| scale * f32::from(nibble as i8 - 8);
        values.extend(block[2..].iter().map(|byte| number(byte & 15)));
        values.extend(block[2..].iter().map(|byte| number(byte >> 4)));
    }
}

/// Scale and minimum (f16), then as [`q4_0`].
pub(super) fn q4_1(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<20>(blocks) {
        let (scale, minimum) = (half_at(&block, 0), half_at(&block, 2));
        let number = |nibble: u8| scale * f32::from(nibble) + minimum;
        values.extend(block[4..].iter().map(|byte| number(byte & 15)));
        values.extend(block[4..].iter().map(|byte| number(byte >> 4)));
    }
}

/// Scale (f16), the fifth bits of all numbers (u32), then as [`q4_0`].
pub(super) fn q5_0(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<22>(blocks) {
        let scale = half_at(&block, 0);
        let fifth = fifth_bits([block[2], block[3], block[4], block[5]]);
        let number = |(index, nibble)| scale * f32::from((nibble | fifth(index)) as i8 - 16);
        values.extend(nibbles(&block[6..]).map(number));
    }
}

/// Scale and minimum (f16), then as [`q5_0`].
pub(super) fn q5_1(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<24>(blocks) {
        let (scale, minimum) = (half_at(&block, 0), half_at(&block, 2));
        let fifth = fifth_bits([block[4], block[5], block[6], block[7]]);
        let number = |(index, nibble)| scale * f32::from(nibble | fifth(index)) + minimum;
        values.extend(nibbles(&block[8..]).map(number));
    }
}

/// Scale (f16), then 32 signed bytes.
pub(super) fn q8_0(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<34>(blocks) {
        let scale = half_at(&block, 0);
        values.extend(block[2..].iter().map(|&byte| f32::from(byte as i8) * scale));
    }
}

/// Lower halves of all bytes, then upper halves, with the index of each number.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let lower = bytes.iter().map(|byte| byte & 15);
    lower.chain(bytes.iter().map(|byte| byte >> 4)).enumerate()
}

/// The fifth bit of every number, in its place.
fn fifth_bits(bytes: [u8; 4]) -> impl Fn(usize) -> u8 {
    let bits = u32::from_le_bytes(bytes);
    move |index| ((bits >> index & 1) as u8) << 4
}
