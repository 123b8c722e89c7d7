//! Optimizers that keep the targets of a split inside their free directions.

use std::any::TypeId;

use burn::module::ParamGroup;
use burn::optim::grad_clipping::GradientClipping;
use burn::optim::{GradientsParams, ModuleOptimizer, Muon, Optimizer};

use crate::config::{Form, Others};
use crate::error::OsftError;
use crate::form::{Axis, CoreOptimizer, FactorOptimizer, Unmoved, free_part};
use crate::split::{LayerSplit, Osft};

impl Osft {
    /// An optimizer for the module that [`prepare`](Self::prepare) returned. It moves the targets inside
    /// their free directions with `inner`, and every other parameter that has a gradient with `inner` as it
    /// is. In a module that was split but not prepared, no target moves, except targets without protected
    /// directions.
    ///
    /// The optimizer stores its state by parameter identity and belongs to this split; a new split needs a
    /// new optimizer. Burn reads saved state in the default type of the device, usually f32: parameters of
    /// another type continue without their state. Gradient clipping that is set on the optimizer afterwards
    /// (`with_grad_clipping`) affects ordinary parameters only and no core or factor, since Burn passes it to
    /// the first parameter group only: use [`optimizer_with_clipping`](Self::optimizer_with_clipping).
    ///
    /// Burn's `LBFGS` is not an [`Optimizer`] and is not accepted: it steps all parameters of a module
    /// together, even frozen ones.
    ///
    /// ```compile_fail
    /// # use burn::{nn::LinearConfig, optim::LBFGSConfig, tensor::Device};
    /// # use osft::{Osft, OsftConfig};
    /// let model = LinearConfig::new(8, 4).init(&Device::flex().autodiff());
    /// let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
    /// let optimizer = osft.optimizer(LBFGSConfig::new().init());
    /// ```
    ///
    /// # Errors
    ///
    /// [`OsftError::MatricesOnly`] for Burn's `Muon` if a parameter that is not a matrix trains: a scale of
    /// the factored forms or, with [`Others::Trained`], a bias or a norm.
    pub fn optimizer<O: Optimizer>(&self, inner: O) -> Result<ModuleOptimizer, OsftError> {
        self.check_matrices::<O>()?;
        Ok(self.grouped(inner.clone(), inner, None))
    }

    /// As [`optimizer`](Self::optimizer), with two optimizers: `matrices` moves the targets, their cores and
    /// the matrices among their factors; `rest` moves everything else that trains. So Burn's `Muon`, which
    /// only supports matrices, can train a whole module.
    pub fn optimizer_with_rest<O: Optimizer, R: Optimizer>(
        &self,
        matrices: O,
        rest: R,
    ) -> ModuleOptimizer {
        let optimizer = self.grouped(matrices.clone(), rest, None);
        let open = || self.layers.iter().filter(|layer| trains_itself(layer));
        let ids = ParamGroup::from_ids(open().map(|layer| layer.id).collect());
        // Loaded weights have other identities.
        let paths = ParamGroup::from_paths(open().map(|layer| layer.path.clone()).collect());
        optimizer
            .with_group(ids, matrices.clone(), None)
            .with_group(paths, matrices, None)
    }

    /// As [`optimizer`](Self::optimizer), but clips the gradient of every parameter, core and factor
    /// separately before the step.
    ///
    /// # Errors
    ///
    /// The errors of [`optimizer`](Self::optimizer).
    pub fn optimizer_with_clipping<O: Optimizer>(
        &self,
        inner: O,
        clipping: GradientClipping,
    ) -> Result<ModuleOptimizer, OsftError> {
        self.check_matrices::<O>()?;
        Ok(self.grouped(inner.clone(), inner, Some(clipping)))
    }

    fn grouped<O: Optimizer, R: Optimizer>(
        &self,
        inner: O,
        rest: R,
        clipping: Option<GradientClipping>,
    ) -> ModuleOptimizer {
        let reproject = self.config.form == Form::FactoredReprojected;
        let decay = self.config.decay;
        let mut optimizer: ModuleOptimizer = rest.clone().into();
        if let Some(clipping) = &clipping {
            optimizer = optimizer.with_grad_clipping(clipping.clone());
        }
        let (mut ids, mut closed) = (Vec::new(), Vec::new());
        for layer in &self.layers {
            if let Some(factors) = &layer.factors {
                let [input, _, output] =
                    FactorOptimizer::of_layer(&inner, layer, factors, reproject, decay);
                // The scale is a vector.
                let [_, (scale_id, scale), _] =
                    FactorOptimizer::of_layer(&rest, layer, factors, reproject, decay);
                for (id, factor) in [input, output] {
                    let group = ParamGroup::from_ids(vec![id]);
                    optimizer = optimizer.with_group(group, factor, clipping.clone());
                }
                let group = ParamGroup::from_ids(vec![scale_id]);
                optimizer = optimizer.with_group(group, scale, clipping.clone());
            } else if let Some(id) = layer.core {
                let core = CoreOptimizer::new(inner.clone(), layer, &self.config);
                let group = ParamGroup::from_ids(vec![id]);
                optimizer = optimizer.with_group(group, core, clipping.clone());
            }
            if !trains_itself(layer) {
                ids.push(layer.id);
            }
            if layer.constraint.is_closed() {
                closed.push(layer.path.clone());
            }
        }
        let unmoved = Unmoved(inner.clone());
        optimizer = optimizer.with_group(ParamGroup::from_ids(ids), unmoved, None);
        // If no target can move, all of them keep `require_grad` (a backward pass needs a parameter that
        // does). They must not move either if weights were loaded, which changes identities: so they are also
        // found by path.
        if closed.len() == self.layers.len() {
            let unmoved = Unmoved(inner.clone());
            optimizer = optimizer.with_group(ParamGroup::from_paths(closed), unmoved, None);
        }
        optimizer
    }

    fn check_matrices<O: Optimizer>(&self) -> Result<(), OsftError> {
        if TypeId::of::<O>() != TypeId::of::<Muon>() {
            return Ok(());
        }
        let refused = |parameter: String, cure| {
            Err(OsftError::MatricesOnly {
                optimizer: "Muon",
                parameter,
                cure,
            })
        };
        let mut layers = self.layers.iter();
        if let Some(layer) = layers.find(|layer| layer.factors.is_some()) {
            let scale = format!("{}.osft.scale", layer.path);
            return refused(scale, "the core form");
        }
        let mut trained = self.trainability.trained();
        match trained.find(|(_, recorded)| recorded.dimensions != 2) {
            Some((path, _)) if self.config.others == Others::Trained => {
                refused(path.to_string(), "freeze it")
            }
            _ => Ok(()),
        }
    }

    /// Projects the gradients of the targets onto what the constraint allows.
    ///
    /// This is optional: gradients of cores need no projection, and the optimizer projects those of factors
    /// itself. Call it before anything that measures gradients, such as clipping by the global norm, so that
    /// parts that are removed later do not count.
    pub fn project(&self, mut grads: GradientsParams) -> GradientsParams {
        for layer in &self.layers {
            if !layer.constraint.is_open() {
                grads.remove::<2>(layer.id);
            }
            let Some(factors) = &layer.factors else {
                continue;
            };
            let sides = [
                (factors.ids.input, &layer.constraint.input, Axis::Rows),
                (factors.ids.output, &layer.constraint.output, Axis::Columns),
            ];
            for (id, side, axis) in sides {
                if let Some(grad) = grads.remove::<2>(id) {
                    grads.register(id, free_part(side, axis, grad));
                }
            }
        }
        grads
    }
}

/// Whether nothing of a layer is protected, so that its weight trains without an attachment.
fn trains_itself(layer: &LayerSplit) -> bool {
    layer.constraint.is_open() && layer.attached_ids().is_empty()
}
