//! Running sums over the inputs of layers that share an input.

use burn::tensor::{DType, Tensor};

use super::device_sums::DeviceSums;
use super::first_tokens::{PositionSums, basis_of};
use super::moment::{Moment, Second};
use super::shrinkage::variance;
use super::sketch::Sketch;
use super::symmetric::{SINGLE_FROM, Symmetric};
use super::tokens::Tokens;
use crate::config::{MomentConfig, Shrinkage, TokenLength};

/// Running sums over the inputs of layers that share an input.
#[derive(Debug)]
pub(crate) struct Sums {
    pub rows: usize,
    sum: Vec<f64>,
    /// Of a sketch, which has no exact trace.
    squares: f64,
    second: Second,
    /// Whether any input was f64.
    double: bool,
    /// Sum of the fourth powers of the inputs' lengths, if it is asked for.
    fourth_powers: Option<f64>,
    /// Sum of the lengths that inputs had before they were given the length 1.
    lengths: f64,
    /// Sums over the first tokens of the rows, by their position.
    first: Vec<PositionSums>,
    /// Whether sums stay on the device over many passes.
    on_device: bool,
    /// Those that are not on the host yet.
    pending: Option<DeviceSums>,
}

impl Sums {
    /// Empty sums for inputs of this dimension, with a sketch if it exceeds `max_dense_dimension`.
    pub(crate) fn new(max_dense_dimension: usize, sketch_rows: usize, dimension: usize) -> Self {
        let second = if dimension <= max_dense_dimension {
            Second::Dense(Symmetric::zeros(dimension))
        } else {
            Second::Sketched(Sketch::new(sketch_rows, dimension))
        };
        Self {
            rows: 0,
            sum: vec![0.0; dimension],
            squares: 0.0,
            second,
            double: false,
            fourth_powers: None,
            lengths: 0.0,
            first: Vec::new(),
            on_device: false,
            pending: None,
        }
    }

    /// Keeps sums on the device over many passes. A sketch is made on the host: it needs every input by itself.
    pub(crate) fn on_device(mut self, on_device: bool) -> Self {
        self.on_device = on_device && matches!(self.second, Second::Dense(_));
        self
    }

    /// Also sums what this moment needs beside the plain sums.
    pub(crate) fn with_moment(mut self, moment: &MomentConfig) -> Self {
        self.fourth_powers = (moment.shrinkage == Shrinkage::LedoitWolf).then_some(0.0);
        self
    }

    /// Adds the tokens of a pass.
    pub(crate) fn add_tokens(&mut self, tokens: Tokens) {
        for (position, first) in tokens.first.into_iter().enumerate() {
            if self.first.len() <= position {
                self.first.push(PositionSums::zeros(self.sum.len()));
            }
            let values: Vec<f64> = first.into_data().iter::<f64>().collect();
            self.first[position].add(&values);
        }
        self.lengths += tokens.lengths;
        if tokens.summed.dims()[0] > 0 {
            self.add(tokens.summed);
        }
    }

    /// Dimension of the inputs.
    pub(crate) fn dimension(&self) -> usize {
        self.sum.len()
    }

    pub(crate) fn add(&mut self, input: Tensor<2>) {
        self.rows += input.dims()[0];
        self.double |= input.dtype() == DType::F64;
        if self.on_device && DeviceSums::take(input.dtype()) {
            let pending = self.pending.take();
            let pending = DeviceSums::add(pending, input, self.fourth_powers.is_some());
            let is_full = pending.is_full();
            self.pending = Some(pending);
            if is_full {
                self.bring();
            }
            return;
        }
        let data = input.clone().into_data();
        match data.as_slice::<f32>() {
            Ok(values) => self.add_host(values, input),
            Err(_) => self.add_host(&data.iter::<f64>().collect::<Vec<f64>>(), input),
        }
    }

    /// Adds inputs whose values are at hand, row by row.
    fn add_host<T: Copy + Into<f64>>(&mut self, values: &[T], input: Tensor<2>) {
        let dimension = self.sum.len();
        let rows = || values.chunks(dimension.max(1));
        for row in rows() {
            for (sum, value) in self.sum.iter_mut().zip(row) {
                *sum += (*value).into();
            }
        }
        let square = |row: &[T]| row.iter().map(|&value| value.into().powi(2)).sum::<f64>();
        if let Some(fourth_powers) = &mut self.fourth_powers {
            rows().for_each(|row| *fourth_powers += square(row).powi(2));
        }
        match &mut self.second {
            Second::Dense(moment) => {
                let largest = values
                    .iter()
                    .fold(0.0_f64, |largest, &value| largest.max(value.into().abs()));
                let scale = exact_scale(largest);
                let scaled = if scale == 1.0 { input } else { input * scale };
                let data = scaled.clone().transpose().matmul(scaled).into_data();
                let factor = 1.0 / scale / scale;
                match data.as_slice::<f32>() {
                    Ok(values) => moment.add(values, factor),
                    Err(_) => moment.add(&data.iter::<f64>().collect::<Vec<f64>>(), factor),
                }
            }
            Second::Sketched(sketch) => {
                for row in rows() {
                    self.squares += square(row);
                    let row: Vec<f64> = row.iter().map(|&value| value.into()).collect();
                    sketch.push(&row);
                }
            }
        }
    }

    /// Brings sums from the device to the host.
    fn bring(&mut self) {
        let (Some(pending), Second::Dense(moment)) = (self.pending.take(), &mut self.second) else {
            return;
        };
        let block = pending.block();
        moment.add(&block.product, block.factor);
        for (sum, value) in self.sum.iter_mut().zip(&block.sum) {
            *sum += value;
        }
        if let Some(fourth_powers) = &mut self.fourth_powers {
            *fourth_powers += block.fourth_powers;
        }
    }

    /// The moment: all sums divided by the number of inputs, which have the length that `tokens` asks for.
    pub(crate) fn normalized(mut self, tokens: TokenLength) -> Moment {
        self.bring();
        let count = self.rows.max(1) as f64;
        let length = match tokens {
            TokenLength::Own | TokenLength::Unit => 1.0,
            TokenLength::Mean => self.lengths / count,
        };
        let factor = length * length / count;
        let (second, trace) = match self.second {
            Second::Dense(mut moment) => {
                moment.scale(factor);
                if !self.double && moment.dimension() >= SINGLE_FROM && moment.fits_single() {
                    moment = moment.into_single();
                }
                // Of the stored numbers: what is protected and what is not must add up.
                let trace = moment.trace();
                (Second::Dense(moment), trace)
            }
            Second::Sketched(mut sketch) => {
                sketch.shrink();
                sketch.scale(factor);
                (Second::Sketched(sketch), self.squares * factor)
            }
        };
        for value in &mut self.sum {
            *value *= length / count;
        }
        let mut moment = Moment {
            first: basis_of(&self.first, self.sum.len()),
            mean: self.sum,
            trace,
            second,
            variance: None,
        };
        moment.variance = self.fourth_powers.map(|fourth_powers| {
            let fourth_powers = fourth_powers * length.powi(4);
            variance(fourth_powers, moment.squared_norm(), self.rows)
        });
        moment
    }
}

/// A power of two that scales values, whose largest absolute one is given, to about 1 if their squares would leave the
/// range of f32, in which the products are computed; otherwise 1.
pub(super) fn exact_scale(largest: f64) -> f64 {
    match largest > 0.0 && largest.is_finite() && !(1e-12..1e12).contains(&largest) {
        true => largest.log2().floor().exp2().recip(),
        false => 1.0,
    }
}
