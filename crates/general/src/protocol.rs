//! The two protocols by which published numbers on these suites were measured.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::GeneralError;

/// How prompts are written, how many examples they hold, and how answers are scored.
///
/// Numbers of different protocols cannot be compared, so [`Score::compare`](crate::Score::compare)
/// refuses to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The defaults of OpenCompass in autumn 2023 (versions 0.1.5 to 0.1.7), with which TRACE
    /// measured general ability.
    Trace,
    /// The tasks of EleutherAI's lm-evaluation-harness, version 0.4.13.
    LmEval,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 2] = [Self::Trace, Self::LmEval];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::LmEval => "lm-eval",
        }
    }

    /// What it is, in one sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Trace => "OpenCompass as TRACE used it: compares with TRACE's tables",
            Self::LmEval => "lm-evaluation-harness 0.4.13: compares with most model cards",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = GeneralError;

    fn from_str(name: &str) -> Result<Self, GeneralError> {
        let mut all = Self::ALL.into_iter();
        all.find(|protocol| protocol.name() == name)
            .ok_or_else(|| GeneralError::UnknownProtocol {
                name: name.to_string(),
                known: Self::ALL.map(Self::name).join(", "),
            })
    }
}
