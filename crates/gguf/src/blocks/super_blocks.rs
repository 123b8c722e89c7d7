//! Blocks of 256 numbers in groups, whose scales are themselves scaled ("K" types).

use super::{half_at, words};

/// Scale of scales and of minima (f16), 8 scales and 8 minima of 6 bits, then 4 bits of every number: each run of
/// 32 bytes has a group in its lower halves and the next one in its upper halves.
pub(super) fn q4_k(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<144>(blocks) {
        let groups = groups(&block);
        for (pair, bytes) in block[16..].chunks_exact(32).enumerate() {
            let (scale, minimum) = groups[2 * pair];
            values.extend(bytes.iter().map(|b| scale * f32::from(b & 15) - minimum));
            let (scale, minimum) = groups[2 * pair + 1];
            values.extend(bytes.iter().map(|b| scale * f32::from(b >> 4) - minimum));
        }
    }
}

/// As [`q4_k`], with the fifth bits of all numbers in front of the rest: bit `g` of byte `i` belongs to number `i` of
/// group `g`.
pub(super) fn q5_k(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<176>(blocks) {
        let groups = groups(&block);
        let fifth = &block[16..48];
        for (pair, bytes) in block[48..].chunks_exact(32).enumerate() {
            for (upper, group) in [2 * pair, 2 * pair + 1].into_iter().enumerate() {
                let (scale, minimum) = groups[group];
                let numbers = bytes.iter().zip(fifth).map(|(byte, bits)| {
                    let number = byte >> (4 * upper) & 15 | (bits >> group & 1) << 4;
                    scale * f32::from(number) - minimum
                });
                values.extend(numbers);
            }
        }
    }
}

/// For each half of the block, 64 bytes with the lower 4 bits and 32 bytes with the upper 2 bits of 128 numbers; then
/// 16 signed scales and the scale of scales (f16).
pub(super) fn q6_k(blocks: &[u8], values: &mut Vec<f32>) {
    for block in words::<210>(blocks) {
        let scale = half_at(&block, 208);
        let scales = &block[192..208];
        for half in 0..2 {
            let lower = &block[64 * half..][..64];
            let upper = &block[128 + 32 * half..][..32];
            for quarter in 0..4 {
                let lower = &lower[32 * (quarter % 2)..][..32];
                for (index, (low, high)) in lower.iter().zip(upper).enumerate() {
                    let low = low >> (4 * (quarter / 2)) & 15;
                    let number = (low | (high >> (2 * quarter) & 3) << 4) as i8 - 32;
                    let group = 8 * half + 2 * quarter + index / 16;
                    values.push(scale * f32::from(scales[group] as i8) * f32::from(number));
                }
            }
        }
    }
}

/// Scale and minimum of each of the 8 groups. The first four have 6 bits in the lower parts of bytes 4 to 12; of the
/// others, bytes 12 to 16 have the lower 4 bits and the upper parts of bytes 4 to 12 the rest.
fn groups<const N: usize>(block: &[u8; N]) -> [(f32, f32); 8] {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let packed = &block[4..16];
    std::array::from_fn(|group| {
        let place = group % 4;
        let (scales, minima) = (packed[place], packed[4 + place]);
        let (own_scale, own_minimum) = match group < 4 {
            true => (scales & 63, minima & 63),
            false => {
                let lower = packed[8 + place];
                let upper = |byte: u8| byte >> 2 & 48;
                (lower & 15 | upper(scales), lower >> 4 | upper(minima))
            }
        };
        (
            scale * f32::from(own_scale),
            minimum * f32::from(own_minimum),
        )
    })
}
