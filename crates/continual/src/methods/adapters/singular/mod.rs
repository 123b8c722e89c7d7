//! Adapters that start as singular triplets of the weight: MiLoRA with the smallest, PiSSA with the largest.

mod kind;

use ::osft::{SingularTriplets, WhichTriplets};
use burn::module::{LoraAdapter, Module};
use burn::optim::ModuleOptimizer;
use burn::tensor::TensorData;
use lm::AdapterLayer;

use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::TimedPart;
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
use crate::methods::adapters::layers::{AdaptedLayers, Layer};
use crate::methods::adapters::settings::AdapterConfig;
pub use kind::SingularLoraKind;

/// Names of the factors that an adapter started with, in saved states.
const START: [&str; 2] = ["start.a", "start.b"];

/// The singular triplets that an adapter starts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingularStart {
    /// Those with the smallest singular values: `milora`.
    Smallest,
    /// Those with the largest singular values: `pissa`.
    Largest,
}

/// One adapter through all tasks that starts as singular triplets `U_r S_r V_rᵀ` of the base weight,
/// `A = U_r (S_r / scale)^½` and `B = (S_r / scale)^½ V_rᵀ`; the rest of the weight, `W - scale · A B`,
/// is frozen.
///
/// The base weights are decomposed once, before the first task; every later task continues with the same adapter.
/// What is learned is not projected: it may leave the span of the triplets that the adapter started as.
///
/// # References
///
/// Wang et al., "MiLoRA: Harnessing Minor Singular Components for Parameter-Efficient LLM Finetuning", NAACL 2025;
/// Meng et al., "PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models", NeurIPS
/// 2024, equations 2 to 4. Both are methods for one task.
#[derive(Clone, Debug)]
pub struct SingularLora {
    adapters: AdaptedLayers<LoraAdapter, 2>,
    start: SingularStart,
}

impl SingularLora {
    /// An adapter that starts as these singular triplets.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(config: AdapterConfig, start: SingularStart) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            adapters: AdaptedLayers::new(config),
            start,
        })
    }

    /// Decomposes the weights, and starts every adapter as some of the triplets.
    fn decompose<M: Module>(
        &mut self,
        model: &M,
        context: TaskContext<'_>,
    ) -> Result<(), ContinualError> {
        let config = self.adapters.config();
        // Before the weights are decomposed: each must have as many singular values as its adapter takes.
        config.selected(model)?;
        let (rank, scale) = (config.adapter_rank, config.scale());
        let which = match self.start {
            SingularStart::Smallest => WhichTriplets::Smallest(rank),
            SingularStart::Largest => WhichTriplets::Largest(rank),
        };
        let triplets = context.clock.time(TimedPart::Split, || {
            SingularTriplets::of(model, &config.targets, which)
        })?;
        // In the order of the targets, which is that of the layers too.
        let factors: Vec<[TensorData; 2]> = triplets.iter().map(|t| factors(t, scale)).collect();
        let mut next = factors.iter().cloned();
        self.adapters.start(model, |_| {
            next.next().expect("invariant: triplets of every target")
        })?;
        for (layer, factors) in self.adapters.layers_mut().iter_mut().zip(factors) {
            let named = START.map(str::to_string).into_iter().zip(factors);
            layer.kept = named.collect();
        }
        Ok(())
    }
}

impl SingularStart {
    /// Its name in the registry.
    fn name(self) -> &'static str {
        match self {
            Self::Smallest => "milora",
            Self::Largest => "pissa",
        }
    }
}

/// `A` and `B` whose product, times `scale`, is the part of the weight that the triplets make up.
fn factors(triplets: &SingularTriplets, scale: f64) -> [TensorData; 2] {
    let roots: Vec<f64> = triplets.values.iter().map(|s| (s / scale).sqrt()).collect();
    let rank = roots.len();
    let [input, output] = [&triplets.input, &triplets.output].map(|vectors| {
        let values = vectors.iter::<f64>().enumerate();
        let scaled = values.map(|(index, value)| (value * roots[index % rank]) as f32);
        (vectors.shape()[0], scaled.collect::<Vec<f32>>())
    });
    let (d_out, output) = output;
    let b = (0..rank).flat_map(|i| (0..d_out).map(move |j| j * rank + i));
    let b: Vec<f32> = b.map(|index| output[index]).collect();
    [
        TensorData::new(input.1, [input.0, rank]),
        TensorData::new(b, [rank, d_out]),
    ]
}

impl<M: Module> Method<M> for SingularLora {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        if self.adapters.is_without_adapters() {
            self.decompose(&model, context)?;
        }
        let factors = self.adapters.factors().flatten().collect();
        let optimizer = context.optimizer.for_matrices(factors);
        Ok((self.adapters.attach(model), optimizer))
    }

    fn trains(&self) -> Option<String> {
        Some(self.adapters.trains())
    }

    /// The change since the base weight, `scale · (A B - A₀ B₀)`, as an adapter of twice the rank: the factors alone
    /// would be added to a weight that includes them already.
    fn adapter(&self) -> Option<lm::Adapter> {
        let config = self.adapters.config();
        let layers = self.adapters.layers().iter();
        let layers = layers.map(|layer| change_since_base(layer, config.scale()));
        let layers: Vec<AdapterLayer> = layers.collect::<Option<_>>()?;
        (!layers.is_empty()).then_some(lm::Adapter {
            layers,
            adapter_rank: 2 * config.adapter_rank,
            alpha: 2.0 * config.alpha,
        })
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        self.adapters.state()
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.adapters.restore(base, saved, check_start)
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        Ok(self.adapters.detach(model))
    }
}

/// Says what is wrong with the factors that a layer's adapter started with.
fn check_start(layer: &Layer<2>) -> Result<(), String> {
    let Some(adapter) = &layer.current else {
        return Err("its adapter is missing".to_string());
    };
    let started = START.map(|name| layer.kept.get(name));
    let fit = started
        .iter()
        .zip(adapter)
        .all(|(start, factor)| start.is_some_and(|start| start.shape() == factor.values.shape()));
    match fit && layer.kept.len() == START.len() {
        true => Ok(()),
        false => Err("the factors that its adapter started with are not there".to_string()),
    }
}

fn change_since_base(layer: &Layer<2>, scale: f64) -> Option<AdapterLayer> {
    let [a, b] = layer.current.as_ref()?;
    let [start_a, start_b] = START.map(|name| layer.kept.get(name));
    let ([d_in, rank], [_, d_out]) = (dims(&a.values)?, dims(&b.values)?);
    let (a, start_a) = (floats(&a.values), floats(start_a?));
    let rows = (0..d_in).map(|row| row * rank..(row + 1) * rank);
    let a = rows.flat_map(|row| a[row.clone()].iter().chain(&start_a[row]).copied());
    let negative = floats(start_b?).into_iter().map(|value| -value);
    let b = floats(&b.values).into_iter().chain(negative);
    Some(AdapterLayer {
        path: layer.target.path.clone(),
        a: TensorData::new(a.collect::<Vec<f32>>(), [d_in, 2 * rank]),
        b: TensorData::new(b.collect::<Vec<f32>>(), [2 * rank, d_out]),
        scale,
    })
}

fn dims(matrix: &TensorData) -> Option<[usize; 2]> {
    matrix.shape()[..].try_into().ok()
}

fn floats(matrix: &TensorData) -> Vec<f32> {
    matrix.iter().collect()
}
