//! What is told to a worker, and what it answers.

use std::path::PathBuf;

use runs::Backend;
use serde::{Deserialize, Serialize};

use super::{Activations, Peer, Shape};

/// The setting of the protected share.
pub(super) const SHARE: &str = "protected_share";

/// The setting of the precision of frozen weights.
pub(super) const BASE_PRECISION: &str = "base_precision";

/// The precision of the model itself.
pub(super) const FULL: &str = "full";

/// What a worker times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Shape of the model.
    pub shape: Shape,
    /// The variant that is timed.
    pub variant: String,
    /// The variant's name in reports; absent where it was recorded by an earlier version.
    #[serde(default)]
    pub label: String,
    /// The program, where it is one of others.
    pub peer: Option<Peer>,
    /// Protected share, of the variants that have one.
    pub share: Option<f64>,
    /// Number of the task that is timed, of a sequence.
    pub tasks: u32,
    /// Precision in which frozen weights are held.
    pub base_precision: String,
    /// Where splits are kept.
    pub split_cache: Option<PathBuf>,
    /// What is done with activations.
    pub activations: Activations,
    /// Tokens of a step, in whole rows.
    pub tokens: usize,
    /// Steps at most.
    pub steps: usize,
    /// Where to compute.
    pub backend: Backend,
}

impl Spec {
    /// Name of the variant, whatever is varied.
    pub fn name(&self) -> String {
        match (self.label.is_empty(), self.share) {
            (false, _) => self.label.clone(),
            // Only OSFT had a share.
            (true, Some(_)) => format!("osft {}", self.variant),
            (true, None) => self.variant.clone(),
        }
    }

    /// Name in reports.
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
        let task = match self.tasks {
            1 => String::new(),
            tasks => format!(", task {tasks}"),
        };
        let share = share.unwrap_or_default();
        format!("{name}{share}{precision}{activations}{task}")
    }
}

/// What a worker says once it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Seconds to split the model and attach what a method attaches.
    pub setup_seconds: f64,
    /// Most memory until then.
    pub setup_mebibytes: Option<f64>,
    /// Numbers of the model.
    pub parameters: usize,
    /// Multiplications of a step in the targets, where they are counted.
    pub multiplications: Option<usize>,
}

/// What a worker says of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    /// Seconds of a forward pass that nothing is differentiated in.
    pub forward_seconds: f64,
    /// Seconds of a training step: forward, backward, projection, clipping, optimizer.
    pub step_seconds: f64,
    /// Most memory since the worker was ready.
    pub mebibytes: Option<f64>,
    /// Loss of the step, in nats.
    pub loss: f64,
}
