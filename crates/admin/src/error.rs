//! What went wrong, what to try next, and how the program ends.

use std::io;
use std::path::{Path, PathBuf};

use gatepass_contract::pki::PkiError;
use gatepass_contract::secret::NotAnApiKey;
use gatepass_contract::wire::{Code, Problem, Remedy};

/// How the program ends when it does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Not done.
    Failed,
    /// Wrongly called.
    Usage,
    /// It may work later, unchanged.
    Later,
    /// A person must change something first.
    Human,
}

impl Exit {
    /// As the shell sees it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Later => 3,
            Self::Human => 4,
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// No master named.
    #[error("no master given")]
    NoUrl,
    /// No key offered.
    #[error("no API key given")]
    NoApiKey,
    /// A file that was named cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing comes from standard input.
    #[error("cannot read the API key from standard input")]
    StandardInput(#[source] io::Error),
    /// Something else than an API key; never quoted.
    #[error("{origin} holds no API key")]
    NotAnApiKey {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        source: NotAnApiKey,
    },
    /// The file of CA certificates is something else.
    #[error("{} holds no CA certificates", file.display())]
    BadCaFile {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        source: PkiError,
    },
    /// The master does not answer.
    #[error("cannot reach the master at {url}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Whatever answers there cannot prove to be the master.
    #[error("{url} is not the master that the {voucher} vouches for")]
    Untrusted {
        /// Where it is.
        url: String,
        /// What should vouch for it.
        voucher: Voucher,
        /// Why it does not.
        source: reqwest::Error,
    },
    /// The master offers other anchors than the one the key pins.
    #[error("{url} does not have the CA that the API key pins")]
    OtherCa {
        /// Where it is.
        url: String,
    },
    /// The master said no, and why.
    #[error("{}", refusal(.0))]
    Refused(Box<Problem>),
    /// Something that speaks HTTP and is no master, or one of another version.
    #[error("{url} answered with {what}, not as a master does")]
    Foreign {
        /// Where it is.
        url: String,
        /// What it said.
        what: String,
    },
    /// Nothing fits.
    #[error("there is no {kind} `{wanted}`")]
    NoSuch {
        /// What was looked for.
        kind: &'static str,
        /// How it was named.
        wanted: String,
    },
    /// More than one fits.
    #[error("{} {kind}s fit `{wanted}`: {}", fitting.len(), fitting.join(", "))]
    Several {
        /// What was looked for.
        kind: &'static str,
        /// How it was named.
        wanted: String,
        /// Those that fit.
        fitting: Vec<String>,
    },
    /// Nobody said yes.
    #[error("not confirmed: {0}")]
    NotConfirmed(String),
    /// Somebody said no.
    #[error("left as it is: {0}")]
    Declined(String),
    /// The file for the secret cannot be made.
    #[error("cannot create {}", file.display())]
    NoSecretFile {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key exists, its secret is lost.
    #[error("key {id} was created, but its secret could not be kept")]
    SecretLost {
        /// Which key.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// The answer cannot be printed.
    #[error("cannot write the answer")]
    Output(#[source] io::Error),
    /// The program cannot work on this host.
    #[error("cannot start")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What authenticates the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voucher {
    /// The pin in the API key.
    Pin,
    /// A file of certificates.
    CaFile,
}

impl std::fmt::Display for Voucher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pin => "pin in the API key",
            Self::CaFile => "CA file",
        })
    }
}

/// What the master says of this case, and where its log says more.
fn refusal(problem: &Problem) -> String {
    let said = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    format!("the master refused: {said} ({}, request {})", problem.code, problem.request_id)
}

impl CtlError {
    /// A file that was named cannot be read.
    #[must_use]
    pub fn unreadable(file: &Path, source: io::Error) -> Self {
        Self::Unreadable { file: file.to_owned(), source }
    }

    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoUrl | Self::NoApiKey | Self::NotConfirmed(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::Later,
            Self::Untrusted { .. } | Self::OtherCa { .. } | Self::SecretLost { .. } => Exit::Human,
            Self::Refused(problem) => exit_of(problem.code),
            Self::Unreadable { .. }
            | Self::StandardInput(_)
            | Self::NotAnApiKey { .. }
            | Self::BadCaFile { .. }
            | Self::Foreign { .. }
            | Self::NoSuch { .. }
            | Self::Several { .. }
            | Self::Declined(_)
            | Self::NoSecretFile { .. }
            | Self::Output(_)
            | Self::Start(_) => Exit::Failed,
        }
    }

    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoUrl => "name it with --master or GATEPASS_MASTER",
            Self::NoApiKey => "name a file that holds one with --apikey-file, or set GATEPASS_APIKEY",
            Self::NotAnApiKey { .. } => "an API key begins with `gpk_`; copy it whole, in one piece",
            Self::BadCaFile { .. } => "it must hold certificates in PEM",
            Self::Unreachable { .. } => {
                "check the address and that `gatepass-master serve` is running there, then try again"
            }
            Self::Untrusted { source, .. } if is_about_dates(source) => {
                "compare this host's clock with the master's"
            }
            Self::Untrusted { .. } | Self::OtherCa { .. } => {
                "check the address; a master behind a load balancer needs --ca-file; else the API key is another master's"
            }
            Self::Foreign { .. } => "check the address, and that both programs are of the same version",
            Self::Several { .. } => "give more of the id",
            Self::NotConfirmed(_) => "say --yes where nobody can be asked",
            Self::NoSecretFile { .. } => "name a new file: an existing one is never overwritten",
            Self::SecretLost { id, .. } => {
                return Some(format!("run `gatepassctl key revoke {id}` and create another"));
            }
            Self::Refused(problem) => return problem.hint.clone(),
            Self::Unreadable { .. }
            | Self::StandardInput(_)
            | Self::NoSuch { .. }
            | Self::Declined(_)
            | Self::Output(_)
            | Self::Start(_) => return None,
        };
        Some(text.to_owned())
    }
}

/// A person must act where the caller's right is in question; what merely was not possible has failed.
fn exit_of(code: Code) -> Exit {
    match (code.remedy(), code.status()) {
        (Remedy::Wait, _) => Exit::Later,
        (Remedy::CallHuman, 401 | 403) => Exit::Human,
        (Remedy::CallHuman | Remedy::MeasureClock | Remedy::NewKey | Remedy::EnrolAgain, _) => Exit::Failed,
    }
}

/// The TLS library's own reason, if that is why a request failed.
#[must_use]
pub fn tls_reason<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    std::iter::successors(Some(error), |error| cause(*error)).find_map(|error| error.downcast_ref())
}

/// What is behind an error. An I/O error that wraps another passes that one's source off as its own, so it is opened.
fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn is_about_dates(error: &reqwest::Error) -> bool {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        tls_reason(error),
        Some(rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        ))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepass_contract::id::RequestId;

    #[test]
    fn every_refusal_ends_the_program_as_it_should() {
        for (code, want) in [
            (Code::Overloaded, Exit::Later),
            (Code::Internal, Exit::Later),
            (Code::ApiKeyRefused, Exit::Human),
            (Code::ApiKeySuspended, Exit::Human),
            (Code::CapabilityMissing, Exit::Human),
            (Code::NameTaken, Exit::Failed),
            (Code::NotFound, Exit::Failed),
            (Code::IllegalMove, Exit::Failed),
        ] {
            assert_eq!(exit_of(code), want, "{code}");
        }
    }

    #[test]
    fn a_refusal_is_said_with_its_code_and_request() {
        let mut problem = Problem::new(Code::NameTaken, "a key `ci` exists", RequestId([0; 10]));
        problem.hint = Some("choose another name".to_owned());
        let error = CtlError::Refused(Box::new(problem));
        assert_eq!(
            error.to_string(),
            "the master refused: a key `ci` exists (name-taken, request AAAAAAAAAAAAAAAA)"
        );
        assert_eq!(error.hint().as_deref(), Some("choose another name"));
    }
}
