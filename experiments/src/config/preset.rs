//! Published settings by name.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use toml::Table;

use super::BenchmarkName;

/// Published settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// TRACE as its paper describes full fine-tuning.
    TracePaper,
    /// TRACE as its repository's scripts run it.
    TraceScripts,
    /// The CL benchmark as the scripts of O-LoRA's repository run it.
    OLora,
    /// The CL benchmark as the text of the OSFT paper describes it.
    Paper,
    /// The CL benchmark as the OSFT authors' T5 script runs it: the decomposed matrices get no
    /// gradient, everything else trains.
    PaperScript,
}

impl Preset {
    /// The settings, as a file of them.
    fn text(self) -> &'static str {
        match self {
            Self::TracePaper => include_str!("../../configs/trace-paper.toml"),
            Self::TraceScripts => include_str!("../../configs/trace-scripts.toml"),
            Self::OLora => include_str!("../../configs/o-lora.toml"),
            Self::Paper => include_str!("../../configs/paper.toml"),
            Self::PaperScript => include_str!("../../configs/paper-script.toml"),
        }
    }

    /// The benchmark it is about.
    pub fn benchmark(self) -> BenchmarkName {
        match self {
            Self::TracePaper | Self::TraceScripts => BenchmarkName::Trace,
            Self::OLora | Self::Paper | Self::PaperScript => BenchmarkName::T5,
        }
    }

    /// The settings that differ from the defaults.
    ///
    /// # Errors
    ///
    /// If they are those of another benchmark.
    pub fn table(self, benchmark: BenchmarkName) -> Result<Table> {
        let own = self.benchmark();
        ensure!(
            own == benchmark,
            "preset {} is about `experiments {}`, not `experiments {}`",
            self.name(),
            own.name(),
            benchmark.name()
        );
        toml::from_str(self.text()).context("settings of a preset")
    }

    /// As it is typed.
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }
}
