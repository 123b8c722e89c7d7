//! Messages to and from a worker.

use std::path::PathBuf;

use lm::MixedPrecision;
use runs::Backend;
use serde::{Deserialize, Serialize};

use super::{Activations, Peer, Shape};

/// The setting of the protected share.
pub(super) const SHARE: &str = "protected_share";

/// The setting of the precision of frozen weights.
pub(super) const BASE_PRECISION: &str = "base_precision";

/// The precision of the model itself.
pub(super) const FULL: &str = "full";

/// The task of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Shape of the model.
    pub shape: Shape,
    /// The variant to time.
    pub variant: String,
    /// The variant's name in reports; earlier versions did not record it.
    #[serde(default)]
    pub label: String,
    /// The peer program, if a peer is timed.
    pub peer: Option<Peer>,
    /// The protected share, for variants that have one.
    pub share: Option<f64>,
    /// Length of the sequence, whose last task is timed.
    pub tasks: u32,
    /// Precision of the frozen weights.
    pub base_precision: String,
    /// Folder of the split cache.
    pub split_cache: Option<PathBuf>,
    /// How activations are handled between the forward and the backward pass.
    pub activations: Activations,
    /// The type of activations and matrix products; earlier versions had no choice.
    #[serde(default, skip_serializing_if = "MixedPrecision::is_none")]
    pub mixed_precision: MixedPrecision,
    /// Number of threads; as many as there are cores if absent.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Tokens per step, in whole rows.
    pub tokens: usize,
    /// Maximum number of steps.
    pub steps: usize,
    /// Compute backend.
    pub backend: Backend,
}

impl Spec {
    /// The name of the variant, without the settings that a timing varies.
    pub fn name(&self) -> String {
        match (self.label.is_empty(), self.share) {
            (false, _) => self.label.clone(),
            // Only OSFT had a share at that time.
            (true, Some(_)) => format!("osft {}", self.variant),
            (true, None) => self.variant.clone(),
        }
    }

    /// The name in reports.
    pub fn label(&self) -> String {
        if let Some(peer) = &self.peer {
            return peer.name.clone();
        }
        let name = self.name();
        let share = self.share.map(|share| format!(" {share}"));
        let activations = match self.activations {
            Activations::Kept => "",
            Activations::Recomputed => ", recomputed",
        };
        let precision = match self.base_precision.as_str() {
            FULL => String::new(),
            precision => format!(", {precision} base"),
        };
        let mixed = match self.mixed_precision {
            MixedPrecision::None => "",
            MixedPrecision::Bf16 => ", mixed bf16",
        };
        let task = match self.tasks {
            1 => String::new(),
            tasks => format!(", task {tasks}"),
        };
        let threads = match self.threads {
            None => String::new(),
            Some(1) => ", 1 thread".to_string(),
            Some(threads) => format!(", {threads} threads"),
        };
        let share = share.unwrap_or_default();
        format!("{name}{share}{precision}{mixed}{activations}{task}{threads}")
    }
}

/// A worker's report when it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Seconds to split the model and to attach what the method trains.
    pub setup_seconds: f64,
    /// Peak memory until then, in MiB.
    pub setup_mebibytes: Option<f64>,
    /// Number of scalars in the model.
    pub parameters: usize,
    /// Multiplications per step in the targets, if the method counts them.
    pub multiplications: Option<usize>,
}

/// A worker's report on one step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    /// Seconds of a forward pass without gradients.
    pub forward_seconds: f64,
    /// Seconds of a training step: forward pass, backward pass, projection, clipping, optimizer.
    pub step_seconds: f64,
    /// Peak memory since the worker was ready, in MiB.
    pub mebibytes: Option<f64>,
    /// Loss of the step, in nats.
    pub loss: f64,
}
