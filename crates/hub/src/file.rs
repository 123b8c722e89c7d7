//! Files at addresses that somebody has listed with their hashes: not of a model, and not in the shared cache.

use std::fs::File;
use std::path::Path;

use crate::client::Client;
use crate::download::Download;
use crate::error::HubError;
use crate::listing::{Hash, Identity};
use crate::progress::Progress;
use crate::settings::Hub;

/// A file to fetch, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedFile<'a> {
    /// Its address, `http` or `https`.
    pub url: &'a str,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in 64 hexadecimal digits.
    pub sha256: &'a str,
}

/// Fetches a file to a path, whole or not at all. What has come of it stays beside it, as `NAME.incomplete`, and the next
/// call goes on from there. The token goes to the hub alone.
///
/// # Errors
///
/// [`HubError::Forbidden`] if the hub's settings forbid the network; [`HubError::WrongBytes`] if the file is another
/// one, which is then deleted; else as [`snapshot`](Hub::snapshot).
pub fn fetch_file(
    hub: &Hub,
    file: &WantedFile<'_>,
    path: &Path,
    progress: &mut dyn Progress,
) -> Result<(), HubError> {
    if hub.offline {
        return Err(HubError::Forbidden {
            url: file.url.to_string(),
        });
    }
    let mut incomplete = path.file_name().unwrap_or_default().to_os_string();
    incomplete.push(".incomplete");
    let incomplete = path.with_file_name(incomplete);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(HubError::io(folder))?;
    }
    // Another process that fetches the same file is waited for; a file system without locks cannot keep two apart.
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&incomplete)
        .map_err(HubError::io(&incomplete))?;
    let _ = lock.lock();
    let client = Client::new(hub)?;
    let identity = Identity {
        size: file.bytes,
        hash: Hash::Sha256(file.sha256.to_ascii_lowercase()),
    };
    let mut download = Download {
        client: &client,
        bytes: 0,
        total: file.bytes,
        received: 0,
    };
    download.fetch_to(file.url, &identity, [path, &incomplete], progress)
}
