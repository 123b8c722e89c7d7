//! Errors of fetching a model, each one sentence that says what to do.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Errors of fetching a model from the hub.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HubError {
    /// A text does not name a model of the hub.
    #[error(
        "{text:?} does not name a model of the hub: {reason}; write ORGANIZATION/NAME, ORGANIZATION/NAME@REVISION \
         or ORGANIZATION/NAME/FILE.gguf"
    )]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting, mostly an environment variable, cannot be used.
    #[error("{name} cannot be used: {reason}")]
    Setting {
        /// The variable or field.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The hub has no model of this name, or hides it.
    #[error(
        "{hub} shows no model {model}: check the name, and if the model is private, set HF_TOKEN to a token of an \
         account that may read it ({token})"
    )]
    NoModel {
        /// The model.
        model: String,
        /// The hub's address.
        hub: String,
        /// Whether a token was sent.
        token: TokenUse,
    },
    /// The model has no such branch, tag or commit.
    #[error("the model {model} has no branch, tag or commit {revision:?}: see {page}")]
    NoRevision {
        /// The model.
        model: String,
        /// What was asked for.
        revision: String,
        /// Where people see the model's revisions.
        page: String,
    },
    /// The model has no such file.
    #[error("the model {model} has no file {file:?}; files of this kind: {others}")]
    NoFile {
        /// The model.
        model: String,
        /// What was asked for.
        file: String,
        /// Files of the same kind, or "none".
        others: String,
    },
    /// The model is given to those only who have accepted its conditions.
    #[error(
        "the model {model} is gated: accept its conditions at {page}, then set HF_TOKEN to a token of that account \
         ({token})"
    )]
    Gated {
        /// The model.
        model: String,
        /// Where access is asked for.
        page: String,
        /// Whether a token was sent.
        token: TokenUse,
    },
    /// The hub does not let this account read the model.
    #[error(
        "the hub refuses the model {model} (status {status}): ask for access at {page} and check HF_TOKEN ({token})"
    )]
    Refused {
        /// The model.
        model: String,
        /// HTTP status.
        status: u16,
        /// Where people see the model.
        page: String,
        /// Whether a token was sent.
        token: TokenUse,
    },
    /// The hub, or a host that it names, cannot be reached.
    #[error(
        "{host} cannot be reached: {reason}; check the network, or give the folder of a model instead"
    )]
    NoNetwork {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// The network is forbidden, and the cache does not hold the model.
    #[error(
        "HF_HUB_OFFLINE forbids the network, and the cache does not hold {reference} ({missing}): unset \
         HF_HUB_OFFLINE, or copy the cache of a machine that has fetched it"
    )]
    Offline {
        /// What was asked for.
        reference: String,
        /// What the cache lacks.
        missing: String,
    },
    /// The network is forbidden.
    #[error(
        "HF_HUB_OFFLINE forbids the network, so {url} is not fetched: unset HF_HUB_OFFLINE, or bring the file by hand"
    )]
    Forbidden {
        /// The address.
        url: String,
    },
    /// The hub does not answer, and the cache does not hold the model.
    #[error("{error} (the cache does not help: {missing})")]
    NotCached {
        /// Why the hub was of no use.
        error: Box<HubError>,
        /// What the cache lacks.
        missing: String,
    },
    /// The other side stopped sending in the middle of a file.
    #[error(
        "{file} stalled: nothing came for {seconds} s; what has come is kept, so run it again to go on from there"
    )]
    Stalled {
        /// The file.
        file: String,
        /// Time without a byte.
        seconds: f64,
    },
    /// The connection broke off again and again.
    #[error(
        "{file} broke off after {done} of {total} bytes ({reason}); they are kept, so run it again to go on from there"
    )]
    Interrupted {
        /// The file.
        file: String,
        /// Bytes that are there.
        done: u64,
        /// Bytes of the whole file.
        total: u64,
        /// What the connection said.
        reason: String,
    },
    /// A file is not the one that the hub lists.
    #[error(
        "{file} is not the file that the hub lists: {reason}; what came was deleted, so run it again"
    )]
    WrongBytes {
        /// The file.
        file: String,
        /// How it differs.
        reason: String,
    },
    /// There is no room for the files.
    #[error(
        "{} has room for {available} bytes, but {needed} more are needed: free some, or set HF_HOME to another disk",
        folder.display()
    )]
    DiskFull {
        /// Folder of the cache.
        folder: PathBuf,
        /// Bytes still to come.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// The model has no weights that are safe to load.
    #[error(
        "the model {model} has no model.safetensors and no index of such files; of other weights it has {found}, and \
         only safetensors are fetched, since pickle files can run code: choose a copy of the model in safetensors"
    )]
    NoSafetensors {
        /// The model.
        model: String,
        /// The weights that it has, or "none".
        found: String,
    },
    /// A repository does not hold a model.
    #[error(
        "{model} has no {file}, which every model folder of transformers has: it cannot be used as a model"
    )]
    NotAModel {
        /// The repository.
        model: String,
        /// What is missing.
        file: String,
    },
    /// The index of a model's shards cannot be used.
    #[error(
        "{} cannot be used: {reason}; this is a fault of the model, so tell its authors or choose a copy",
        path.display()
    )]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The hub answers with an error of its own.
    #[error("{host} answers with status {status}{advice}")]
    Status {
        /// The host.
        host: String,
        /// HTTP status.
        status: u16,
        /// What to do, after a colon.
        advice: String,
    },
    /// The hub's answer is not what the hub answers.
    #[error(
        "{what} is not what a Hugging Face hub answers: {reason}; check HF_ENDPOINT and the proxy"
    )]
    BadAnswer {
        /// Address or file.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the cache cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Reason given by the operating system.
        error: io::Error,
    },
    /// The caller asked to stop.
    #[error("stopped; what has come is kept, so run it again to go on from there")]
    Stopped,
}

/// Whether a token went with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// A token was sent.
    Sent,
    /// There was none.
    Missing,
}

impl std::fmt::Display for TokenUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sent => "a token was sent",
            Self::Missing => "no token was sent",
        })
    }
}

impl HubError {
    /// Whether the hub may well answer later, so that the cache is used until then.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::NoNetwork { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// An error of the operating system at a path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        |error| Self::Io { path, error }
    }

    /// An answer that is not one.
    pub(crate) fn bad_answer(what: &str, reason: impl std::fmt::Display) -> Self {
        Self::BadAnswer {
            what: what.to_string(),
            reason: reason.to_string(),
        }
    }
}
