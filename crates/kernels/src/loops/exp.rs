//! The exponential function, in arithmetic that vectorizes.

/// Half of the numbers between two of its neighbours round to a whole number when it is added: 1.5 · 2²³.
const WHOLE: f32 = 12_582_912.0;

/// ln 2 in two parts: multiples of the first up to 2⁹ are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// eʳ = 1 + r + r² p(r) for |r| ≤ ln 2 / 2: p, highest power first, with the coefficients of Cephes' `expf`.
const POLYNOMIAL: [f32; 6] = [
    1.987_569_1e-4,
    1.398_199_9e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    0.5,
];

/// eˣ, within 2 units in the last place; infinite above `f32::MAX`, denormal and zero below the smallest numbers,
/// NaN for NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond these bounds the result is infinite or zero. A NaN passes both comparisons.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    // x = n ln 2 + r, with the whole number in the last bits of `shifted`.
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let mut p = POLYNOMIAL[0];
    p = p * r + POLYNOMIAL[1];
    p = p * r + POLYNOMIAL[2];
    p = p * r + POLYNOMIAL[3];
    p = p * r + POLYNOMIAL[4];
    p = p * r + POLYNOMIAL[5];
    let mantissa = 1.0 + (r + r * r * p);
    // 2ⁿ in two factors: n reaches from -150 to 128, further than the exponent of one number.
    let n = (shifted.to_bits() as i32).wrapping_sub(WHOLE.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23) as u32);
    mantissa * power(half) * power(n.wrapping_sub(half))
}

/// 1 / (1 + e⁻ˣ)
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance from one number to the next, at a number.
    fn unit(at: f64) -> f64 {
        let exponent = at.abs().log2().floor().max(-126.0);
        (exponent - 23.0).exp2()
    }

    #[test]
    fn every_thousandth_number_is_within_two_units() {
        for bits in (0..=u32::MAX).step_by(997) {
            let x = f32::from_bits(bits);
            let (found, expected) = (exp(x), f64::from(x).exp());
            if x.is_nan() {
                assert!(found.is_nan());
            } else if expected > f64::from(f32::MAX) {
                // The rounding of the last number below the largest may go either way.
                assert!(
                    found.is_infinite() || expected < 3.402_824e38,
                    "{x} {found}"
                );
            } else {
                let error = (f64::from(found) - expected).abs() / unit(expected);
                assert!(error <= 2.0, "{x}: {found} {expected}");
            }
        }
    }

    #[test]
    fn special_values() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(sigmoid(f32::NEG_INFINITY), 0.0);
        assert_eq!(sigmoid(f32::INFINITY), 1.0);
        assert_eq!(sigmoid(0.0), 0.5);
    }
}
