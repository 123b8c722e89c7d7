//! Writing an adapter.

use std::collections::BTreeSet;
use std::path::Path;

use burn::module::Module;
use burn::tensor::TensorData;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};

use super::config::AdapterConfig;
use super::{Adapter, FACTORS, WRAPPED, transposed};
use crate::error::LmError;
use crate::folder::{ADAPTER_CONFIG as CONFIG, ADAPTER_WEIGHTS, HfFolder, linear_layers};
use crate::text::Framing;

impl Adapter {
    /// Writes the adapter into an existing folder. `base` is the folder of the model that it changes, and
    /// `module` that model, and `name` what others know it by, with its revision if it has one; by default the path of
    /// the folder.
    ///
    /// # Errors
    ///
    /// [`LmError::Weights`] if a layer is not one of the module's, or has another inner dimension or scale than
    /// the adapter, [`LmError::Io`] if a file cannot be
    /// written.
    pub fn write<M: Module>(
        &self,
        folder: &Path,
        base: &HfFolder,
        name: Option<(&str, Option<&str>)>,
        module: &M,
    ) -> Result<(), LmError> {
        let path = folder.join(ADAPTER_WEIGHTS);
        let failed = |reason: String| LmError::Weights {
            path: path.clone(),
            reason,
        };
        let layers = linear_layers(base, module);
        let mut targets = BTreeSet::new();
        let mut tensors: Vec<(String, TensorData)> = Vec::new();
        for layer in &self.layers {
            let known = layers.iter().find(|known| known.path == layer.path);
            let known = known.ok_or_else(|| failed(format!("{} is not a layer", layer.path)))?;
            let adapter_rank = layer.a.shape().last().copied().unwrap_or_default();
            let scale = self.alpha / self.adapter_rank.max(1) as f64;
            if adapter_rank != self.adapter_rank || (layer.scale - scale).abs() > 1e-9 * scale.abs()
            {
                return Err(failed(format!(
                    "{} has another inner dimension or scale than the adapter: expected {} and {scale}, found \
                     {adapter_rank} and {}",
                    layer.path, self.adapter_rank, layer.scale
                )));
            }
            targets.insert(known.name.rsplit('.').next().unwrap_or_default());
            for (suffix, factor) in FACTORS.iter().zip([&layer.a, &layer.b]) {
                let name = format!("{WRAPPED}{}{suffix}", known.name);
                tensors.push((name, transposed(factor)));
            }
        }
        let views = tensors.iter().map(|(name, data)| {
            let view = TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes());
            Ok((
                name.as_str(),
                view.map_err(|error| failed(error.to_string()))?,
            ))
        });
        let views = views.collect::<Result<Vec<_>, LmError>>()?;
        let format = [("format".to_string(), "pt".to_string())];
        let bytes = safetensors::serialize(views, Some(format.into_iter().collect()))
            .map_err(|error| failed(error.to_string()))?;
        std::fs::write(&path, bytes).map_err(LmError::io("write", &path))?;

        let task = match base.framing() {
            Framing::TextToText => "SEQ_2_SEQ_LM",
            Framing::Continuation => "CAUSAL_LM",
        };
        let config = AdapterConfig {
            peft_type: "LORA".to_string(),
            base_model_name_or_path: Some(match name {
                Some((name, _)) => name.to_string(),
                None => base.path().to_string_lossy().into_owned(),
            }),
            revision: name.and_then(|(_, revision)| revision.map(str::to_string)),
            task_type: Some(task.to_string()),
            r: self.adapter_rank,
            lora_alpha: self.alpha,
            target_modules: targets.into_iter().collect(),
            lora_dropout: 0.0,
            bias: "none".to_string(),
            fan_in_fan_out: false,
            use_rslora: false,
            use_dora: false,
            lora_bias: false,
            modules_to_save: None,
            rank_pattern: Some(Map::new()),
            alpha_pattern: Some(Map::new()),
            inference_mode: true,
            init_lora_weights: Value::Null,
            alora_invocation_tokens: Value::Null,
        };
        let path = folder.join(CONFIG);
        let json = serde_json::to_value(config).map_err(|error| LmError::Json {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        std::fs::write(&path, format!("{json:#}\n")).map_err(LmError::io("write", &path))
    }
}
