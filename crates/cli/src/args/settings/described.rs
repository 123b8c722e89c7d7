//! What the configuration of a model says.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::module::Module;
use lm::{HfFolder, LanguageModel, Model, Pretrained};

/// What the configuration of a model says, without its weights.
pub(super) struct Described {
    /// Where the model lies.
    pub folder: PathBuf,
    pub parameters: usize,
    pub can_pack: bool,
    /// Most tokens that it was made for.
    pub positions: usize,
}

impl Described {
    pub fn open(folder: &Path) -> Result<Self> {
        let folder = HfFolder::open(runs::model_folder(folder)?)?;
        let path = folder.path().join("config.json");
        let device = burn::tensor::Device::default();
        let model = Model::from_config(folder.config(), &path, &device)?;
        Ok(Self {
            folder: folder.path().to_path_buf(),
            parameters: model.num_params(),
            can_pack: model.can_pack(),
            positions: folder.config()["max_position_embeddings"]
                .as_u64()
                .map_or(usize::MAX, |positions| positions as usize),
        })
    }
}
