//! What it means when a request fails, or is answered with another status than success.

use std::io::ErrorKind;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri, uri::Authority};
use ureq::{Body, Timeout};

use super::Client;
use crate::error::{HubError, TokenUse};
use crate::reference::Reference;

impl Client<'_> {
    /// What the failure of a request means.
    pub(crate) fn failure(&self, at: &Uri, error: ureq::Error) -> HubError {
        let no_network = |reason: String| HubError::NoNetwork {
            host: host(at),
            reason,
        };
        let untrusted = |reason: String| {
            no_network(format!(
                "{reason} (SSL_CERT_FILE may name certificates to trust)"
            ))
        };
        match error {
            ureq::Error::Timeout(timeout) => {
                let seconds = self.waited(timeout).as_secs_f64();
                no_network(format!("no answer within {seconds} s"))
            }
            // What rustls refuses in the middle of a connection comes as data that is not valid.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                untrusted(error.to_string())
            }
            ureq::Error::Io(error) => no_network(error.to_string()),
            ureq::Error::HostNotFound => {
                no_network("there is no address for this name".to_string())
            }
            other @ (ureq::Error::Tls(_) | ureq::Error::Rustls(_)) => untrusted(other.to_string()),
            other @ (ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_)) => {
                no_network(other.to_string())
            }
            // Not the whole address: those of a storage hold the right to read it.
            other => HubError::bad_answer(&format!("the answer of {}", host(at)), other),
        }
    }

    /// The time that has passed when a timeout ends a request.
    pub(crate) fn waited(&self, timeout: Timeout) -> Duration {
        let timeouts = self.hub.timeouts;
        match timeout {
            Timeout::Connect | Timeout::Resolve => timeouts.connect,
            Timeout::PerRead => timeouts.stall,
            _ => timeouts.answer,
        }
    }

    /// What a status other than success means.
    ///
    /// # References
    ///
    /// `hf_raise_for_status` of `huggingface_hub`: the header `x-error-code`, and 401 for what may not be seen.
    pub(super) fn refusal(
        &self,
        reference: &Reference,
        at: &Uri,
        response: &Response<Body>,
    ) -> HubError {
        let status = response.status().as_u16();
        let headers = response.headers();
        let code = headers
            .get("x-error-code")
            .and_then(|code| code.to_str().ok());
        let model = reference.model().to_string();
        let page = self.address(&model);
        let token = match self.hub.token {
            Some(_) => TokenUse::Sent,
            None => TokenUse::Missing,
        };
        match (status, code) {
            _ if !self.is_hub(at) => other_status(at, status, headers),
            (_, Some("GatedRepo")) => HubError::Gated { model, page, token },
            (404, Some("RevisionNotFound")) => HubError::NoRevision {
                model,
                revision: reference.revision().to_string(),
                page,
            },
            (404, Some("EntryNotFound")) => {
                HubError::bad_answer(&at.to_string(), "it lists a file that it does not have")
            }
            // Without a token, the hub says 401 of models that do not exist too, so that nobody learns which private
            // ones do; with one, it means that the token is not valid.
            (401, _) if token == TokenUse::Missing => no_model(at, model, token),
            (404, _) => no_model(at, model, token),
            (401 | 403, _) => HubError::Refused {
                model,
                status,
                page,
                token,
            },
            _ => other_status(at, status, headers),
        }
    }
}

fn no_model(at: &Uri, model: String, token: TokenUse) -> HubError {
    HubError::NoModel {
        model,
        hub: host(at),
        token,
    }
}

pub(super) fn other_status(at: &Uri, status: u16, headers: &HeaderMap) -> HubError {
    let advice = match (status, seconds_to_wait(headers)) {
        (429, Some(seconds)) => format!(": too many requests, run it again after {seconds} s"),
        (429, None) => ": too many requests, run it again in a few minutes".to_string(),
        (500.., _) => ": it has a problem of its own, run it again later".to_string(),
        _ => ", which is no answer to this request: check HF_ENDPOINT and the proxy".to_string(),
    };
    HubError::Status {
        host: host(at),
        status,
        advice,
    }
}

/// When requests are taken again: `retry-after: 55`, or the hub's `ratelimit: "api";r=0;t=55`.
fn seconds_to_wait(headers: &HeaderMap) -> Option<u32> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let limit = text("ratelimit").and_then(|limit| {
        limit
            .split(';')
            .find_map(|part| part.trim().strip_prefix("t="))
    });
    text("retry-after").or(limit)?.trim().parse().ok()
}

fn host(at: &Uri) -> String {
    at.authority().map_or("", Authority::as_str).to_string()
}
