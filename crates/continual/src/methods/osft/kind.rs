//! OSFT in the registry: with the paper's split, and with a configured one.

use ::osft::{Form, NO_BOUND, OsftConfig, ShareRule, ShareRules, SplitCache, SplitSource, Targets};
use burn::module::Module;
use burn::tensor::Device;
use lm::LanguageModel;
use toml::{Table, Value};

use super::searched::searched_share;
use super::{OsftMethod, flags, memory, name, remove_absent, write_absent};
use crate::error::ContinualError;
use crate::method::{
    CalibrationUse, Flag, KindVariant, MemoryNeeds, Method, MethodInputs, MethodKind,
    ObservedLayer, SearchedSetting,
};

/// All linear layers of the blocks, under the names of LLaMA and T5.
pub(in crate::methods) const TARGETS: &str =
    r"((q|k|v|o|gate|up|down)_proj|Attention\.[qkvo]|DenseReluDense\.w(i|i_0|i_1|o))\.weight$";

/// A pattern for the linear layers that the paper's code splits; it omits T5's cross-attention.
pub const PAPER_TARGETS: &str =
    r"((q|k|v|o|gate|up|down)_proj|SelfAttention\.[qkvo]|DenseReluDense\.w(i|i_0|i_1|o))\.weight$";

/// Name of the kind with a configured split.
pub const OSFT: &str = "osft";

/// The layers of a model whose inputs are measured: the targets.
pub(in crate::methods) fn observed_targets<M: Module>(
    targets: &Targets,
    model: &M,
) -> Result<Vec<ObservedLayer>, ContinualError> {
    let targets = targets.selected(model)?.into_iter();
    let layers = targets.map(|target| ObservedLayer {
        id: target.id,
        path: target.path,
    });
    Ok(layers.collect())
}

/// Orthogonal Subspace Fine-Tuning in the registry.
pub struct OsftKind {
    paper: bool,
    rules: ShareRules,
}

impl OsftKind {
    /// `osft-paper`: the paper's split.
    pub fn paper(rules: &ShareRules) -> Self {
        Self {
            paper: true,
            rules: rules.clone(),
        }
    }

    /// `osft`: the split of the settings.
    pub fn configured(rules: &ShareRules) -> Self {
        Self {
            paper: false,
            rules: rules.clone(),
        }
    }
}

impl OsftMethod {
    /// Takes the calibration data and the cache of splits that a registry builds methods with.
    pub(in crate::methods) fn with_inputs(mut self, inputs: MethodInputs<'_>) -> Self {
        if let Some(folder) = inputs.cache {
            self = self.with_split_cache(SplitCache::in_folder(folder));
        }
        if let Some(data) = inputs.calibration {
            self = self.with_calibration(data.clone());
        }
        self
    }
}

impl<M: LanguageModel + 'static> MethodKind<M> for OsftKind {
    type Settings = OsftConfig;

    fn name(&self) -> &str {
        match self.paper {
            true => "osft-paper",
            false => OSFT,
        }
    }

    fn help(&self) -> &str {
        match self.paper {
            true => {
                "Orthogonal Subspace Fine-Tuning as the paper splits: by the singular values of the weights"
            }
            false => {
                "Orthogonal Subspace Fine-Tuning as configured; by default the best split found here"
            }
        }
    }

    fn defaults(&self) -> OsftConfig {
        let config = OsftConfig::new();
        match self.paper {
            true => config
                .with_targets([PAPER_TARGETS])
                .with_split(SplitSource::Weights)
                .with_protected_share(0.5),
            false => config
                .with_targets([TARGETS])
                .with_split(SplitSource::Inputs)
                .with_share_rule(ShareRule::energy(0.9)),
        }
    }

    fn checked(&self, settings: OsftConfig) -> Result<OsftConfig, ContinualError> {
        let settings = settings.with_rules(&self.rules)?;
        settings.validate()?;
        Ok(settings)
    }

    fn write_absent(&self, settings: &mut Table) {
        // No defaults have a bound, or another moment, for the paper's split.
        if !self.paper {
            write_absent(settings);
        }
    }

    fn remove_absent(&self, settings: &mut Table) {
        if !self.paper {
            remove_absent(settings);
        }
    }

    fn takes_bound(&self, chosen: &Table) -> bool {
        let chosen = |key: &str| chosen.get(key).and_then(Value::as_str);
        let factored = |form: &str| form.starts_with("factored");
        !self.paper
            && chosen("split").is_none_or(|split| split == "inputs")
            && !chosen("form").is_some_and(factored)
            && chosen("max_output_change") != Some(NO_BOUND)
    }

    fn label(&self, settings: &OsftConfig) -> String {
        name::label(settings)
    }

    fn calibration(&self, settings: &OsftConfig) -> CalibrationUse {
        match settings.needs_calibration() {
            true => CalibrationUse::Needed,
            false => CalibrationUse::WhereMeasured,
        }
    }

    fn observed(
        &self,
        settings: &OsftConfig,
        model: &M,
    ) -> Result<Vec<ObservedLayer>, ContinualError> {
        observed_targets(&settings.targets, model)
    }

    fn check_device(&self, settings: &OsftConfig, device: &Device) -> Result<(), ContinualError> {
        Ok(settings.check_device(device)?)
    }

    fn memory(&self, settings: &OsftConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        memory::needs(settings, model)
    }

    fn flags(&self) -> Vec<Flag> {
        match self.paper {
            // The paper's split has no choices.
            true => Vec::new(),
            false => flags::flags(&self.rules),
        }
    }

    fn variants(&self) -> Vec<KindVariant> {
        if !self.paper {
            return Vec::new();
        }
        let variant = |form: Form, name: &str, help: &str, axes: &[&'static str]| {
            let form = Value::try_from(form).map(|form| ("form".to_string(), form));
            KindVariant {
                name: name.to_string(),
                label: format!("osft {name}"),
                help: help.to_string(),
                settings: Table::from_iter(form),
                axes: axes.to_vec(),
            }
        };
        const SHARE: &str = "protected_share";
        vec![
            variant(
                Form::Core,
                "core",
                "OSFT by the singular values of the weights, in core coordinates",
                &[SHARE, "base_precision"],
            ),
            variant(
                Form::Weight,
                "weight",
                "OSFT by the paper's equation 4",
                &[SHARE],
            ),
            variant(
                Form::Factored,
                "factored",
                "OSFT by the paper's algorithm",
                &[SHARE],
            ),
        ]
    }

    fn searched(&self, settings: &OsftConfig) -> Vec<SearchedSetting> {
        let mut searched = searched_share(&settings.protected_share);
        if settings.max_output_change.is_some() {
            searched.push(SearchedSetting::logarithmic(
                "max_output_change",
                0.005,
                0.05,
            ));
        }
        searched
    }

    fn build(
        &self,
        settings: OsftConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(OsftMethod::new(settings).with_inputs(inputs)))
    }
}
