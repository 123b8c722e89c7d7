//! The energy that inputs have in a split's free directions.

use burn::module::ParamId;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::calibration::{Rows, Total, prepared};
use crate::error::OsftError;
use crate::module::widened;
use crate::split::{LayerSplit, Osft};

/// The part of a layer's input energy that lies in the free directions of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreeEnergy {
    /// Path of the layer.
    pub path: String,
    /// `Σ ‖x N‖² / Σ ‖x‖²` over the inputs `x`, in `[0, 1]`, where the columns of `N` are the free directions; if
    /// directions are [scaled](crate::Scaling), each has the length of its scale. `None` if the layer saw no input
    /// but zeros.
    pub share: Option<f64>,
}

/// Sums the energy of inputs in the free directions of a split.
///
/// A split is made from a sample of the inputs that are to be retained. Over that sample, the energy in the free
/// directions is as small as the rule asks for; over other inputs of the same kind it is larger, the more the
/// smaller the sample was. `E‖x ΔW‖²` of a change in the free directions is at most the free energy times
/// `‖ΔW‖²`, whatever inputs it is of. So the measurement on inputs that the split has not seen says what the
/// protection is worth. It reads the inputs themselves, and is exact for moments that are kept as sketches too.
#[derive(Debug)]
pub struct FreeEnergyMeter<'a> {
    split: &'a Osft,
    layers: Vec<Sums>,
    rows: Rows,
    on_device: bool,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    free: Total,
    all: Total,
}

impl Osft {
    /// Starts to measure the energy that inputs of the module have in the free directions.
    pub fn free_energy(&self) -> FreeEnergyMeter<'_> {
        FreeEnergyMeter {
            split: self,
            layers: vec![Sums::default(); self.layers.len()],
            rows: None,
            on_device: false,
        }
    }
}

impl FreeEnergyMeter<'_> {
    /// Keeps sums on the device of the inputs until the end, in f32, instead of summing every pass on the host in f64.
    pub fn with_sums_on_device(mut self, on_device: bool) -> Self {
        self.on_device = on_device;
        self
    }

    /// Announces the rows that the next inputs are of, as [`Calibrator::begin_rows`](crate::Calibrator::begin_rows).
    pub fn begin_rows(&mut self, lengths: &[usize]) {
        self.rows = Some(lengths.to_vec());
    }

    /// Adds a batch of inputs of these weights; those that are no targets are ignored. Inputs count as in the
    /// moment that the split was made from: without first tokens that it leaves out, with the lengths that it
    /// gives them.
    ///
    /// # Shapes
    /// - `input`: `[n, d_in]`
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherObservation`] if the input does not have the dimension of a layer,
    /// [`OsftError::OtherRows`] if first tokens are to be told apart and the inputs are not those of the
    /// announced rows. On error nothing is added.
    pub fn observe(&mut self, input: &Tensor<2>, weights: &[ParamId]) -> Result<(), OsftError> {
        let layers = self.split.layers.iter().enumerate();
        let layers = layers.filter(|(_, layer)| weights.contains(&layer.id));
        let layers: Vec<(usize, &LayerSplit)> = layers.collect();
        let [tokens, width] = input.dims();
        let Some((_, first)) = layers.first() else {
            return Ok(());
        };
        if let Some((_, layer)) = layers.iter().find(|(_, layer)| layer.shape[0] != width) {
            return Err(OsftError::OtherObservation {
                layer: layer.path.clone(),
                what: "inputs",
                expected: [tokens, layer.shape[0]],
                found: [tokens, width],
            });
        }
        let input = widened(input.clone().inner());
        let prepared = prepared(input, &self.split.config.moment, &self.rows);
        let Some(prepared) = prepared else {
            return Err(OsftError::OtherRows {
                layer: first.path.clone(),
                announced: self.rows.as_ref().map(|rows| rows.iter().sum()),
                tokens,
            });
        };
        if prepared.summed.dims()[0] == 0 {
            return Ok(());
        }
        let square = |tensor| Total::of_squares(tensor, self.on_device);
        let all = square(prepared.summed.clone());
        let columns = prepared.summed.transpose();
        for (index, layer) in layers {
            let constraint = layer.constraint.fitted(&columns);
            let sums = &mut self.layers[index];
            let free = square(constraint.input.lower(columns.clone()));
            sums.free.add(free);
            sums.all.add(all.clone());
        }
        Ok(())
    }

    /// The shares so far, one per target in the module's order.
    pub fn finish(self) -> Vec<FreeEnergy> {
        let layers = self.split.layers.iter().zip(self.layers);
        let layers = layers.map(|(layer, sums)| {
            let (free, all) = (sums.free.value(), sums.all.value());
            FreeEnergy {
                path: layer.path.clone(),
                // Rounding may leave a little more than all of it.
                share: (all > 0.0).then(|| (free / all).min(1.0)),
            }
        });
        layers.collect()
    }
}
