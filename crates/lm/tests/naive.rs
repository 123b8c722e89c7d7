//! Logits compared with a plain f64 implementation that reads the exported file.

use crate::common::naive::Naive;
use crate::common::{backends, configs, model, rows, values};

#[test]
fn logits_equal_a_plain_f64_implementation() {
    for (backend, device) in backends() {
        for (shape, config) in configs() {
            let model = model(&config, 1, &device);
            let naive = Naive::of(&config, &model);
            let rows = rows();
            let logits = model.logits(&rows);
            let [_, tokens, vocabulary] = logits.dims();
            let logits = values(logits);
            for (index, row) in rows.iter().enumerate() {
                for (position, expected) in naive.logits(row).iter().enumerate() {
                    let start = (index * tokens + position) * vocabulary;
                    for (found, expected) in logits[start..].iter().zip(expected) {
                        // f32 compared with f64, over two layers of sums of some dozens of terms.
                        assert!(
                            (found - expected).abs() < 1e-4,
                            "{backend} {shape} row {index} position {position}: \
                             {found}, not {expected}"
                        );
                    }
                }
            }
        }
    }
}
