//! What went wrong, what to try next, and how the program ends.

mod hint;

use std::io;
use std::path::{Path, PathBuf};

use gatepass_contract::address::BadUrl;
use gatepass_contract::audit::Broken;
use gatepass_contract::pki::PkiError;
use gatepass_contract::wire::{Code, Problem, Remedy};

use crate::access::Voucher;
use crate::credential::NotACredential;
use crate::profile::{NotAProfileName, ProfileName};

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
    /// The environment names something else than a master.
    #[error("GATEPASS_MASTER names no master")]
    BadMaster(#[source] BadUrl),
    /// No credential offered.
    #[error("no API key or token given")]
    NoCredential,
    /// A file that was named cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of ours cannot be written.
    #[error("cannot write {}", file.display())]
    Unwritable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing comes from standard input.
    #[error("cannot read standard input")]
    StandardInput(#[source] io::Error),
    /// Something else than a credential; never quoted.
    #[error("{origin} holds no {}", kind_of(.source))]
    NotACredential {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        source: NotACredential,
    },
    /// The file of CA certificates is something else.
    #[error("{} holds no CA certificates", file.display())]
    BadCaFile {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        source: PkiError,
    },
    /// The environment names something that cannot be a profile.
    #[error("GATEPASS_PROFILE names no profile")]
    BadProfileName(#[source] NotAProfileName),
    /// A profile that was named does not exist.
    #[error("there is no profile `{0}`")]
    NoProfile(ProfileName),
    /// None was named and none is in use.
    #[error("no profile is in use")]
    NoProfileInUse,
    /// A profile that nobody named is of another master.
    #[error("profile {name} is of {master}")]
    OtherMaster {
        /// Which profile.
        name: ProfileName,
        /// Of which master it is.
        master: String,
    },
    /// There is no place for profiles.
    #[error("there is no directory for profiles: neither XDG_CONFIG_HOME nor HOME is set")]
    NoHome,
    /// A profile's file is something else; never quoted.
    #[error("{} holds no profile", file.display())]
    BadProfile {
        /// Which.
        file: PathBuf,
    },
    /// Others can read or change a profile.
    #[error("{} is open to others (mode {mode:o})", file.display())]
    Shared {
        /// Which file or directory.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No password offered, and nobody to ask.
    #[error("no {0} given")]
    NoPassword(&'static str),
    /// Typed twice, and not the same.
    #[error("the two passwords differ")]
    PasswordsDiffer,
    /// Nobody can be asked.
    #[error("cannot ask on this terminal")]
    NoTerminal(#[source] io::Error),
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
    /// The master offers other anchors than the pinned one.
    #[error("{url} does not have the CA that the {voucher} names")]
    OtherCa {
        /// Where it is.
        url: String,
        /// What names it.
        voucher: Voucher,
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
    /// An approver said no.
    #[error("key {name} ({id}): the request was rejected{}", because(reason))]
    Rejected {
        /// What the key is called.
        name: String,
        /// Its id.
        id: String,
        /// What the approver said.
        reason: String,
    },
    /// No approver has said anything.
    #[error("key {id}: nobody has decided yet")]
    StillPending {
        /// Which key.
        id: String,
    },
    /// Signed out here, and perhaps not there.
    #[error("the profile is removed, but the session at the master could not be ended")]
    SessionLeft(#[source] Box<CtlError>),
    /// The file for the secret cannot be made.
    #[error("cannot create {}", file.display())]
    NoSecretFile {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was made exists, its secret is lost.
    #[error("{what} was made, but its secret could not be kept")]
    SecretLost {
        /// What, as in `key ci (ABC)`.
        what: String,
        /// How to make another.
        again: String,
        /// Why.
        source: io::Error,
    },
    /// The audit's chain is broken.
    #[error(transparent)]
    BrokenAudit(#[from] Broken),
    /// The answer cannot be printed.
    #[error("cannot write the answer")]
    Output(#[source] io::Error),
    /// The program cannot work on this host.
    #[error("cannot start")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

const fn kind_of(refused: &NotACredential) -> &'static str {
    match refused {
        NotACredential::Key(_) => "API key",
        NotACredential::KeyForToken | NotACredential::Token => "API token",
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
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
            Self::NoUrl
            | Self::BadMaster(_)
            | Self::NoCredential
            | Self::BadProfileName(_)
            | Self::NoProfileInUse
            | Self::OtherMaster { .. }
            | Self::NoPassword(_)
            | Self::NotConfirmed(_) => Exit::Usage,
            Self::Unreachable { .. } | Self::StillPending { .. } => Exit::Later,
            Self::Untrusted { .. }
            | Self::OtherCa { .. }
            | Self::Shared { .. }
            | Self::Rejected { .. }
            | Self::SecretLost { .. } => Exit::Human,
            Self::Refused(problem) => exit_of(problem.code),
            Self::SessionLeft(source) => source.exit(),
            Self::Unreadable { .. }
            | Self::Unwritable { .. }
            | Self::StandardInput(_)
            | Self::NotACredential { .. }
            | Self::BadCaFile { .. }
            | Self::NoProfile(_)
            | Self::NoHome
            | Self::BadProfile { .. }
            | Self::PasswordsDiffer
            | Self::NoTerminal(_)
            | Self::Foreign { .. }
            | Self::NoSuch { .. }
            | Self::Several { .. }
            | Self::Declined(_)
            | Self::NoSecretFile { .. }
            | Self::BrokenAudit(_)
            | Self::Output(_)
            | Self::Start(_) => Exit::Failed,
        }
    }

    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        hint::of(self)
    }
}

/// A person must act where the caller's right is in question or somebody has to decide; what merely was not possible has
/// failed; and who comes second to an edit may simply make it again.
#[must_use]
pub fn exit_of(code: Code) -> Exit {
    match (code, code.remedy(), code.status()) {
        (Code::PreconditionFailed, ..) | (_, Remedy::Wait, _) => Exit::Later,
        (Code::RequestPending, ..) | (_, Remedy::CallHuman, 401 | 403) => Exit::Human,
        (_, Remedy::CallHuman | Remedy::MeasureClock | Remedy::NewKey | Remedy::EnrolAgain, _) => {
            Exit::Failed
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use gatepass_contract::id::RequestId;

    #[test]
    fn every_refusal_ends_the_program_as_it_should() {
        for (code, want) in [
            (Code::Overloaded, Exit::Later),
            (Code::Internal, Exit::Later),
            (Code::RateLimited, Exit::Later),
            (Code::PreconditionFailed, Exit::Later),
            (Code::ApiKeyRefused, Exit::Human),
            (Code::ApiKeySuspended, Exit::Human),
            (Code::ApiKeyPending, Exit::Human),
            (Code::OwnerInactive, Exit::Human),
            (Code::OwnRequest, Exit::Human),
            (Code::RequestPending, Exit::Human),
            (Code::CapabilityMissing, Exit::Human),
            (Code::AnnotationRequired, Exit::Failed),
            (Code::Unacceptable, Exit::Failed),
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
        problem.hint = Some("call it ci-2".to_owned());
        let error = CtlError::Refused(Box::new(problem));
        assert_eq!(
            error.to_string(),
            "the master refused: a key `ci` exists (name-taken, request AAAAAAAAAAAAAAAA)"
        );
        assert_eq!(error.hint().as_deref(), Some("call it ci-2"), "the master's own hint comes first");
    }
}
