//! Who vouches for the servers that notices go to.

use std::path::Path;

use gatepass_contract::pki::Anchors;

use super::NotifyError;

/// The certificates in that file; at least one.
pub(super) fn anchors(path: &Path) -> Result<Anchors, NotifyError> {
    let cannot =
        |source: Box<dyn std::error::Error + Send + Sync>| unusable(path.display().to_string(), source);
    let text = std::fs::read_to_string(path).map_err(|error| cannot(error.into()))?;
    Anchors::from_pem(&text).map_err(|error| cannot(error.into()))
}

/// What stands for the system's own certificates in messages.
pub(super) const SYSTEM: &str = "the system's certificate store";

pub(super) fn unusable(
    what: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> NotifyError {
    NotifyError::Trust { what: what.into(), source: source.into() }
}
