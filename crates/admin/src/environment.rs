//! What the environment says, read once.

use std::env;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// The variables this program listens to. An empty one counts as absent.
#[derive(Debug, Default)]
pub struct Environment {
    /// `GATEPASS_PROFILE`.
    pub profile: Option<String>,
    /// `GATEPASS_MASTER`.
    pub master: Option<String>,
    /// `GATEPASS_APIKEY_FILE`.
    pub apikey_file: Option<PathBuf>,
    /// `GATEPASS_APIKEY`.
    pub apikey: Option<Zeroizing<String>>,
    /// `GATEPASS_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
    /// `GATEPASS_TOKEN`.
    pub token: Option<Zeroizing<String>>,
    /// `GATEPASS_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// Where the user's configuration lies: `XDG_CONFIG_HOME`, else `.config` in `HOME`.
    pub config: Option<PathBuf>,
}

impl Environment {
    /// Reads them.
    #[must_use]
    pub fn read() -> Self {
        let text = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // A relative one is to be ignored (XDG Base Directory Specification).
        let config = path("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        Self {
            profile: text("GATEPASS_PROFILE"),
            master: text("GATEPASS_MASTER"),
            apikey_file: path("GATEPASS_APIKEY_FILE"),
            apikey: text("GATEPASS_APIKEY").map(Zeroizing::new),
            token_file: path("GATEPASS_TOKEN_FILE"),
            token: text("GATEPASS_TOKEN").map(Zeroizing::new),
            ca_file: path("GATEPASS_CA_FILE"),
            config: config.or_else(|| path("HOME").map(|home| home.join(".config"))),
        }
    }
}
