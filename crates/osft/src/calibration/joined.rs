//! Joining the sources of calibrations: their mean, and the union of what they need.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use rayon::prelude::*;

use super::union::{Choice, Union};
use super::{Calibration, LayerCalibration};
use crate::config::{Combine, OsftConfig, Scaling};
use crate::error::OsftError;
use crate::rule::progress;

/// How a newer calibration fits to an earlier one.
struct Matched {
    /// Indices of the newer moments by those of the earlier ones.
    moment_of: BTreeMap<usize, usize>,
    /// The earlier layers, with the newer importance.
    layers: Vec<LayerCalibration>,
}

impl Calibration {
    /// Joins what is retained so far with the inputs of a new source, as the configuration combines sources.
    ///
    /// With [`Combine::Mean`], that is [`absorb`](Self::absorb). With [`Combine::Union`], it also adds the
    /// directions that the new source needs to those that are protected: one basis for all layers with the
    /// same input. `task` of `tasks` is the task that was learned, from 0, which rules may read; the source of
    /// the base model counts as task 0.
    ///
    /// # Errors
    ///
    /// The errors of [`absorb`](Self::absorb) and of [`OsftConfig::validate`], [`OsftError::NotUnited`] if
    /// only the mean of the earlier sources is known, [`OsftError::NoConvergence`] if a decomposition does
    /// not converge.
    pub fn joined(
        earlier: Option<Self>,
        newer: Self,
        config: &OsftConfig,
        task: usize,
        tasks: usize,
    ) -> Result<Self, OsftError> {
        config.validate()?;
        let Some(mut all) = earlier else {
            let unions = match config.combine {
                Combine::Mean => Vec::new(),
                Combine::Union => {
                    let pairs = newer
                        .moments
                        .iter()
                        .enumerate()
                        .map(|(index, moment)| (Union::empty(moment.dimension()), index));
                    newer.united(pairs.collect(), config, task, tasks)?
                }
            };
            return Ok(Self { unions, ..newer });
        };
        if config.combine == Combine::Mean {
            all.absorb(&newer)?;
            return Ok(all);
        }
        if all.unions.len() != all.moments.len() {
            return Err(OsftError::NotUnited);
        }
        let matched = all.matched(&newer)?;
        let earlier = std::mem::take(&mut all.unions).into_iter().enumerate();
        let pairs = earlier.filter_map(|(index, union)| {
            let moment = matched.moment_of.get(&index)?;
            Some((Arc::unwrap_or_clone(union), *moment))
        });
        let unions = newer.united(pairs.collect(), config, task, tasks)?;
        all.mix(&newer, matched);
        Ok(Self { unions, ..all })
    }

    /// Adds what the source of this calibration needs to directions; each comes with the index of its moment.
    fn united(
        &self,
        earlier: Vec<(Union, usize)>,
        config: &OsftConfig,
        task: usize,
        tasks: usize,
    ) -> Result<Vec<Arc<Union>>, OsftError> {
        let choice = Choice {
            rule: config.protected_share.rule()?.as_ref(),
            progress: progress(task, tasks),
            task,
            alpha: (config.scaling == Scaling::Scaled).then_some(config.scaling_alpha),
        };
        let united = earlier.into_par_iter().map(|(union, index)| {
            let union = union.with_source(&self.moments[index], &choice);
            union.map(Arc::new).ok_or_else(|| {
                let mut layers = self.layers.iter();
                let layer = layers.find(|layer| layer.moment == index);
                OsftError::NoConvergence {
                    layer: layer.map(|layer| layer.path.clone()).unwrap_or_default(),
                }
            })
        });
        united.collect()
    }

    /// Checks that a calibration of the targets of a module by this configuration can be [`joined`](Self::joined) with this one:
    /// so that it is known before a task is learned, and not after.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherMoments`] if it sums moments in another way, [`OsftError::United`] or [`OsftError::NotUnited`] if
    /// it combines sources in another way, [`OsftError::OtherCalibration`] if it has other targets or needs gradients
    /// that this one lacks, or the other way round; the errors of [`Targets::selected`](crate::Targets::selected).
    pub fn check_joins<M: Module>(&self, config: &OsftConfig, module: &M) -> Result<(), OsftError> {
        self.check_measured(config.moment)?;
        match (config.combine, self.unions.is_empty()) {
            (Combine::Mean, false) => return Err(OsftError::United),
            (Combine::Union, true) => return Err(OsftError::NotUnited),
            (Combine::Mean, true) | (Combine::Union, false) => {}
        }
        let own = self.by_path();
        let targets = config.targets.selected(module)?;
        let gradients = config.split.needs_gradients();
        let fits = |path: &str| {
            let layer = own.get(path);
            layer.is_some_and(|layer| layer.gradients.is_some() == gradients)
        };
        let unfit = targets.iter().find(|target| !fits(&target.path));
        let is_target = |path: &str| targets.iter().any(|target| target.path == path);
        let unknown = self.layers.iter().find(|layer| !is_target(&layer.path));
        let unfit = unfit.map(|target| &target.path);
        match unfit.or(unknown.map(|layer| &layer.path)) {
            None => Ok(()),
            Some(layer) => Err(OsftError::OtherCalibration {
                layer: layer.clone(),
            }),
        }
    }

    /// Adds the sources of another calibration. From now on the importance is the newer calibration's, since
    /// the paper takes it from the previous task.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherCalibration`] if the two calibrations differ in their layers, groups of layers or
    /// input dimensions; [`OsftError::OtherMoments`] if they sum their moments in different ways,
    /// [`OsftError::OtherSketch`] if they store a moment in different ways;
    /// [`OsftError::United`] if the sources of one of them are united. On error nothing changes.
    pub fn absorb(&mut self, newer: &Self) -> Result<(), OsftError> {
        if !self.unions.is_empty() || !newer.unions.is_empty() {
            return Err(OsftError::United);
        }
        let matched = self.matched(newer)?;
        self.mix(newer, matched);
        Ok(())
    }

    /// How the moments and layers of a newer calibration fit to those of this one.
    fn matched(&self, newer: &Self) -> Result<Matched, OsftError> {
        newer.check_measured(self.measured)?;
        let mismatch = |layer: &str| OsftError::OtherCalibration {
            layer: layer.to_string(),
        };
        let newer_layers = newer.by_path();
        let missing_in_newer =
            |layer: &&LayerCalibration| !newer_layers.contains_key(layer.path.as_str());
        if let Some(layer) = self.layers.iter().find(missing_in_newer) {
            return Err(mismatch(&layer.path));
        }
        let own_layers = self.by_path();
        let missing_here =
            |layer: &&LayerCalibration| !own_layers.contains_key(layer.path.as_str());
        if let Some(layer) = newer.layers.iter().find(missing_here) {
            return Err(mismatch(&layer.path));
        }
        // Moments are numbered in the order of their first observation, which may differ between
        // calibrations.
        let mut moment_of: BTreeMap<usize, usize> = BTreeMap::new();
        let mut layers = self.layers.clone();
        for layer in &mut layers {
            let newer_layer = newer_layers[layer.path.as_str()];
            if *moment_of.entry(layer.moment).or_insert(newer_layer.moment) != newer_layer.moment {
                return Err(mismatch(&layer.path));
            }
            layer.scores.clone_from(&newer_layer.scores);
        }
        for layer in &self.layers {
            let (own, new) = (layer.moment, moment_of[&layer.moment]);
            let (own, new) = (&self.moments[own], &newer.moments[new]);
            if own.dimension() != new.dimension() {
                return Err(mismatch(&layer.path));
            }
            if !own.mixes_with(new) {
                let layer = layer.path.clone();
                return Err(OsftError::OtherSketch { layer });
            }
            match (
                &layer.gradients,
                &newer_layers[layer.path.as_str()].gradients,
            ) {
                (None, None) => {}
                (Some(own), Some(new)) if own.mixes_with(new) => {}
                (Some(own), Some(new)) if own.dimension() == new.dimension() => {
                    let layer = layer.path.clone();
                    return Err(OsftError::OtherSketch { layer });
                }
                _ => return Err(mismatch(&layer.path)),
            }
        }
        Ok(Matched { moment_of, layers })
    }

    /// Averages the moments, and takes the newer importance.
    fn mix(&mut self, newer: &Self, matched: Matched) {
        let Matched { moment_of, layers } = matched;
        let total = self.weight() + newer.weight();
        let (old, new) = (self.weight() / total, newer.weight() / total);
        // One moment at a time, in place where no one else holds it: all of them twice would be much.
        let own = std::mem::take(&mut self.moments).into_iter().enumerate();
        self.moments = own
            .map(|(index, moment)| match moment_of.get(&index) {
                Some(&newer_index) => {
                    let moment = Arc::unwrap_or_clone(moment);
                    Arc::new(moment.mixed(old, &newer.moments[newer_index], new))
                }
                None => moment,
            })
            .collect();
        self.sources.extend(newer.sources.iter().cloned());
        self.layers = layers;
        let newer = newer.by_path();
        for layer in &mut self.layers {
            let gradients = newer[layer.path.as_str()].gradients.as_ref();
            layer.gradients = layer.gradients.take().zip(gradients).map(|(own, newer)| {
                let own = Arc::unwrap_or_clone(own);
                Arc::new(own.mixed(old, newer, new))
            });
        }
    }
}
