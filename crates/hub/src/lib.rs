//! Models of the Hugging Face hub, in the cache that other tools share.
//!
//! [`resolve`] turns `ORGANIZATION/NAME[@REVISION]` into a folder with the files of that model: those that the
//! cache holds are used, the others fetched, and each is checked against the hash that the hub lists. Only what
//! a model folder needs is fetched, never code and never pickle files.
//!
//! ```no_run
//! let hub = hub::Hub::from_env()?;
//! let folder = hub::resolve("HuggingFaceTB/SmolLM2-135M-Instruct", &hub, &mut ())?;
//! # Ok::<(), hub::HubError>(())
//! ```
//!
//! # The cache
//!
//! It has the layout of Python's `huggingface_hub`: `models--ORGANIZATION--NAME` with `blobs` (files by their
//! hash), `snapshots` (a folder for each commit, with links to blobs), `refs` (the commit of each branch) and
//! `.locks` beside it. One folder more, `listings`, remembers which files a commit has: so a snapshot is known to
//! be whole without the network. Where Python has left its own list, `trees`, that one serves.
//!
//! # Why not the crate `hf-hub`
//!
//! Its version 0.5 appends whatever comes to what is there, also where a server ignores the range; it compares
//! neither size nor hash, joins file names of the hub to paths unchecked, and has no timeouts. Version 1.0 begins
//! anew after an interruption, compares no hashes either, and brings an asynchronous runtime with more than 250
//! crates. So the HTTP client of version 0.5, `ureq`, is used directly.
//!
//! # Modules
//!
//! From lowest to highest: `error` and `progress`; `reference` (names of models); `listing` (the files of a commit);
//! `selection` (which of them a model folder needs); `settings` (what the environment says); `client` (requests,
//! redirects, statuses); `cache` (the layout on disk); `download` (one file, resumed and verified); `file` (a file that is not of a model); `hub` (a whole
//! snapshot).

mod cache;
mod client;
mod download;
mod error;
mod file;
mod hub;
mod listing;
mod progress;
mod reference;
mod selection;
mod settings;

pub use error::{HubError, TokenUse};
pub use file::{WantedFile, fetch_file};
pub use hub::{Snapshot, resolve};
pub use progress::{Progress, Transfer};
pub use reference::Reference;
pub use settings::{Hub, Timeouts, Token};
