//! One file: locked, received over as many connections as it takes, and put into its folder when it is whole.

mod partial;

use std::io::{self, ErrorKind, Read};
use std::path::Path;

use partial::Partial;
use ureq::Body;
use ureq::http::Response;

use crate::cache::ModelCache;
use crate::client::Client;
use crate::error::HubError;
use crate::listing::Identity;
use crate::progress::{Progress, Transfer};
use crate::reference::Reference;

/// Most times that a broken connection is made again for one file, if something came over each.
const MOST_RESUMES: usize = 5;
/// Bytes that are read at once.
const PIECE: usize = 128 << 10;

/// Fetches files, and counts their bytes.
pub(crate) struct Download<'a> {
    pub(crate) client: &'a Client<'a>,
    /// Bytes of the files that are whole.
    pub(crate) bytes: u64,
    /// Bytes of all files.
    pub(crate) total: u64,
    /// Bytes that came over the network.
    pub(crate) received: u64,
}

/// Asks for the bytes of a file from a place on.
type Ask<'a> = dyn Fn(u64) -> Result<Response<Body>, HubError> + 'a;

/// The commit of a model, whose files go into the cache.
#[derive(Clone, Copy)]
pub(crate) struct Commit<'a> {
    pub(crate) cache: &'a ModelCache,
    pub(crate) reference: &'a Reference,
    pub(crate) hash: &'a str,
}

impl Download<'_> {
    /// Brings a file into the cache and into the folder of the commit.
    ///
    /// # Errors
    ///
    /// [`HubError`] if it cannot be fetched whole; what has come is kept, unless it is wrong.
    pub(crate) fn fetch(
        &mut self,
        commit: Commit<'_>,
        name: &str,
        identity: &Identity,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        let Commit {
            cache,
            reference,
            hash,
        } = commit;
        if !cache.has_file(hash, name, identity) {
            let _lock = cache.lock(identity, name, progress)?;
            if !cache.has_blob(identity) {
                let client = self.client;
                let ask = |from| client.file(reference, hash, name, from);
                let mut partial = Partial::open(cache.partial(identity), name, identity)?;
                self.complete(&mut partial, &ask, progress)?;
                partial.finish(&cache.blob(identity))?;
            }
            cache.link(hash, name, identity)?;
        }
        self.bytes = self.bytes.saturating_add(identity.size);
        Ok(())
    }

    /// Brings what an address names to a path, by way of a second file beside it.
    ///
    /// # Errors
    ///
    /// As for [`fetch`](Self::fetch).
    pub(crate) fn fetch_to(
        &mut self,
        address: &str,
        identity: &Identity,
        [path, incomplete]: [&Path; 2],
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        let client = self.client;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut partial = Partial::open(incomplete.to_path_buf(), &name, identity)?;
        let ask = |from| client.bytes(address, from);
        self.complete(&mut partial, &ask, progress)?;
        partial.finish(path)?;
        self.bytes = self.bytes.saturating_add(identity.size);
        Ok(())
    }

    /// Receives what is missing, over as many connections as it takes.
    fn complete(
        &mut self,
        partial: &mut Partial<'_>,
        ask: &Ask<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        self.tell(partial, progress)?;
        let mut resumes = 0;
        while partial.done < partial.identity.size {
            let before = self.received;
            let broken = match self.receive(partial, ask, progress) {
                Ok(()) => continue,
                Err(Failure::Broken(reason)) => reason,
                Err(Failure::Final(error)) => return Err(error),
            };
            resumes += 1;
            if resumes > MOST_RESUMES || self.received == before {
                return Err(HubError::Interrupted {
                    file: partial.name.to_string(),
                    done: partial.done,
                    total: partial.identity.size,
                    reason: broken,
                });
            }
        }
        Ok(())
    }

    /// Receives over one connection until the file is whole.
    fn receive(
        &mut self,
        partial: &mut Partial<'_>,
        ask: &Ask<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), Failure> {
        let response = ask(partial.done)?;
        partial.begin(&response)?;
        let mut body = response.into_body().into_reader();
        let mut piece = vec![0; PIECE];
        while partial.done < partial.identity.size {
            let missing = partial.identity.size - partial.done;
            let most = usize::try_from(missing).map_or(PIECE, |missing| missing.min(PIECE));
            let read = match body.read(&mut piece[..most]) {
                Ok(0) => return Err(Failure::Broken("the server ended early".to_string())),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failure(partial, error)),
            };
            partial.write(&piece[..read])?;
            self.received = self.received.saturating_add(read as u64);
            self.tell(partial, progress)?;
        }
        Ok(())
    }

    fn failure(&self, partial: &Partial<'_>, error: io::Error) -> Failure {
        match ureq::Error::from(error) {
            ureq::Error::Timeout(timeout) => Failure::Final(HubError::Stalled {
                file: partial.name.to_string(),
                seconds: self.client.waited(timeout).as_secs_f64(),
            }),
            other => Failure::Broken(other.to_string()),
        }
    }

    fn tell(&self, partial: &Partial<'_>, progress: &mut dyn Progress) -> Result<(), HubError> {
        let transfer = Transfer {
            file: partial.name,
            file_bytes: partial.done,
            file_total: partial.identity.size,
            bytes: self.bytes.saturating_add(partial.done),
            total: self.total,
            received: self.received,
        };
        match progress.transferred(&transfer).is_break() {
            true => Err(HubError::Stopped),
            false => Ok(()),
        }
    }
}

/// Why a connection brought no whole file.
enum Failure {
    /// It broke off; another one may go on.
    Broken(String),
    /// Another one would not help.
    Final(HubError),
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Final(error)
    }
}
