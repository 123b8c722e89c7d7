//! The split as a table a person can read.

use std::fmt;

use crate::Osft;

/// Prints one line per layer: shape, protected directions per side, free degrees of freedom and
/// the share of the weight's energy that is protected.
impl fmt::Display for Osft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .layers()
            .iter()
            .map(|layer| layer.path.len())
            .chain([5])
            .max()
            .unwrap_or(5);
        writeln!(
            f,
            "{:width$}  {:>11}  {:>11}  {:>11}  {:>10}  {:>7}",
            "layer", "shape", "k_in/d_in", "k_out/d_out", "free", "energy"
        )?;
        for layer in self.layers() {
            let [d_in, d_out] = layer.shape;
            writeln!(
                f,
                "{:width$}  {:>11}  {:>11}  {:>11}  {:>10}  {:>7.4}",
                layer.path,
                format!("{d_in}x{d_out}"),
                format!("{}/{d_in}", layer.k_in),
                format!("{}/{d_out}", layer.k_out),
                layer.free_parameters(),
                layer.protected_energy(),
            )?;
        }
        let total: usize = self.layers().iter().map(|l| l.shape[0] * l.shape[1]).sum();
        write!(
            f,
            "{} layers, {} of {total} degrees of freedom are free",
            self.layers().len(),
            self.free_parameters()
        )
    }
}
