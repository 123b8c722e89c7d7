//! AdamW in one pass over weight, gradient and moments, where the tensors allow it.

use burn::optim::{AdamW, AdamWConfig, AdamWState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// Burn's AdamW; on the processor backend flex, in f32, as one loop instead of a tensor per operation. Weights and
/// moments are the same to the last bit, and so is the state that is saved.
#[derive(Clone)]
pub struct FusedAdamW {
    config: Settings,
    burn: AdamW,
}

#[derive(Clone, Copy)]
struct Settings {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    weight_decay: f32,
}

impl FusedAdamW {
    /// An optimizer with these decays of the moments, stabilizer and decoupled weight decay.
    pub fn new(beta_1: f32, beta_2: f32, epsilon: f32, weight_decay: f32) -> Self {
        let burn = AdamWConfig::new()
            .with_beta_1(beta_1)
            .with_beta_2(beta_2)
            .with_epsilon(epsilon)
            .with_weight_decay(weight_decay)
            .build();
        let config = Settings {
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
        };
        Self { config, burn }
    }
}

impl Optimizer for FusedAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        #[cfg(feature = "flex")]
        if on_flex::takes(&weight, &gradient, state.as_ref()) {
            return on_flex::step(&self.config, learning_rate, weight, gradient, state);
        }
        self.burn.step(learning_rate, weight, gradient, state)
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamW::to_device(state, device)
    }
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::{Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor};
    use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate};
    use burn::tensor::Tensor;
    use kernels::loops::{AdamWStep, Moments};
    use kernels::runs_loops;

    use super::Settings;

    /// Whether all tensors are in f32, and on flex without autodiff, as an optimizer gets them.
    pub(super) fn takes<const D: usize>(
        weight: &Tensor<D>,
        gradient: &Tensor<D>,
        state: Option<&AdamWState<D>>,
    ) -> bool {
        let moments = state.map(|state| [&state.momentum.moment_1, &state.momentum.moment_2]);
        let moments = moments.into_iter().flatten();
        [weight, gradient]
            .into_iter()
            .chain(moments)
            .all(runs_loops)
    }

    pub(super) fn step<const D: usize>(
        settings: &Settings,
        learning_rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let momentum = state.map(|state| state.momentum).unwrap_or_else(|| {
            let zeros = || Tensor::zeros(weight.shape(), &weight.device());
            AdaptiveMomentumState::new(0, zeros(), zeros())
        });
        let time = momentum.time + 1;
        let decay_rate = learning_rate * f64::from(settings.weight_decay);
        let step = AdamWStep {
            learning_rate: learning_rate as f32,
            kept: (1.0 - decay_rate) as f32,
            beta_1: settings.beta_1,
            beta_2: settings.beta_2,
            correction_1: 1.0 - settings.beta_1.powi(time as i32),
            correction_2: 1.0 - settings.beta_2.powi(time as i32),
            epsilon: settings.epsilon,
        };
        let (weight, first, second) = Dispatch::adamw_step(
            weight.into_dispatch(),
            gradient.into_dispatch(),
            momentum.moment_1.into_dispatch(),
            momentum.moment_2.into_dispatch(),
            step,
        );
        let [first, second] = [first, second].map(Tensor::from_dispatch);
        let state = AdamWState::new(AdaptiveMomentumState::new(time, first, second));
        (Tensor::from_dispatch(weight), Some(state))
    }

    /// A step of AdamW.
    #[backend_extension(Flex)]
    pub trait AdamWOps: Backend {
        /// The moved weight and its moments.
        ///
        /// # Shapes
        /// - all: the same shape
        fn adamw_step(
            weight: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            first: FloatTensor<Self>,
            second: FloatTensor<Self>,
            step: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    }

    impl AdamWOps for Flex {
        fn adamw_step(
            weight: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            first: FloatTensor<Self>,
            second: FloatTensor<Self>,
            step: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            // Changed in place unless something else has them: a second handle would make them be copied.
            let own = |tensor: FloatTensor<Self>| tensor.to_contiguous();
            let gradient = gradient.to_contiguous();
            let (mut weight, mut first, mut second) = (own(weight), own(first), own(second));
            let moments = Moments {
                first: first.storage_mut(),
                second: second.storage_mut(),
            };
            step.apply(weight.storage_mut(), gradient.storage(), moments);
            (weight, first, second)
        }
    }
}

#[cfg(all(test, feature = "flex"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    #[test]
    fn weights_and_moments_are_those_of_burns_own_to_the_last_bit() {
        let device = Device::flex();
        device.seed(7);
        let bits = |tensor: Tensor<2>| -> Vec<u32> {
            let data: TensorData = tensor.into_data();
            let values: Vec<f32> = data.try_to_vec().unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        for decay in [0.0, 0.1] {
            let fused = FusedAdamW::new(0.9, 0.999, 1e-8, decay);
            let start = Tensor::<2>::random([70, 333], Distribution::Normal(0.0, 1.0), &device);
            let (mut ours, mut theirs) = (start.clone(), start);
            let (mut our_state, mut their_state) = (None, None);
            for step in 0..5 {
                // A gradient that is a transposed view, as those of weights are.
                let normal = Distribution::Normal(0.0, f64::from(step) + 0.1);
                let gradient = Tensor::<2>::random([333, 70], normal, &device).transpose();
                (ours, our_state) = fused.step(1e-3, ours, gradient.clone(), our_state);
                (theirs, their_state) = fused.burn.step(1e-3, theirs, gradient, their_state);
                assert_eq!(bits(ours.clone()), bits(theirs.clone()), "step {step}");
                let moments = |state: &Option<AdamWState<2>>| {
                    let momentum = state.clone().unwrap().momentum;
                    (
                        momentum.time,
                        bits(momentum.moment_1),
                        bits(momentum.moment_2),
                    )
                };
                assert_eq!(moments(&our_state), moments(&their_state), "step {step}");
            }
        }
    }
}
