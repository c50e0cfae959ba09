//! What each master says: who it is, what time it is, how the key stands, whether it knows this agent.

use gatepass_contract::address::MasterUrl;
use gatepass_contract::clock::ClockTolerance;
use gatepass_contract::secret::ApiKey;
use gatepass_contract::span::Span;
use gatepass_contract::time::Skew;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{ClockStanding, Expiry, Standing};
use gatepass_contract::wire::agent::OwnKey;

use super::finding::{Finding, Severity};
use super::id::Id;
use crate::clock::MasterTime;
use crate::master::{Caller, Client, Fault, Master as _, MasterError};
use crate::trouble::whole;

/// What is asked of each master.
#[derive(Debug, Clone)]
pub(super) struct Questions {
    /// With the identity that is held.
    pub(super) caller: Option<Caller>,
    /// With the key that is given.
    pub(super) api_key: Option<ApiKey>,
    pub(super) tolerance: ClockTolerance,
    pub(super) time: MasterTime,
}

/// Issues nothing and uses nothing up.
pub(super) async fn ask(url: MasterUrl, client: Client, questions: Questions) -> Vec<Finding> {
    let skew = match client.probe().await {
        Ok(skew) => skew,
        Err(error) => return vec![unusable(&error)],
    };
    questions.time.observe(skew);
    let round_trip = Span::from(skew.round_trip());
    let message = format!("{url} answers and is who it should be (round trip {round_trip})");
    let mut findings = vec![Finding::fine(Id::MasterVerified, message)];
    findings.extend(slow(&url, skew));
    findings.push(clock(skew, questions.tolerance));
    if let Some(key) = &questions.api_key {
        let key = client.own_key(key).await;
        findings.extend(standing(&url, key, questions.caller.is_some()));
    }
    if let Some(caller) = &questions.caller {
        findings.push(match client.me(caller).await {
            Ok(me) => Finding::fine(
                Id::IdentityAccepted,
                format!("{url} knows this agent as {} ({})", me.name, me.state),
            ),
            Err(error) => refused(Id::IdentityRefused, &error),
        });
    }
    findings
}

fn slow(url: &MasterUrl, skew: Skew) -> Option<Finding> {
    let round_trip = skew.round_trip();
    (round_trip > std::time::Duration::from_secs(2)).then(|| {
        Finding::warning(
            Id::NetworkDelay,
            format!("the way to {url} and back takes {}", Span::from(round_trip)),
        )
    })
}

fn clock(skew: Skew, tolerance: ClockTolerance) -> Finding {
    let hint = match tolerance.standing(skew) {
        ClockStanding::Agree => return Finding::fine(Id::Clock, format!("this host's clock is {skew}")),
        ClockStanding::Unsure => "the network is too slow to compare the clocks",
        ClockStanding::Warn | ClockStanding::Critical => {
            "nothing here depends on it, other programs may: correct the clock that is wrong"
        }
    };
    Finding::warning(Id::Clock, format!("this host's clock is {skew}")).with_hint(Some(hint.to_owned()))
}

fn unusable(error: &MasterError) -> Finding {
    let id = match error {
        MasterError::Fault { fault, .. } => id(fault),
        MasterError::None(_) | MasterError::Refused { .. } => Id::MasterUnreachable,
    };
    refused(id, error)
}

/// In words that name the master, and the request where there was one.
fn refused(id: Id, error: &MasterError) -> Finding {
    Finding::broken(id, whole(error)).with_hint(error.hint())
}

fn id(fault: &Fault) -> Id {
    if matches!(fault, Fault::OtherCa(_) | Fault::NoSystemRoots) {
        Id::TlsUntrusted
    } else if matches!(fault, Fault::WrongPin) {
        Id::TlsPin
    } else if matches!(fault, Fault::OtherName(_)) {
        Id::TlsName
    } else if matches!(fault, Fault::Expired { .. } | Fault::NotYetValid { .. }) {
        Id::TlsDates
    } else if matches!(fault, Fault::PlainHttp | Fault::OldTls | Fault::Tls(_)) {
        Id::TlsBroken
    } else {
        Id::MasterUnreachable
    }
}

/// How the key stands; once enrolled none is needed, and one that is no good any more is as it should be.
fn standing(url: &MasterUrl, key: Result<OwnKey, MasterError>, enrolled: bool) -> Vec<Finding> {
    let worst = if enrolled { Severity::Fine } else { Severity::Broken };
    let key = match key {
        Ok(key) => key,
        Err(error) if error.code() == Some(Code::NotFound) => {
            return vec![Finding::fine(
                Id::ApikeyUnchecked,
                format!("{url} is too old to say how the API key stands"),
            )];
        }
        Err(error) if error.code().is_none() => {
            return vec![Finding::fine(Id::ApikeyUnchecked, whole(&error))];
        }
        Err(error) => return vec![refused(Id::ApikeyRefused, &error).as_bad_as(worst)],
    };
    let admitted = match &key.refusal {
        None => Finding::fine(
            Id::ApikeyStanding,
            format!(
                "{url} would let this host in with `{}` ({}), coming from {}",
                key.name,
                until(&key),
                key.from
            ),
        ),
        Some(refusal) => Finding::broken(
            Id::ApikeyRefused,
            format!(
                "{url} would not enrol this host, which comes from {}, with `{}`: {} ({}, request {}){}",
                key.from,
                key.name,
                refusal.detail,
                refusal.code,
                refusal.request_id,
                networks(&key),
            ),
        )
        .with_hint(refusal.hint.clone())
        .as_bad_as(worst),
    };
    let ends = (key.refusal.is_none() && key.standing == Standing::Expiring).then(|| {
        let severity = if enrolled { Severity::Fine } else { Severity::Warning };
        Finding::warning(Id::ApikeyStanding, format!("`{}` {}", key.name, until(&key))).as_bad_as(severity)
    });
    std::iter::once(admitted).chain(ends).chain(quota(&key, worst)).collect()
}

fn quota(key: &OwnKey, worst: Severity) -> Option<Finding> {
    let left = key.uses_left?;
    let message = format!("`{}` may enrol {left} more hosts", key.name);
    Some(match left {
        0 => Finding::broken(Id::ApikeyQuota, message).as_bad_as(worst),
        _ => Finding::fine(Id::ApikeyQuota, message),
    })
}

fn until(key: &OwnKey) -> String {
    match key.expires {
        Expiry::At(at) => format!("ends at {at}"),
        Expiry::Never => "never ends".to_owned(),
    }
}

/// Only where they are what keeps the host out.
fn networks(key: &OwnKey) -> String {
    let of_network = key.refusal.as_ref().is_some_and(|refusal| refusal.code == Code::NetworkNotAllowed);
    if !of_network {
        return String::new();
    }
    let allowed: Vec<_> = key.networks.iter().map(ToString::to_string).collect();
    format!("; it may come from {}", allowed.join(", "))
}
