//! Low-rank adapters: methods that train a change of low rank beside frozen weights.
//!
//! | file or folder | what it holds |
//! |---|---|
//! | `form`, `svd_form` | what an adapter is: two factors, or three like a singular value decomposition |
//! | `layers`, `attach`, `trained`, `state` | the adapters of a model: drawn, attached, read back, saved |
//! | `settings` | what is set in every one of these methods |
//! | `lora` | `lora`, `lora-decay`, `inc-lora`, `o-lora`: adapters that start without effect |
//! | `singular` | `milora`, `pissa`: adapters that start as a part of the weight |
//! | `seq_svd` | `seq-svd`: an adapter with three factors |

mod attach;
mod form;
mod layers;
mod lora;
mod seq_svd;
mod settings;
mod singular;
mod state;
mod svd_form;
mod trained;

pub use lora::{
    IncLoraKind, LoraConfig, LoraDecayConfig, LoraDecayKind, LoraKind, LoraMethod, OrthogonalityOn,
    PerTaskValue,
};
pub use seq_svd::{SeqSvdConfig, SeqSvdKind, SeqSvdMethod};
pub use settings::AdapterConfig;
pub use singular::{SingularLora, SingularLoraKind, SingularStart};
