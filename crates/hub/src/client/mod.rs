//! Requests to the hub: addresses, redirects and the token.

mod failure;

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::config::Config;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use crate::error::HubError;
use crate::listing::{self, Listing};
use crate::reference::Reference;
use crate::settings::{Hub, Timeouts};

/// Most redirects from one request.
const MOST_REDIRECTS: usize = 8;
/// What stands in a segment of a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same, with slashes between segments.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// Asks a hub.
pub(crate) struct Client<'a> {
    hub: &'a Hub,
    endpoint: Uri,
    agent: Agent,
}

impl<'a> Client<'a> {
    /// # Errors
    ///
    /// [`HubError::Setting`] if the hub's address is none.
    pub(crate) fn new(hub: &'a Hub) -> Result<Self, HubError> {
        let endpoint: Option<Uri> = hub.endpoint.parse().ok();
        let endpoint = endpoint.filter(|uri| {
            let web = matches!(uri.scheme_str(), Some("http" | "https"));
            web && uri.query().is_none()
                && uri
                    .authority()
                    .is_some_and(|host| !host.as_str().contains('@'))
        });
        let endpoint = endpoint.ok_or_else(|| HubError::Setting {
            name: "HF_ENDPOINT".to_string(),
            reason: format!(
                "{:?} is not an address such as https://huggingface.co",
                hub.endpoint
            ),
        })?;
        let agent = agent(&endpoint, hub.timeouts);
        Ok(Self {
            hub,
            endpoint,
            agent,
        })
    }

    /// The commit of a revision, and its files.
    pub(crate) fn listing(&self, reference: &Reference) -> Result<(String, Listing), HubError> {
        let revision = utf8_percent_encode(reference.revision(), SEGMENT);
        let address = self.address(&format!(
            "api/models/{}/revision/{revision}?blobs=true",
            reference.model()
        ));
        let (at, response) = self.get(&address, 0, Some(self.hub.timeouts.answer))?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(reference, &at, &response));
        }
        let body = response
            .into_body()
            .into_with_config()
            .limit(listing::LARGEST);
        let bytes = body
            .lossy_utf8(false)
            .read_to_vec()
            .map_err(|error| match error {
                ureq::Error::BodyExceedsLimit(limit) => {
                    HubError::bad_answer(&address, format!("it has more than {} MiB", limit >> 20))
                }
                other => self.failure(&at, other),
            })?;
        let (commit, listing) = Listing::from_answer(&bytes, &address)?;
        if reference.is_commit() && commit != reference.revision() {
            let reason = format!("it speaks of the commit {commit}");
            return Err(HubError::bad_answer(&address, reason));
        }
        Ok((commit, listing))
    }

    /// The bytes of a file of a commit from a place on; the status is 200 for all of them, 206 for the rest, 416 if
    /// the file ends before that place.
    pub(crate) fn file(
        &self,
        reference: &Reference,
        commit: &str,
        name: &str,
        from: u64,
    ) -> Result<Response<Body>, HubError> {
        let name = utf8_percent_encode(name, PATH);
        let address = self.address(&format!("{}/resolve/{commit}/{name}", reference.model()));
        let (at, response) = self.get(&address, from, None)?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => Ok(response),
            _ => Err(self.refusal(reference, &at, &response)),
        }
    }

    /// The bytes behind an address from a place on; the status as for [`file`](Self::file).
    pub(crate) fn bytes(&self, address: &str, from: u64) -> Result<Response<Body>, HubError> {
        let (at, response) = self.get(address, from, None)?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => Ok(response),
            _ => Err(failure::other_status(
                &at,
                response.status().as_u16(),
                response.headers(),
            )),
        }
    }

    /// An address of the hub.
    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.hub.endpoint.trim_end_matches('/'))
    }

    /// Follows redirects by itself: the client would send the token to every port of the same host, or to none.
    fn get(
        &self,
        address: &str,
        from: u64,
        longest: Option<Duration>,
    ) -> Result<(Uri, Response<Body>), HubError> {
        let failed = |reason: String| HubError::bad_answer(address, reason);
        let mut at: Uri = address
            .parse()
            .map_err(|error| failed(format!("{error}")))?;
        for _ in 0..=MOST_REDIRECTS {
            let request = self.agent.get(&at).config().timeout_recv_body(longest);
            // Compressed bytes are not those that the hash is of.
            let mut request = request.build().header(header::ACCEPT_ENCODING, "identity");
            if let Some(token) = &self.hub.token
                && self.is_hub(&at)
            {
                let bearer = format!("Bearer {}", token.secret());
                request = request.header(header::AUTHORIZATION, bearer);
            }
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| self.failure(&at, error))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((at, response));
            }
            let location = response.headers().get(header::LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| target(&at, location));
            at = next.ok_or_else(|| failed(format!("it redirects to {location:?}")))?;
        }
        Err(failed(format!("more than {MOST_REDIRECTS} redirects")))
    }

    /// Whether an address is of the hub itself, by scheme, host and port.
    fn is_hub(&self, at: &Uri) -> bool {
        at.scheme() == self.endpoint.scheme() && at.authority() == self.endpoint.authority()
    }
}

fn agent(endpoint: &Uri, timeouts: Timeouts) -> Agent {
    let local = matches!(endpoint.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let proxy = if local { None } else { Proxy::try_from_env() };
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config: Config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .user_agent(concat!("osft-hub/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_resolve(Some(timeouts.connect))
        .timeout_connect(Some(timeouts.connect))
        .timeout_send_request(Some(timeouts.answer))
        .timeout_recv_response(Some(timeouts.answer))
        .timeout_per_read(Some(timeouts.stall))
        .build();
    config.into()
}

/// Where a redirect leads; nowhere if it is no address, or gives up encryption.
fn target(from: &Uri, location: &str) -> Option<Uri> {
    let location: Uri = location.parse().ok()?;
    let mut parts = location.into_parts();
    if parts.authority.is_none() {
        parts.scheme = from.scheme().cloned();
        parts.authority = from.authority().cloned();
    }
    let target = Uri::from_parts(parts).ok()?;
    let encrypted = |uri: &Uri| uri.scheme_str() == Some("https");
    let web = encrypted(&target) || target.scheme_str() == Some("http");
    (web && (encrypted(&target) || !encrypted(from))).then_some(target)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_an_address_and_keeps_encryption() {
        let led = |from: &str, location: &str| {
            target(&from.parse().unwrap(), location).map(|target| target.to_string())
        };
        let (plain, secret) = ("http://a:1/b/c?d", "https://a/b");
        for (from, location, expected) in [
            (plain, "/e?f", "http://a:1/e?f"),
            (secret, "/e", "https://a/e"),
            (plain, "http://x/y", "http://x/y"),
            (plain, "https://x/y", "https://x/y"),
            (secret, "https://x/y?z=1", "https://x/y?z=1"),
        ] {
            assert_eq!(led(from, location).as_deref(), Some(expected));
        }
        for (from, location) in [
            (secret, "http://a/b"),
            (secret, "http://x/y"),
            (plain, "ftp://x/y"),
            (plain, "file:///etc/passwd"),
            (plain, "y"),
            (plain, ""),
        ] {
            assert_eq!(led(from, location), None, "{location}");
        }
    }
}
