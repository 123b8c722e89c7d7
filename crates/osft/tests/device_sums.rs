//! Sums that stay on the device over many passes are those of the host, to the rounding of f32.

use crate::common::backends;
use crate::common::network::{Network, WIDTH, inputs, observed, split};
use burn::tensor::{DType, Device, Tensor, TensorData};
use osft::{
    Calibration, Calibrator, ImportanceMeasure, MomentConfig, OsftConfig, ShareRule, Shrinkage,
    SplitSource, TokenLength,
};

/// Rounding of sums over a block in f32, relative to the largest entry.
const ROUNDING: f64 = 1e-5;

fn moments() -> Vec<MomentConfig> {
    let plain = MomentConfig::default();
    vec![
        plain,
        plain.with_tokens(TokenLength::Mean),
        plain.with_tokens(TokenLength::Unit),
        plain.with_shrinkage(Shrinkage::LedoitWolf),
    ]
}

fn calibrated(
    network: &Network,
    moment: MomentConfig,
    batches: &[Tensor<2>],
    on_device: bool,
) -> Calibration {
    let calibrator = Calibrator::new(network, &OsftConfig::new().targets).unwrap();
    let calibrator = calibrator
        .with_moment(moment)
        .with_importance(ImportanceMeasure::Cosine)
        .with_sums_on_device(on_device);
    observed(calibrator, network, "base", batches)
}

/// The energies of all directions of every layer, by inputs, and the importance of the layers.
fn read(network: &Network, moment: MomentConfig, calibration: &Calibration) -> Vec<Vec<f64>> {
    let config = OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_moment(moment)
        .with_share_rule(ShareRule::energy(0.9));
    let osft = split(network, &config, calibration);
    let mut found: Vec<Vec<f64>> = osft
        .layers()
        .iter()
        .map(|layer| layer.energies.clone())
        .collect();
    let importance = calibration.importance(ImportanceMeasure::Cosine).unwrap();
    let importance = importance.unwrap_or_default().into_iter();
    let mut importance: Vec<(String, f64)> = importance
        .map(|(path, value)| (path.to_string(), value))
        .collect();
    importance.sort_by(|a, b| a.0.cmp(&b.0));
    found.push(importance.into_iter().map(|(_, value)| value).collect());
    found
}

fn assert_close(found: &[Vec<f64>], expected: &[Vec<f64>], case: &str) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (found, expected) in found.iter().zip(expected) {
        let largest = expected
            .iter()
            .fold(0.0_f64, |largest, value| largest.max(value.abs()));
        assert_eq!(found.len(), expected.len(), "{case}");
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= ROUNDING * largest, "{case}: {a} {b}");
        }
    }
}

#[test]
fn sums_on_the_device_are_those_of_the_host() {
    for (backend, device) in backends() {
        let network = Network::new(&device);
        // Passes of different sizes, more inputs than a block holds, and single ones.
        let sizes = [1, 300, 20_000, 7];
        let batches: Vec<_> = (sizes.iter().zip(1..))
            .map(|(rows, seed)| inputs(seed, *rows, &device))
            .collect();
        for moment in moments() {
            let at = |on_device| {
                let calibration = calibrated(&network, moment, &batches, on_device);
                read(&network, moment, &calibration)
            };
            assert_close(&at(true), &at(false), &format!("{backend}, {moment:?}"));
        }
    }
}

#[test]
fn inputs_of_any_size_keep_their_digits() {
    let device = Device::flex();
    let network = Network::new(&device);
    // Squares of the second leave the range of f32, those of the first its normal numbers.
    for size in [1e-22, 1e22] {
        let batches: Vec<_> = [50, 70]
            .into_iter()
            .zip(3..)
            .map(|(rows, seed)| inputs(seed, rows, &device) * size)
            .collect();
        let at = |on_device| {
            let calibrator = Calibrator::new(&network, &OsftConfig::new().targets).unwrap();
            let calibrator = calibrator.with_sums_on_device(on_device);
            let calibration = observed(calibrator, &network, "base", &batches);
            let left = calibration.moment("left.weight").unwrap().trace();
            assert!(left.is_finite() && left > 0.0, "{size}: {left}");
            left
        };
        let (device, host) = (at(true), at(false));
        assert!(
            (device / host - 1.0).abs() < ROUNDING,
            "{size}: {device} {host}"
        );
    }
}

#[test]
fn inputs_in_double_precision_keep_it() {
    let device = Device::flex();
    let network = Network::new(&device);
    // Two numbers that f32 cannot tell apart.
    let values = [1.0, 1.0 + 1e-12];
    let rows = values.iter().map(|value| [*value; WIDTH].to_vec());
    let rows: Vec<f64> = rows.flatten().collect();
    let options = (&device, DType::F64);
    let x = Tensor::<2>::from_data(TensorData::new(rows, [2, WIDTH]), options);
    let mut calibrator = Calibrator::new(&network, &OsftConfig::new().targets)
        .unwrap()
        .with_sums_on_device(true);
    let y = Tensor::<2>::zeros([2, WIDTH], options);
    let right = Tensor::<2>::zeros([2, 6], options);
    let outputs = [
        (network.left.weight.id, y),
        (network.right.weight.id, right),
    ];
    calibrator.observe(&x, &outputs).unwrap();
    let top = inputs(1, 3, &device);
    let on_top = network.top.forward(top.clone());
    calibrator
        .observe(&top, &[(network.top.weight.id, on_top)])
        .unwrap();
    let calibration = calibrator.finish("base", &network).unwrap();
    let trace = calibration.moment("left.weight").unwrap().trace() / WIDTH as f64;
    // The mean of the two squares, less one.
    assert!(((trace - 1.0) / 1e-12 - 1.0).abs() < 1e-3, "{trace:e}");
}

#[test]
fn the_energy_in_free_directions_is_the_same() {
    for (backend, device) in backends() {
        let network = Network::new(&device);
        let base = calibrated(
            &network,
            MomentConfig::default(),
            &[inputs(5, 400, &device)],
            false,
        );
        for share in [0.0, 0.25, 0.75] {
            let config = OsftConfig::new()
                .with_split(SplitSource::Inputs)
                .with_protected_share(share);
            let osft = split(&network, &config, &base);
            let at = |on_device: bool| {
                let mut meter = osft.free_energy().with_sums_on_device(on_device);
                for seed in 0..3 {
                    let x = inputs(60 + seed, 30, &device);
                    let ids = [network.left.weight.id, network.right.weight.id];
                    meter.observe(&x, &ids).unwrap();
                    let left = network.left.forward(x);
                    meter.observe(&left, &[network.top.weight.id]).unwrap();
                }
                let shares = meter.finish().into_iter();
                shares
                    .map(|layer| layer.share.unwrap())
                    .collect::<Vec<f64>>()
            };
            assert_close(&[at(true)], &[at(false)], &format!("{backend}, {share}"));
        }
    }
}
