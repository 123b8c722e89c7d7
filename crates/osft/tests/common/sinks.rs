//! Rows whose first tokens are long, and calibrations of them.

use burn::tensor::{Device, Tensor};
use faer::Mat;
use osft::{Calibration, Calibrator, OsftConfig};

use super::host::{host, tensor};
use super::network::{Network, WIDTH, inputs, observed};
use super::noise;

/// Tokens of the rows, whose sum is a number of inputs.
pub const ROWS: [usize; 6] = [40, 1, 25, 60, 2, 72];

pub fn starts() -> impl Iterator<Item = usize> {
    ROWS.iter().scan(0, |next, length| {
        let start = *next;
        *next += length;
        Some(start)
    })
}

/// Inputs of `ROWS` whose first tokens are long: forty times a direction of their own, and some noise.
pub fn with_sinks(seed: u64, device: &Device) -> Tensor<2> {
    let count: usize = ROWS.iter().sum();
    let mut x = host(&inputs(seed, count, device).inner());
    let sink = noise(seed + 1, WIDTH, 40.0);
    for start in starts() {
        for j in 0..WIDTH {
            x[(start, j)] += f64::from(sink[j]);
        }
    }
    tensor(&x, device)
}

/// The rows of a matrix whose number is chosen.
pub fn chosen(x: &Mat<f64>, is_chosen: impl Fn(usize) -> bool) -> Mat<f64> {
    let rows: Vec<usize> = (0..x.nrows()).filter(|row| is_chosen(*row)).collect();
    Mat::from_fn(rows.len(), x.ncols(), |i, j| x[(rows[i], j)])
}

pub fn mean_of_first(x: &Tensor<2>) -> Mat<f64> {
    let first: Vec<usize> = starts().collect();
    let first = chosen(&host(&x.clone().inner()), |row| first.contains(&row));
    Mat::from_fn(1, WIDTH, |_, j| {
        first.col(j).iter().sum::<f64>() / first.nrows() as f64
    })
}

pub fn calibrated(
    network: &Network,
    config: &OsftConfig,
    x: &Tensor<2>,
    sketched: bool,
) -> Calibration {
    let mut calibrator = Calibrator::for_config(network, config).unwrap();
    if sketched {
        calibrator = calibrator.with_sketch(WIDTH - 1, 12);
    }
    calibrator.begin_rows(&ROWS);
    observed(calibrator, network, "base", std::slice::from_ref(x))
}

pub fn skipping(config: OsftConfig, tokens: usize) -> OsftConfig {
    let moment = config.moment.with_skip_first(tokens);
    config.with_moment(moment)
}
