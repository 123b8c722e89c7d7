//! The memory that a method needs while it trains.

/// The memory that a method needs while it trains, in bytes, without activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeeds {
    /// Number of trained scalars; `None` if it depends on the model's values. The bytes are an
    /// estimate then.
    pub trainable: Option<usize>,
    /// Weights of the model.
    pub weights: usize,
    /// Part of the weights that the model shares with the one that it started from, as long as both exist.
    pub shared: usize,
    /// Bases, cores, adapters and copies beside the weights.
    pub attached: usize,
    /// Whether weights are split into directions first.
    pub splits: bool,
    /// A gradient per trained scalar.
    pub gradients: usize,
    /// Two moments per trained scalar.
    pub moments: usize,
    /// What a step holds for a term of the loss that compares probabilities.
    pub compared: Option<ComparedProbabilities>,
    /// What exists at the end of a task beside weights and copies, while they are merged.
    pub merging: usize,
}

/// A pass of its own in every step, for a term of the loss that compares the probabilities of all tokens of the
/// vocabulary: without activation checkpointing and without packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComparedProbabilities {
    /// Matrices that are held at a time, each with a number in f32 for every answer token and every token of the
    /// vocabulary.
    pub matrices: usize,
    /// Rows and tokens of each, all of them answer tokens; `None` if they are the rows of a micro-batch.
    pub rows: Option<[usize; 2]>,
}

impl MemoryNeeds {
    /// A method that trains `trainable` of `parameters` scalars in f32.
    pub fn of_weights(parameters: usize, trainable: usize) -> Self {
        Self {
            trainable: Some(trainable),
            weights: 4 * parameters,
            shared: 4 * (parameters - trainable),
            attached: 0,
            splits: false,
            gradients: 4 * trainable,
            moments: 8 * trainable,
            compared: None,
            merging: 0,
        }
    }

    /// A method that trains `adapters` scalars beside `parameters` frozen scalars, in f32; `targets` of them
    /// are copied.
    pub fn of_adapters(parameters: usize, targets: usize, adapters: usize) -> Self {
        Self {
            trainable: Some(adapters),
            weights: 4 * parameters,
            shared: 4 * (parameters - targets),
            attached: 4 * adapters,
            splits: false,
            gradients: 4 * adapters,
            moments: 8 * adapters,
            compared: None,
            merging: 0,
        }
    }

    /// Weights that the model does not share with the one that it started from.
    pub fn changed(&self) -> usize {
        self.weights.saturating_sub(self.shared)
    }

    /// Everything.
    pub fn bytes(&self) -> usize {
        self.weights + self.attached + self.gradients + self.moments
    }
}
