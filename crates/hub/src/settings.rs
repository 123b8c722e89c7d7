//! Where the cache is, which hub is asked and with which token: what the environment says.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::HubError;

/// The hub that is asked unless another is named.
const ENDPOINT: &str = "https://huggingface.co";

/// A hub and the cache of what came from it.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Folder of the cache, with a folder for each model.
    pub cache: PathBuf,
    /// Address of the hub, with `http` or `https`; a path at its end is kept.
    pub endpoint: String,
    /// Token of an account, sent to this hub and nowhere else.
    pub token: Option<Token>,
    /// Whether the network is not used at all.
    pub offline: bool,
    /// How long it waits.
    pub timeouts: Timeouts,
}

/// How long a fetch waits for the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To find a host and to connect to it.
    pub connect: Duration,
    /// For the beginning of an answer, and for the whole list of files.
    pub answer: Duration,
    /// For the next byte of a file.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(20),
            stall: Duration::from_secs(30),
        }
    }
}

/// A token of an account; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token, without the spaces around it.
    ///
    /// # Errors
    ///
    /// [`HubError::Setting`] if it is empty or holds what no token holds.
    pub fn new(token: &str) -> Result<Self, HubError> {
        let token = token.trim();
        match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(token.to_string())),
            false => Err(HubError::Setting {
                name: "the token of the hub".to_string(),
                reason: "it is empty, or holds spaces or characters that no token has".to_string(),
            }),
        }
    }

    /// The token itself.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl Hub {
    /// The hub as the environment describes it, by the variables that Python's `huggingface_hub` reads:
    /// `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`; `HF_ENDPOINT`; `HF_TOKEN`, `HF_TOKEN_PATH` or the file `token` in
    /// `HF_HOME`, unless `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set; `HF_HUB_OFFLINE`; `HF_HUB_ETAG_TIMEOUT` and
    /// `HF_HUB_DOWNLOAD_TIMEOUT` in seconds.
    ///
    /// Proxies are those of `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; certificates those that the
    /// system trusts, or `SSL_CERT_FILE`.
    ///
    /// # Errors
    ///
    /// [`HubError::Setting`] if a variable cannot be used; [`HubError::Io`] if the file of the token cannot be read.
    ///
    /// # References
    ///
    /// `huggingface_hub.constants` of version 2.4.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_variables(&|name| std::env::var_os(name), std::env::home_dir())
    }

    /// The hub as these variables describe it.
    fn from_variables(
        variable: &dyn Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| match set(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(setting(name, "it is not UTF-8")),
        };
        let folder =
            |name: &str| set(name).map(|path| from_home(Path::new(&path), home.as_deref()));
        let data = match (folder("HF_HOME"), folder("XDG_CACHE_HOME"), &home) {
            (Some(data), _, _) => data,
            (None, Some(caches), _) => caches.join("huggingface"),
            (None, None, Some(home)) => home.join(".cache/huggingface"),
            (None, None, None) => {
                let reason = "it is not set, and the user has no home folder";
                return Err(setting("HF_HOME", reason));
            }
        };
        let token = match text("HF_TOKEN")? {
            Some(token) => Some(Token::new(&token)?),
            None if is_true(text("HF_HUB_DISABLE_IMPLICIT_TOKEN")?) => None,
            None => token_in(&folder("HF_TOKEN_PATH").unwrap_or_else(|| data.join("token")))?,
        };
        let mut timeouts = Timeouts::default();
        for (name, timeout) in [
            ("HF_HUB_ETAG_TIMEOUT", &mut timeouts.answer),
            ("HF_HUB_DOWNLOAD_TIMEOUT", &mut timeouts.stall),
        ] {
            if let Some(seconds) = text(name)? {
                let seconds = seconds.trim().parse().ok().filter(|seconds| *seconds > 0);
                let seconds: u32 =
                    seconds.ok_or_else(|| setting(name, "it is not a number of seconds"))?;
                *timeout = Duration::from_secs(u64::from(seconds));
            }
        }
        Ok(Self {
            cache: folder("HF_HUB_CACHE").unwrap_or_else(|| data.join("hub")),
            endpoint: text("HF_ENDPOINT")?.unwrap_or_else(|| ENDPOINT.to_string()),
            token,
            offline: is_true(text("HF_HUB_OFFLINE")?.or(text("TRANSFORMERS_OFFLINE")?)),
            timeouts,
        })
    }
}

/// Whether a variable says yes, as Python's library reads it.
fn is_true(value: Option<String>) -> bool {
    let value = value.unwrap_or_default().to_ascii_uppercase();
    matches!(value.as_str(), "1" | "ON" | "YES" | "TRUE")
}

/// A path of which `~` is the home folder.
fn from_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
}

/// The token in a file, if there is one.
fn token_in(path: &Path) -> Result<Option<Token>, HubError> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Token::new(&text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HubError::io(path)(error)),
    }
}

fn setting(name: &str, reason: &str) -> HubError {
    HubError::Setting {
        name: name.to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Result<Hub, HubError> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Hub::from_variables(&variable, Some(PathBuf::from("/home/a")))
    }

    #[test]
    fn the_cache_is_where_other_tools_look_for_it() {
        for (variables, cache) in [
            (&[][..], "/home/a/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/h/hub"),
            (&[("HF_HOME", "~/h")], "/home/a/h/hub"),
            (&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")], "/c"),
            (&[("HF_HOME", "")], "/home/a/.cache/huggingface/hub"),
        ] {
            assert_eq!(hub(variables).unwrap().cache, Path::new(cache));
        }
        let error = Hub::from_variables(&|_| None, None).unwrap_err();
        assert!(error.to_string().starts_with("HF_HOME cannot be used"));
    }

    #[test]
    fn the_token_comes_from_the_variable_or_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(hub(&[("HF_HOME", home)]).unwrap().token, None);
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let token = |variables: &[(&str, &str)]| hub(variables).unwrap().token;
        let secret = |token: Option<Token>| token.map(|token| token.secret().to_string());
        let from_file = token(&[("HF_HOME", home)]);
        assert_eq!(secret(from_file.clone()).as_deref(), Some("hf_file"));
        assert!(!format!("{from_file:?}").contains("hf_file"));
        let both = [("HF_HOME", home), ("HF_TOKEN", " hf_variable ")];
        assert_eq!(secret(token(&both)).as_deref(), Some("hf_variable"));
        let none = [("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")];
        assert_eq!(token(&none), None);
        assert!(hub(&[("HF_TOKEN", "a\nb")]).is_err());
    }

    #[test]
    fn the_network_is_forbidden_by_a_yes_and_waited_for_by_seconds() {
        for (value, offline) in [("1", true), ("true", true), ("0", false), ("no", false)] {
            assert_eq!(hub(&[("HF_HUB_OFFLINE", value)]).unwrap().offline, offline);
        }
        assert!(hub(&[("TRANSFORMERS_OFFLINE", "1")]).unwrap().offline);
        let timeouts = hub(&[("HF_HUB_DOWNLOAD_TIMEOUT", "7")]).unwrap().timeouts;
        assert_eq!(timeouts.stall, Duration::from_secs(7));
        assert_eq!(timeouts.answer, Timeouts::default().answer);
        for wrong in ["0", "-1", "x", "99999999999"] {
            assert!(hub(&[("HF_HUB_ETAG_TIMEOUT", wrong)]).is_err(), "{wrong}");
        }
    }
}
