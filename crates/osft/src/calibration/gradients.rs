//! Observing gradients, for measures of importance that read them.

use burn::module::ParamId;
use burn::tensor::Tensor;

use super::Calibrator;
use super::sums::Sums;
use crate::error::OsftError;
use crate::importance_measure::Reads;
use crate::module::widened;

impl Calibrator {
    /// Whether the split or a measure of importance reads gradients: then
    /// [`observe_gradients`](Self::observe_gradients) must be called for rows of the data.
    pub fn reads_gradients(&self) -> bool {
        self.moments_of_gradients || self.reads(Reads::Gradients)
    }

    /// The weights whose inputs and gradients are observed, in no order.
    pub fn observed_weights(&self) -> Vec<ParamId> {
        self.places.keys().copied().collect()
    }

    /// Adds the gradients of one row's summed loss. Weights that are not targets are ignored. The mean over
    /// the rows counts, not that of a batch, whose gradients cancel.
    ///
    /// # Shapes
    /// - gradients: `[d_in, d_out]`
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherObservation`] if a gradient does not have the shape of its layer. On error nothing
    /// is added.
    pub fn observe_gradients(&mut self, row: &[(ParamId, Tensor<2>)]) -> Result<(), OsftError> {
        let row = row.iter();
        let row = row.filter_map(|(id, gradient)| Some((self.places.get(id)?, gradient)));
        let row: Vec<_> = row.collect();
        let unfit = row
            .iter()
            .find(|(place, gradient)| !place.has_shape(gradient.dims()));
        if let Some((place, gradient)) = unfit {
            return Err(OsftError::OtherObservation {
                layer: place.path.clone(),
                what: "gradients",
                expected: place.shape,
                found: gradient.dims(),
            });
        }
        for (place, gradient) in row {
            // In f64: the squares of small gradients leave the range of f32.
            let data = gradient.clone().inner().into_data();
            let square: f64 = data.iter::<f64>().map(|value| value * value).sum();
            let (sum, rows) = self.gradients.entry(place.id).or_default();
            *sum += square;
            *rows += 1;
            if self.moments_of_gradients {
                let d_out = gradient.dims()[1];
                let sums = self.gradient_sums.entry(place.id).or_insert_with(|| {
                    Sums::new(self.max_dense_dimension, self.sketch_rows, d_out)
                });
                // A row of `G` for every input coordinate: the sum of their outer products is `Gᵀ G`.
                sums.add(widened(gradient.clone().inner()));
            }
        }
        Ok(())
    }
}
