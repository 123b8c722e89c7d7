//! Sums and largest values of a row, in sixteen lanes whatever the processor has: so their order is the same everywhere.

const LANES: usize = 16;

/// Σ f(i) over the indices below `len`.
#[inline(always)]
pub(crate) fn sum(len: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = len - len % LANES;
    let mut start = 0;
    while start < whole {
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value += f(start + lane);
        }
        start += LANES;
    }
    for (lane, value) in lanes.iter_mut().enumerate() {
        if whole + lane < len {
            *value += f(whole + lane);
        }
    }
    fold(lanes, |a, b| a + b)
}

/// The largest value; a NaN is ignored. Negative infinity for none.
#[inline(always)]
pub(crate) fn max(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = larger(*lane, value);
    }
    fold(lanes, larger)
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
        }
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_summed_and_searched_whole() {
        for len in 0..70 {
            let values: Vec<f32> = (0..len).map(|i| (i * 7 % 11) as f32).collect();
            assert_eq!(sum(len, |i| values[i]), values.iter().sum::<f32>());
            let expected = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&values), expected);
        }
        assert_eq!(max(&[f32::NAN, 1.0]), 1.0);
    }
}
