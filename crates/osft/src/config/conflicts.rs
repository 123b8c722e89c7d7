//! Settings that exclude each other.

use super::{Combine, DEFAULT_ALPHA, Decay, Form, OsftConfig, Scaling, SplitSource, moment};
use crate::error::OsftError;

impl OsftConfig {
    /// # Errors
    ///
    /// [`OsftError::NotTogether`] for the first two settings that exclude each other,
    /// [`OsftError::InvalidAlpha`], [`OsftError::InvalidOutputChange`], [`OsftError::InvalidShrinkage`].
    pub(super) fn check_together(&self) -> Result<(), OsftError> {
        let alpha = self.scaling_alpha;
        if !alpha.is_finite() || alpha < 0.0 {
            return Err(OsftError::InvalidAlpha { alpha });
        }
        if let Some(share) = self.max_output_change
            && !(share.is_finite() && share > 0.0)
        {
            return Err(OsftError::InvalidOutputChange { share });
        }
        self.moment.validate()?;
        let conflicts = self.of_scaling().into_iter().chain(self.of_union());
        let conflicts = conflicts.chain([self.of_limit()]);
        match conflicts.chain(moment::conflicts(self)).flatten().next() {
            Some(conflict) => Err(conflict.error()),
            None => Ok(()),
        }
    }

    fn of_limit(&self) -> Option<Conflict> {
        let limited = self.max_output_change.is_some();
        (limited && self.form.is_factored()).then(|| Conflict {
            setting: "max_output_change".to_string(),
            other: "the factored forms".to_string(),
            cure: "the change of their weights is no single coordinate to shorten; set max_output_change = \"none\", or form = \"core\"",
        })
    }

    fn of_scaling(&self) -> [Option<Conflict>; 4] {
        let setting = format!("scaling = {:?}", self.scaling.name());
        let conflict = |wrong: bool, other: &str, cure| {
            wrong.then(|| Conflict {
                setting: setting.clone(),
                other: other.to_string(),
                cure,
            })
        };
        let soft = !self.scaling.is_hard();
        [
            conflict(
                soft && self.split != SplitSource::Inputs,
                "another source than `inputs`",
                "only the moment of the inputs has the eigenvalues that it scales by; set split = \"inputs\"",
            ),
            conflict(
                soft && self.form != Form::Core,
                "another form than `core`",
                "only there the optimizer cannot undo the scale; set form = \"core\"",
            ),
            conflict(
                soft && self.decay != Decay::Change,
                "decay = \"weight\"",
                "scaled coordinates of the change are no coordinates of the weight; set decay = \"change\"",
            ),
            conflict(
                self.scaling != Scaling::Scaled && self.scaling_alpha != DEFAULT_ALPHA,
                "scaling_alpha",
                "only `scaled` has an α; leave it out, or set scaling = \"scaled\"",
            ),
        ]
    }

    fn of_union(&self) -> [Option<Conflict>; 4] {
        let union = self.combine == Combine::Union;
        let conflict = |wrong: bool, other: &str, cure| {
            (union && wrong).then(|| Conflict {
                setting: "combine = \"union\"".to_string(),
                other: other.to_string(),
                cure,
            })
        };
        let by_importance = self.protected_share.importance().is_some();
        [
            conflict(
                self.split != SplitSource::Inputs,
                "another source than `inputs`",
                "it unites directions of inputs; set split = \"inputs\"",
            ),
            conflict(
                self.scaling == Scaling::Ridge,
                "scaling = \"ridge\"",
                "united directions have no eigenvalues; set combine = \"mean\"",
            ),
            conflict(
                !self.target_shares.is_empty(),
                "target_shares",
                "layers with the same input share their directions; take one rule for all targets",
            ),
            conflict(
                by_importance,
                "a share by the layers' importance",
                "layers with the same input share their directions; take a rule that reads the inputs alone",
            ),
        ]
    }
}

/// Two settings that exclude each other.
pub(super) struct Conflict {
    pub setting: String,
    pub other: String,
    /// What to do.
    pub cure: &'static str,
}

impl Conflict {
    fn error(self) -> OsftError {
        OsftError::NotTogether {
            setting: self.setting,
            other: self.other,
            cure: self.cure,
        }
    }
}
