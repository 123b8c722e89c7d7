//! What trains in a split, in a sentence.

use ::osft::{Form, LayerSplit, Osft, OsftConfig, Others, Scaling};

/// How much of the layers is held in the mean, and how many numbers train.
pub(super) fn sentence(split: &Osft, config: &OsftConfig) -> String {
    let share = |k: usize, d: usize| k as f64 / d.max(1) as f64;
    let of_layer = |layer: &LayerSplit| {
        let [d_in, d_out] = layer.shape;
        let (inputs, outputs) = (share(layer.k_in, d_in), share(layer.k_out, d_out));
        match (layer.mean_scale, config.form) {
            (Some(mean), _) => 1.0 - mean,
            // Only the block from protected inputs to protected outputs is removed.
            (None, Form::Weight) => 1.0 - share(layer.free_parameters(), d_in * d_out),
            (None, _) => inputs.max(outputs),
        }
    };
    let held: f64 = split.layers().iter().map(of_layer).sum();
    let what = match (config.form, config.scaling) {
        (Form::Weight, _) => "of the numbers of a layer frozen",
        (_, Scaling::Hard) => "of directions frozen",
        (_, Scaling::Ridge | Scaling::Scaled) => "of directions held back",
    };
    let beside = match config.others {
        Others::Frozen => "",
        Others::Trained => " in the targets, and everything else",
    };
    format!(
        "{:.1} % {what} in the mean of the layers, {} numbers trained{beside}",
        100.0 * held / split.layers().len().max(1) as f64,
        split.free_parameters()
    )
}
