//! Low-rank adapters in the layout of PEFT: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! # References
//!
//! Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022; the names and shapes are those
//! of Hugging Face's PEFT.

mod config;
mod merge;
mod read;
mod write;

use burn::tensor::TensorData;

/// What PEFT puts before the name of a module.
const WRAPPED: &str = "base_model.model.";
/// What it puts after the name of a linear layer.
const FACTORS: [&str; 2] = [".lora_A.weight", ".lora_B.weight"];

/// Low-rank changes of a model's linear layers: `W + scale · A B` for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// The changed layers.
    pub layers: Vec<AdapterLayer>,
    /// Inner dimension of the factors, unless a layer has its own.
    pub adapter_rank: usize,
    /// Numerator of the scale, `alpha / adapter_rank`.
    pub alpha: f64,
}

/// The change of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterLayer {
    /// Path of the weight in the module, `layers.0.self_attn.q_proj.weight`.
    pub path: String,
    /// `A`, `[d_in, adapter_rank]`, f32.
    pub a: TensorData,
    /// `B`, `[adapter_rank, d_out]`, f32.
    pub b: TensorData,
    /// Factor of the product.
    pub scale: f64,
}

/// A matrix of f32 with its dimensions exchanged: files store factors the way PyTorch does.
fn transposed(data: &TensorData) -> TensorData {
    let [rows, columns] = data.shape()[..] else {
        return data.clone();
    };
    let values: Vec<f32> = data.iter::<f32>().collect();
    let turned = (0..columns).flat_map(|j| (0..rows).map(move |i| i * columns + j));
    TensorData::new(
        turned.map(|at| values[at]).collect::<Vec<f32>>(),
        [columns, rows],
    )
}

#[cfg(test)]
mod tests {
    use super::transposed;
    use burn::tensor::TensorData;

    #[test]
    fn transposing_exchanges_rows_and_columns() {
        let data = TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        let expected = TensorData::new(vec![1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0], [3, 2]);
        assert_eq!(transposed(&data), expected);
        assert_eq!(transposed(&expected), data);
    }
}
