//! Moments of wide inputs: stored in half the numbers of a full matrix, and in f32 where the inputs were.

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use osft::{Calibration, Calibrator, Osft, OsftConfig, ShareRule, SplitContext, SplitSource};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers like noise, of a mean that is not zero. Burn's own draws are shared by all tests of a process.
fn noise(seed: u64, shape: [usize; 2]) -> Tensor<2> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape[0] * shape[1]).map(|_| random.random_range(-0.8f32..1.0));
    let values = TensorData::new(values.collect::<Vec<f32>>(), shape);
    Tensor::from_data(values, &Device::flex())
}

fn layer(width: usize) -> Linear {
    let layer = LinearConfig::new(width, 3).with_bias(false);
    let mut layer = layer.init(&Device::flex());
    layer.weight = Param::from_tensor(noise(3, [width, 3]));
    layer
}

fn calibration(layer: &Linear, seed: u64, dtype: DType) -> Calibration {
    let [width, _] = layer.weight.dims();
    let mut calibrator = Calibrator::new(layer, &OsftConfig::new().targets).unwrap();
    for batch in 0..3 {
        let x = noise(10 * seed + batch, [20, width]);
        let (x, y) = (x.clone().cast(dtype), layer.forward(x));
        calibrator.observe(&x, &[(layer.weight.id, y)]).unwrap();
    }
    calibrator.finish("noise", layer).unwrap()
}

/// Bytes of a saved calibration beyond its mean, in the file's own size of numbers; the header is some hundred
/// bytes more.
fn saved_bytes(calibration: &Calibration, width: usize) -> usize {
    calibration.to_bytes().unwrap().len() - 8 * width
}

/// Most bytes of a header.
const HEADER: usize = 3000;

#[test]
fn moments_take_half_the_numbers_and_wide_ones_half_the_bytes() {
    let numbers = |width: usize| width * (width + 1) / 2;
    for (width, dtype, bytes_each) in [
        (500, DType::F32, 8),
        (512, DType::F32, 4),
        (600, DType::F32, 4),
        (600, DType::F64, 8),
    ] {
        let layer = layer(width);
        let calibration = calibration(&layer, 1, dtype);
        let expected = bytes_each * numbers(width);
        let found = saved_bytes(&calibration, width);
        assert!(
            (expected..expected + HEADER).contains(&found),
            "{width} {dtype:?}: {found} bytes, expected {expected}"
        );
        if dtype == DType::F32 {
            let [observing, stored] = osft::moment_bytes(width);
            assert_eq!((observing, stored), (8 * numbers(width), expected));
        }
        let read = Calibration::from_bytes(&calibration.to_bytes().unwrap()).unwrap();
        assert_eq!(read, calibration, "{width} {dtype:?}");
    }
}

#[test]
fn all_energy_of_wide_inputs_of_few_directions_is_protected_by_as_few() {
    let layer = layer(600);
    let mut joined = calibration(&layer, 1, DType::F32);
    joined.absorb(&calibration(&layer, 2, DType::F32)).unwrap();
    let context = SplitContext::new().with_calibration(&joined);
    // 120 rows span 120 directions.
    let config = OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(0.99999));
    let osft = Osft::split_in(&layer, &config, &context).unwrap();
    assert!(osft.layers()[0].k_in <= 120, "{}", osft.layers()[0].k_in);
    assert!(osft.warnings().is_empty(), "{:?}", osft.warnings());
}

#[test]
fn a_moment_in_f32_protects_and_bounds_like_one_in_f64() {
    let layer = layer(600);
    let config = OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(0.9));
    let mut splits = Vec::new();
    for dtype in [DType::F32, DType::F64] {
        let mut calibration = calibration(&layer, 1, dtype);
        calibration
            .absorb(&self::calibration(&layer, 2, dtype))
            .unwrap();
        let context = SplitContext::new().with_calibration(&calibration);
        let osft = Osft::split_in(&layer, &config, &context).unwrap();
        let summary = osft.summary();
        let protected = summary[0].protected_input_energy.unwrap();
        assert!((0.9..0.91).contains(&protected), "{protected}");

        // A change of the free directions alone moves the outputs by no more than the bound.
        let change = noise(4, [600, 3]) * 0.1;
        let split = &osft.layers()[0];
        let constraint = &split.constraint;
        let free = constraint.lift(constraint.constrain(constraint.lower(change)));
        let moved = Linear {
            weight: layer.weight.clone().map(|weight| weight + free),
            bias: None,
        };
        let leaks = osft.leaks(&moved).unwrap();
        let outputs = leaks.layers[0].outputs.unwrap();
        assert!(outputs.measured > 0.0, "{outputs:?}");
        assert!(outputs.measured <= outputs.bound, "{outputs:?}");
        splits.push((osft.layers()[0].k_in, osft.layers()[0].total_energy));
    }
    let [(single, energy), (double, exact)] = splits[..] else {
        unreachable!("two splits")
    };
    assert_eq!(single, double);
    // The inputs are the same; the entries are rounded at 6e-8.
    assert!(
        (energy - exact).abs() < 1e-6 * exact,
        "{energy} and {exact}"
    );
}

#[test]
fn calibrations_of_different_precisions_join() {
    let layer = layer(600);
    let (single, double) = (
        calibration(&layer, 1, DType::F32),
        calibration(&layer, 1, DType::F64),
    );
    for (mut older, newer) in [(single.clone(), &double), (double.clone(), &single)] {
        older.absorb(newer).unwrap();
        let path = "weight";
        let (joined, own) = (older.moment(path).unwrap(), newer.moment(path).unwrap());
        // Twice the same rows.
        assert!((joined.trace() - own.trace()).abs() < 1e-6 * own.trace());
        // The better precision of the two.
        assert!(saved_bytes(&older, 600) > 8 * 600 * 601 / 2);
    }
}
