//! What is told to a worker, and what it answers.

use std::path::PathBuf;

use anyhow::Result;
use osft::{Form, OsftConfig};
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::cli::{Activations, Peer, Shape, VariantName};
use crate::config::RunConfig;
use crate::variant::PrecisionName;

/// What a worker times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Shape of the model.
    pub shape: Shape,
    /// What is timed.
    pub variant: VariantName,
    /// The program, where it is one of others.
    pub peer: Option<Peer>,
    /// Protected share, of the variants that have one.
    pub share: Option<f64>,
    /// Number of the task that is timed, of a sequence.
    pub tasks: u32,
    /// Precision in which the weights of a split are held.
    pub base_precision: PrecisionName,
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
    /// Name in reports.
    pub fn label(&self) -> String {
        if let Some(peer) = &self.peer {
            return peer.name.clone();
        }
        let name = match self.variant {
            VariantName::Seqft => "seqft",
            VariantName::Plain => "plain",
            VariantName::Core => "osft core",
            VariantName::Weight => "osft weight",
            VariantName::Factored => "osft factored",
            VariantName::Lora => "lora",
            VariantName::OLora => "o-lora",
            VariantName::Peer => "peer",
        };
        let share = self.share.map(|share| format!(" {share}"));
        let activations = match self.activations {
            Activations::Kept => "",
            Activations::Recomputed => ", recomputed",
        };
        let precision = match self.base_precision {
            PrecisionName::Full => "",
            PrecisionName::Bf16 => ", bf16 base",
        };
        let task = match self.tasks {
            1 => String::new(),
            tasks => format!(", task {tasks}"),
        };
        let share = share.unwrap_or_default();
        format!("{name}{share}{precision}{activations}{task}")
    }

    /// The paper's split of its targets, in that form.
    pub fn osft(&self, form: Form) -> Result<OsftConfig> {
        let config = defaults()?.osft_paper;
        let share = self.share.unwrap_or(0.5);
        Ok(config
            .with_protected_share(share)
            .with_form(form)
            .with_base_precision(self.base_precision.into()))
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

/// Settings that a variant starts from.
pub fn defaults() -> Result<RunConfig> {
    RunConfig::resolve(Default::default(), false, &Default::default())
}
