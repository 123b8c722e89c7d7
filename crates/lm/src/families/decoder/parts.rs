//! The description of a decoder, and what it must fulfil.

use std::path::Path;

use crate::error::LmError;
use crate::files::{invalid, refuse_zeros};

/// Most blocks of a decoder: far above every published model, so that a wrong number takes no memory.
const MOST_LAYERS: usize = 4096;
/// Largest size of any dimension: indices of tokens are 32-bit integers, and products of two sizes do not overflow.
const LARGEST: usize = i32::MAX as usize;

/// What a decoder is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderParts {
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Whether the output head is tied to the token embeddings.
    pub tied: bool,
    /// The norms.
    pub norm: NormParts,
    /// Attention, the same in every block.
    pub attention: AttentionParts,
    /// The feed-forward network, the same in every block.
    pub feed_forward: FeedForwardParts,
    /// Constant factors.
    pub multipliers: Multipliers,
    /// What differs from block to block.
    pub layers: Vec<LayerParts>,
}

/// The norms of a decoder: `γ x / √(mean(x²) + ε)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormParts {
    /// Where they stand in a block.
    pub places: NormPlaces,
    /// How `γ` is stored.
    pub weight: NormWeight,
    /// `ε`
    pub epsilon: f64,
}

/// Where norms stand in a block: at the inputs of attention and feed-forward network, at their outputs, or at both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum NormPlaces {
    Before,
    After,
    Both,
}

/// How the factor `γ` of a norm is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormWeight {
    /// As `γ`.
    Plain,
    /// As `γ - 1`.
    OnePlus,
}

/// Grouped-query attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionParts {
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads, a divisor of [`heads`](Self::heads).
    pub key_heads: usize,
    /// Width of one head.
    pub head_width: usize,
    /// Factor of the scores.
    pub scale: f64,
    /// Whether one matrix, `qkv_proj`, gives queries, keys and values.
    pub fused: bool,
    /// Whether the projections to queries, keys and values have biases.
    pub input_bias: bool,
    /// Whether the output projection has a bias.
    pub output_bias: bool,
    /// The norms of queries and keys.
    pub head_norm: Option<HeadNorm>,
}

/// What the norms of queries and keys run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNorm {
    /// Each head alone; the heads share the weight.
    EachHead,
    /// All heads of a token together.
    AllHeads,
}

/// `down(activation(gate(x)) · up(x))`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedForwardParts {
    /// Width inside the network.
    pub inner: usize,
    /// The function of the gate.
    pub activation: Activation,
    /// Whether one matrix, `gate_up_proj`, gives both inputs of the gate.
    pub fused: bool,
    /// Whether the projections have biases.
    pub bias: bool,
}

/// The function of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`
    Silu,
    /// The approximation of GELU by the hyperbolic tangent.
    TanhGelu,
}

/// Constant factors; 1 where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multipliers {
    /// Factor of the token embeddings.
    pub embeddings: f64,
    /// Factor of what attention and feed-forward network add to the hidden states.
    pub residual: f64,
    /// Divisor of the logits.
    pub logits_divisor: f64,
}

/// What differs from block to block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerParts {
    /// Number of tokens that a token sees, itself included; `None` for all up to itself.
    pub window: Option<usize>,
    /// Rotary positions; `None` if the block has no positions.
    pub rotation: Option<Rotation>,
}

/// Rotary position embeddings in the half-split layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation {
    /// Base of the frequencies.
    pub base: f64,
    /// Number of leading coordinates of a head that are rotated; even.
    pub width: usize,
    /// Scaling of the frequencies.
    pub scaling: RotaryScaling,
}

/// Scaling of rotary frequencies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RotaryScaling {
    /// No scaling.
    #[default]
    None,
    /// All frequencies are divided.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Low frequencies are divided, high ones kept, and those between blended.
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Wavelengths above `original / low` tokens are low frequencies.
        low: f64,
        /// Wavelengths below `original / high` tokens are high frequencies.
        high: f64,
        /// Maximum length in pre-training, in tokens.
        original: f64,
    },
}

impl Activation {
    /// Its name in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silu => "silu",
            Self::TanhGelu => "gelu_pytorch_tanh",
        }
    }
}

impl AttentionParts {
    /// Number of query heads that share a key and value head.
    pub fn groups(&self) -> usize {
        self.heads / self.key_heads
    }

    /// Width of all queries of a token.
    pub fn queries(&self) -> usize {
        self.heads * self.head_width
    }

    /// Width of all keys of a token, and of all values.
    pub fn keys(&self) -> usize {
        self.key_heads * self.head_width
    }
}

impl DecoderParts {
    /// Sets the window of every layer.
    pub(crate) fn set_windows(&mut self, windows: Vec<Option<usize>>) {
        for (layer, window) in self.layers.iter_mut().zip(windows) {
            layer.window = window;
        }
    }

    /// Refuses a description of which no decoder can be built. Errors name the keys of the `config.json` at `path`.
    pub(super) fn validate(&self, path: &Path) -> Result<(), LmError> {
        let (attention, layers) = (&self.attention, self.layers.len());
        let sizes = [
            ("vocab_size", self.vocabulary),
            ("hidden_size", self.hidden),
            ("intermediate_size", self.feed_forward.inner),
            ("num_hidden_layers", layers),
            ("num_attention_heads", attention.heads),
            ("num_key_value_heads", attention.key_heads),
            ("head_dim", attention.head_width),
        ];
        refuse_zeros(path, &sizes)?;
        let refused = |reason: String| invalid(path, reason);
        if let Some((key, size)) = sizes.iter().find(|(_, size)| *size > LARGEST) {
            return refused(format!("{key} = {size}; it must be at most {LARGEST}"));
        }
        if !attention.heads.is_multiple_of(attention.key_heads) {
            return refused(format!(
                "num_attention_heads = {} is not a multiple of num_key_value_heads = {}",
                attention.heads, attention.key_heads
            ));
        }
        for layer in &self.layers {
            if layer.window == Some(0) {
                return refused("sliding_window is 0; use null for no window".to_string());
            }
            let width = layer.rotation.map_or(2, |rotation| rotation.width);
            if width == 0 || !width.is_multiple_of(2) {
                return refused(format!(
                    "rotary embeddings need pairs: head_dim, or the part of it that partial_rotary_factor \
                     gives, is {width}, which is odd or 0"
                ));
            }
        }
        let factors = [
            ("rms_norm_eps", self.norm.epsilon),
            ("the factor of attention scores", attention.scale),
            ("embedding_multiplier", self.multipliers.embeddings),
            ("residual_multiplier", self.multipliers.residual),
            ("logits_scaling", self.multipliers.logits_divisor),
        ];
        match factors
            .iter()
            .find(|(_, value)| !(*value > 0.0 && value.is_finite()))
        {
            Some((key, value)) => {
                refused(format!("{key} = {value}; it must be above 0 and finite"))
            }
            None => Ok(()),
        }
    }

    /// Refuses a number of blocks that no description is made for.
    pub(super) fn check_layers(layers: usize, path: &Path) -> Result<(), LmError> {
        match layers > MOST_LAYERS {
            true => invalid(
                path,
                format!("num_hidden_layers = {layers}; at most {MOST_LAYERS} are supported"),
            ),
            false => Ok(()),
        }
    }
}
