//! Requests to the hub: addresses, redirects, the token, and what a status means.

use std::io::ErrorKind;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::config::Config;
use ureq::http::{Response, StatusCode, Uri, header, uri::Authority};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, Timeout};

use crate::error::{HubError, TokenUse};
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

    /// Host of the hub.
    pub(crate) fn host(&self) -> &str {
        self.endpoint.authority().map_or("", Authority::as_str)
    }

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

    /// What the failure of a request means.
    pub(crate) fn failure(&self, at: &Uri, error: ureq::Error) -> HubError {
        let host = at.authority().map_or("", Authority::as_str).to_string();
        let untrusted = |reason: String| HubError::NoNetwork {
            host: host.clone(),
            reason: format!("{reason} (SSL_CERT_FILE may name certificates to trust)"),
        };
        match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => HubError::NoNetwork {
                host,
                reason: format!(
                    "no answer within {} s",
                    self.hub.timeouts.connect.as_secs_f64()
                ),
            },
            ureq::Error::Timeout(timeout) => HubError::Stalled {
                what: format!("the answer of {host}"),
                seconds: self.waited(timeout).as_secs_f64(),
            },
            // What rustls refuses in the middle of a connection comes as data that is not valid.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                untrusted(error.to_string())
            }
            ureq::Error::Io(error) => HubError::NoNetwork {
                host,
                reason: error.to_string(),
            },
            ureq::Error::HostNotFound => HubError::NoNetwork {
                host,
                reason: "there is no address for this name".to_string(),
            },
            other @ (ureq::Error::Tls(_) | ureq::Error::Rustls(_)) => untrusted(other.to_string()),
            other @ (ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_)) => {
                HubError::NoNetwork {
                    host,
                    reason: other.to_string(),
                }
            }
            other => HubError::bad_answer(&at.to_string(), other),
        }
    }

    /// The time that has passed when a timeout ends a request.
    pub(crate) fn waited(&self, timeout: Timeout) -> Duration {
        match timeout {
            Timeout::PerRead => self.hub.timeouts.stall,
            _ => self.hub.timeouts.answer,
        }
    }

    /// What a status other than success means.
    fn refusal(&self, reference: &Reference, at: &Uri, response: &Response<Body>) -> HubError {
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let status = response.status().as_u16();
        let model = reference.model().to_string();
        let page = self.address(&model);
        let token = match self.hub.token {
            Some(_) => TokenUse::Sent,
            None => TokenUse::Missing,
        };
        let hub = self.host().to_string();
        match (status, header("x-error-code")) {
            _ if !self.is_hub(at) => self.status(at, status, None),
            (_, Some("GatedRepo")) => HubError::Gated { model, page, token },
            (404, Some("RevisionNotFound")) => HubError::NoRevision {
                model,
                revision: reference.revision().to_string(),
                page,
            },
            (404, Some("EntryNotFound")) => {
                HubError::bad_answer(&at.to_string(), "it lists a file that it does not have")
            }
            (401, _) if token == TokenUse::Sent => HubError::Refused {
                model,
                status,
                page,
                token,
            },
            // The hub says 401 of models that do not exist too, so that nobody learns which private ones do.
            (404 | 401, _) => HubError::NoModel { model, hub, token },
            (403, _) => HubError::Refused {
                model,
                status,
                page,
                token,
            },
            _ => self.status(at, status, header("retry-after")),
        }
    }

    fn status(&self, at: &Uri, status: u16, wait: Option<&str>) -> HubError {
        let seconds = wait.and_then(|wait| wait.trim().parse::<u32>().ok());
        let advice = match (status, seconds) {
            (429, Some(seconds)) => format!(": too many requests, run it again after {seconds} s"),
            (429, None) => ": too many requests, run it again in a few minutes".to_string(),
            (500.., _) => ": it has a problem of its own, run it again later".to_string(),
            _ => {
                ", which is no answer to this request: check HF_ENDPOINT and the proxy".to_string()
            }
        };
        HubError::Status {
            host: at.authority().map_or("", Authority::as_str).to_string(),
            status,
            advice,
        }
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
