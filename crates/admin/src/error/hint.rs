//! What to try next: one line for each thing that can go wrong.

use gatepass_contract::wire::{Code, Problem};

use super::CtlError;
use crate::access::Voucher;

/// The hint of an error.
pub(super) fn of(error: &CtlError) -> Option<String> {
    let text = match error {
        CtlError::NoUrl => {
            "name it with --master or GATEPASS_MASTER; `gatepassctl login` keeps it in a profile"
        }
        CtlError::BadMaster(_) => "it must be like https://master.example.com:31116",
        CtlError::NoCredential => {
            "name a file that holds one with --apikey-file, or set GATEPASS_APIKEY; `gatepassctl login` keeps it in a profile"
        }
        CtlError::NotACredential { source, .. } => return Some(of_credential(*source).to_owned()),
        CtlError::BadCaFile { .. } => "it must hold certificates in PEM",
        CtlError::NoProfile(_) => {
            "`gatepassctl profile list` says which there are; `gatepassctl login` makes one"
        }
        CtlError::NoProfileInUse => "name one with --profile, or make one with `gatepassctl login`",
        CtlError::OtherMaster { .. } => "name another profile with --profile; naming this one replaces it",
        CtlError::BadProfile { .. } => "remove the file and sign in again with `gatepassctl login`",
        CtlError::Shared { file, .. } => {
            return Some(format!(
                "take it back with `chmod go= {}`; who read it has the credential",
                file.display()
            ));
        }
        CtlError::NoPassword(_) => "name a file with --password-file, `-` for standard input",
        CtlError::Unreachable { .. } => {
            "check the address and that `gatepass-master serve` is running there, then try again"
        }
        CtlError::Untrusted { source, .. } if is_about_dates(source) => {
            "compare this host's clock with the master's"
        }
        CtlError::Untrusted { voucher: Voucher::System, .. } => {
            "name the master's CA with --ca-file or --ca-fingerprint; who is signed in already sees it with `gatepassctl profile show`"
        }
        CtlError::Untrusted { .. } | CtlError::OtherCa { .. } => {
            "check the address; a master behind a load balancer needs --ca-file; else the credential is another master's"
        }
        CtlError::Foreign { .. } => "check the address, and that both programs are of the same version",
        CtlError::Several { .. } => "give more of the id",
        CtlError::NotConfirmed(_) => "say --yes where nobody can be asked",
        CtlError::StillPending { id } => {
            return Some(format!(
                "an approver runs `gatepassctl key approve {id}`; `gatepassctl key show {id}` says how it stands"
            ));
        }
        CtlError::SessionLeft(_) => "it ends by itself when its time is over",
        CtlError::NoSecretFile { .. } => "name a new file: an existing one is never overwritten",
        CtlError::SecretLost { again, .. } => return Some(again.clone()),
        CtlError::BrokenAudit(_) => "keep the file as it is; compare it with an earlier export",
        CtlError::Refused(problem) => return of_problem(problem),
        CtlError::BadProfileName(_)
        | CtlError::Unreadable { .. }
        | CtlError::Unwritable { .. }
        | CtlError::StandardInput(_)
        | CtlError::NoHome
        | CtlError::PasswordsDiffer
        | CtlError::NoTerminal(_)
        | CtlError::NoSuch { .. }
        | CtlError::Declined(_)
        | CtlError::Rejected { .. }
        | CtlError::Output(_)
        | CtlError::Start(_) => return None,
    };
    Some(text.to_owned())
}

const fn of_credential(refused: crate::credential::NotACredential) -> &'static str {
    use crate::credential::NotACredential::{Key, KeyForToken, Token};
    match refused {
        Key(_) => "an API key begins with `gpk_`; copy it whole, in one piece",
        KeyForToken => "give it with --apikey-file or GATEPASS_APIKEY",
        Token => "copy the JWT whole, in one piece",
    }
}

/// Where the remedy is an option or a command of this program, its own words; else the master knows the case best.
fn of_problem(problem: &Problem) -> Option<String> {
    let ours = of_command(problem.code).map(str::to_owned);
    ours.or_else(|| problem.hint.clone()).or_else(|| of_code(problem.code).map(str::to_owned))
}

/// What the master can only say in terms of HTTP.
fn of_command(code: Code) -> Option<&'static str> {
    let said = matches!(
        code,
        Code::Unauthenticated
            | Code::AnnotationRequired
            | Code::PreconditionFailed
            | Code::IdempotencyMismatch
    );
    said.then(|| of_code(code)).flatten()
}

/// What an administrator can do about a code in general; `None` where what the master says is all there is to say, and
/// for what only agents are told.
const fn of_code(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::Unauthenticated => "the credential is wrong or over; sign in with another: `gatepassctl login`",
        Code::ApiKeyRefused => "sign in with another API key: `gatepassctl login`",
        Code::ApiKeySuspended => "ask an administrator to resume the key",
        Code::ApiKeyPending => "wait until an approver has agreed to the key",
        Code::ApiKeyDisabled => "ask an administrator to enable the key",
        Code::OwnerInactive => "ask an administrator to enable the user",
        Code::ApiKeyExpired => "ask an administrator to renew the key",
        Code::TokenExpired => {
            "ask for the token to be renewed and unlocked: `gatepassctl token edit --expires`, then `token unlock`"
        }
        Code::TokenDisabled => "ask for the token to be enabled: `gatepassctl token edit --enable`",
        Code::NetworkNotAllowed => {
            "work from a host in its networks, or ask an administrator to add this one"
        }
        Code::CapabilityMissing => "`gatepassctl whoami` says what you may do; ask an administrator for more",
        Code::NotFound => "look it up with `list`; what you may not see is not found either",
        Code::OwnRequest => "ask somebody else who has key.approve",
        Code::RequestPending => "`gatepassctl approval list` shows it; an approver has to decide first",
        Code::AnnotationRequired => "say why with --annotate TEXT (and --ticket, --category)",
        Code::PreconditionFailed => {
            "somebody else edited it; look again with `show`, then repeat the command"
        }
        Code::IdempotencyMismatch => "repeat the command",
        Code::IllegalMove => "look at it with `show`: what can be done depends on how it stands",
        Code::ApiKeyUsedUp => "ask an administrator to allow more: `gatepassctl key edit --uses`",
        Code::InUse => "take it away from those that still have it first",
        Code::RateLimited => "wait a minute, then try again with the right credential",
        Code::NameTaken => "choose another name",
        Code::Timeout | Code::Overloaded | Code::Unavailable | Code::Internal => "try again in a while",
        Code::BodyTooLarge => "ask for less at once",
        Code::BadRequest
        | Code::ProofRefused
        | Code::ProofTime
        | Code::KeySuperseded
        | Code::AgentRevoked
        | Code::GraceOver
        | Code::HostChanged
        | Code::CsrRefused
        | Code::KeyInUse
        | Code::KeySpent
        | Code::MethodNotAllowed
        | Code::Unacceptable
        | Code::PreconditionRequired
        | Code::MediaType => return None,
    })
}

fn is_about_dates(error: &reqwest::Error) -> bool {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        super::tls_reason(error),
        Some(rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        ))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_administrator_is_refused_for_has_a_hint() {
        for code in [
            Code::Unauthenticated,
            Code::ApiKeyPending,
            Code::ApiKeyDisabled,
            Code::OwnerInactive,
            Code::TokenExpired,
            Code::TokenDisabled,
            Code::OwnRequest,
            Code::RequestPending,
            Code::AnnotationRequired,
            Code::PreconditionFailed,
            Code::IdempotencyMismatch,
            Code::InUse,
            Code::RateLimited,
        ] {
            assert!(of_code(code).is_some(), "{code}");
        }
    }
}
