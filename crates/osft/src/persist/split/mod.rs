//! Saving and loading a split.

mod read;
mod write;

use serde::{Deserialize, Serialize};

use crate::config::OsftConfig;
use crate::module::Trainability;
use crate::persist::Format;

/// The layout of a file, and whether it contains the weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub format: Format,
    /// Version of a file without scaled directions.
    pub unscaled_version: u32,
    pub with_weights: bool,
}

impl Layout {
    /// The format of a new file: the oldest version that has everything in it, so that earlier versions of this
    /// library read what they know.
    fn written(self, scaled: bool) -> Format {
        let version = match scaled {
            true => self.format.version,
            false => self.unscaled_version,
        };
        Format {
            version,
            ..self.format
        }
    }
}

/// Version 3 added the checksum and the record of which parameters trained when the module was split, version
/// 4 scaled directions.
const SAVED: Layout = Layout {
    format: Format {
        kind: "split",
        version: 4,
        oldest: 2,
        checked_since: 3,
    },
    unscaled_version: 3,
    with_weights: true,
};

#[derive(Serialize, Deserialize)]
struct Header {
    config: OsftConfig,
    layers: Vec<LayerHeader>,
    warnings: Vec<String>,
    #[serde(default)]
    trainability: Option<Trainability>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct LayerHeader {
    path: String,
    shape: [usize; 2],
    k_in: usize,
    k_out: usize,
    /// `None` where it is the larger of `k_in` and `k_out`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protected_energies: Option<usize>,
    lost_directions: usize,
    has_importance: bool,
    has_input_energy: bool,
    /// Since version 3: the moment that the split was made with.
    #[serde(default)]
    moment: Option<MomentHeader>,
    removed_block: bool,
    /// Kinds of the two sides.
    sides: [SideKind; 2],
    /// Identity under which an optimizer keeps the state of the core.
    core: Option<u64>,
    /// Identities under which an optimizer keeps the states of the factors.
    factors: Option<[u64; 3]>,
}

#[derive(Serialize, Deserialize)]
struct MomentHeader {
    fingerprint: String,
    total: f64,
}

/// The basis that a side stores. It is saved and not decided again, since the coordinates of an optimizer's
/// moments depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SideKind {
    Open,
    Free,
    Protected,
    Scaled,
    Closed,
}
