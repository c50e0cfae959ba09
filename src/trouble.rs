//! What can go wrong in a step, and what to do about it.

use std::error::Error;
use std::time::Duration;

use crate::credential::NoApiKey;
use crate::enrol::EnrolError;
use crate::master::{MasterError, Remedy};
use crate::outputs::OutputError;
use crate::store::StoreError;

/// Why a step failed. What was held is still held.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The master did not do what was asked.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// What the master issued is not good, or it issued nothing.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// Nothing is held and there is no API key.
    #[error("this host has no identity yet")]
    ApiKey(#[from] NoApiKey),
    /// The state directory cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A hook that is required failed.
    #[error("the required hook `{name}` failed")]
    Hook {
        /// Its name.
        name: String,
    },
}

impl StepError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Master(error) | Self::Enrol(EnrolError::Master(error)) => error.remedy(),
            Self::Enrol(EnrolError::Unfit(_)) | Self::Store(_) | Self::Output(_) | Self::Hook { .. } => {
                Remedy::Wait { at_least: Duration::ZERO }
            }
            Self::ApiKey(_) => Remedy::CallHuman,
        }
    }

    /// What a person should try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Master(error) | Self::Enrol(EnrolError::Master(error)) => error.hint(),
            Self::Enrol(EnrolError::Unfit(_)) => {
                Some("compare the master's clock and its signing keys; `gatepass check` shows both sides".to_owned())
            }
            Self::ApiKey(_) => Some(
                "put an API key into a file and name it with --apikey-file, or give the unit a credential `apikey`".to_owned(),
            ),
            Self::Store(_) | Self::Output(_) => Some("make room or mend the permissions; nothing was lost".to_owned()),
            Self::Hook { .. } => Some("run the hook by hand; it is tried again with the next renewal".to_owned()),
        }
    }
}

/// An error with its whole chain of causes, in one line.
#[must_use]
pub fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}
