//! The split as a table for people.

use std::fmt;

use crate::split::Osft;

/// Prints one line per layer: shape, protected directions per side, free degrees of freedom and the protected
/// share of the decomposed energy; if they exist, also the layer's importance, the protected share of its
/// inputs' energy, the mean scale of its input directions, and the number of directions that do not exist.
impl fmt::Display for Osft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.summary();
        let width = layers.iter().map(|layer| layer.path.len()).max();
        let width = width.unwrap_or(0).max(5);
        let importance = layers.iter().any(|layer| layer.importance.is_some());
        let inputs = layers.iter().any(|l| l.protected_input_energy.is_some());
        let scale = layers.iter().any(|layer| layer.mean_scale.is_some());
        let lost = layers.iter().any(|layer| layer.lost_directions > 0);
        write!(
            f,
            "{:width$}  {:>11}  {:>11}  {:>11}  {:>10}  {:>7}",
            "layer", "shape", "k_in/d_in", "k_out/d_out", "free", "energy"
        )?;
        for (title, shown) in [
            ("inputs", inputs),
            ("importance", importance),
            ("mean scale", scale),
            ("lost", lost),
        ] {
            if shown {
                write!(f, "  {title:>10}")?;
            }
        }
        writeln!(f)?;
        for layer in &layers {
            let [d_in, d_out] = layer.shape;
            write!(
                f,
                "{:width$}  {:>11}  {:>11}  {:>11}  {:>10}  {:>7.4}",
                layer.path,
                format!("{d_in}x{d_out}"),
                format!("{}/{d_in}", layer.k_in),
                format!("{}/{d_out}", layer.k_out),
                layer.free_parameters,
                layer.protected_energy,
            )?;
            if inputs {
                write!(f, "  {:>10.4}", layer.protected_input_energy.unwrap_or(0.0))?;
            }
            if importance {
                write!(f, "  {:>10.3}", layer.importance.unwrap_or(1.0))?;
            }
            if scale {
                write!(f, "  {:>10.4}", layer.mean_scale.unwrap_or(1.0))?;
            }
            if lost {
                write!(f, "  {:>10}", layer.lost_directions)?;
            }
            writeln!(f)?;
        }
        let total: usize = layers.iter().map(|l| l.shape[0] * l.shape[1]).sum();
        write!(
            f,
            "{} layers, {} of {total} degrees of freedom are free",
            layers.len(),
            self.free_parameters()
        )?;
        if scale {
            write!(
                f,
                "\nscaled directions are held back, not protected: only those with the scale 0 count in k_in and \
                 leaks"
            )?;
        }
        for warning in self.warnings() {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}
