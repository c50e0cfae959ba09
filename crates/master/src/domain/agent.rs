//! Agents and their credentials: who may renew, with what, and how their clocks stand.
//!
//! Invariant: of an agent's generations, those before the latest one seen in use are dead; the one in use and every
//! later one still work, so that an answer lost on the way never locks an agent out.

use std::net::IpAddr;
use std::time::Duration;

use gatepass_contract::id::{AgentId, KeyId};
use gatepass_contract::name::{DisplayName, GroupName};
use gatepass_contract::pki::{self, PublicKey, Thumbprint};
use gatepass_contract::time::{UnixTime, Validity};
use gatepass_contract::wire::admin::{AgentState, AgentView, Capability, ClockStanding};
use gatepass_contract::wire::agent::{ClockReport, Facts, HookResult};
use rustls_pki_types::CertificateDer;

use super::apikey::{ApiKeyRecord, KeyHolder};
use super::refusal::Refusal;

/// An agent as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Who it is.
    pub id: AgentId,
    /// What it is called.
    pub name: DisplayName,
    /// What people did to it.
    pub state: AgentState,
    /// The groups of the key it enrolled with.
    pub groups: Vec<GroupName>,
    /// The latest generation issued to it.
    pub generation: u64,
    /// The latest generation seen in a valid proof.
    pub confirmed: u64,
    /// When its latest certificate ends.
    pub not_after: UnixTime,
    /// When it enrolled.
    pub enrolled: UnixTime,
    /// With which API key.
    pub enrolled_with: KeyId,
    /// When it was last heard of.
    pub last_seen: UnixTime,
    /// From where.
    pub from: IpAddr,
    /// What it says about its host.
    pub facts: Facts,
    /// What it says about its clock.
    pub clock: ClockReport,
    /// What that amounted to when it was said.
    pub clock_standing: ClockStanding,
    /// How its hooks went.
    pub hooks: Vec<HookResult>,
}

/// One generation issued to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// Whose.
    pub agent: AgentId,
    /// Which.
    pub generation: u64,
    /// The agent's key; proofs are verified with it.
    pub key: PublicKey,
    /// The leaf and the issuing certificate.
    pub chain: [CertificateDer<'static>; 2],
    /// When the leaf is good.
    pub validity: Validity,
    /// When the agent is to make a new key.
    pub rekey_at: UnixTime,
}

/// A certificate that is signed and not yet anybody's: the store records it, or drops it for one issued before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// The key it certifies.
    pub key: PublicKey,
    /// The leaf and the issuing certificate.
    pub chain: [CertificateDer<'static>; 2],
    /// The issuing key.
    pub issuer: Thumbprint,
    /// When the leaf is good.
    pub validity: Validity,
}

impl CredentialRecord {
    /// The chain in PEM, leaf first.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pki::to_pem(&self.chain)
    }
}

impl AgentRecord {
    /// As administrators and the agent itself may see it.
    #[must_use]
    pub fn view(&self) -> AgentView {
        AgentView {
            id: self.id,
            name: self.name.clone(),
            state: self.state,
            groups: self.groups.clone(),
            generation: self.generation,
            confirmed: self.confirmed,
            not_after: self.not_after,
            enrolled: self.enrolled,
            enrolled_with: self.enrolled_with,
            last_seen: self.last_seen,
            from: self.from,
            facts: self.facts.clone(),
            clock: self.clock,
            clock_standing: self.clock_standing,
            hooks: self.hooks.clone(),
        }
    }

    /// Whether it is neither revoked nor gone.
    pub const fn is_active(&self) -> Result<(), Refusal> {
        match self.state {
            AgentState::Active => Ok(()),
            AgentState::Revoked => Err(Refusal::AgentRevoked),
            AgentState::Deregistered => Err(Refusal::AgentGone),
        }
    }

    /// Whether a proof made with that generation's key speaks for it.
    pub fn accepts(&self, generation: u64) -> Result<(), Refusal> {
        self.is_active()?;
        if generation >= self.confirmed {
            Ok(())
        } else {
            Err(Refusal::Superseded { generation, confirmed: self.confirmed })
        }
    }
}

/// What people do to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentEvent {
    /// It says good-bye.
    Deregister,
    /// An administrator cuts it off.
    Revoke,
}

/// A change the agent's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent is {state} already")]
pub struct IllegalMove {
    /// What it is.
    pub state: AgentState,
    /// What was asked.
    pub event: AgentEvent,
}

/// The state after `event`. There is no way back to `Active`; who left can still be cut off for good.
pub fn apply(state: AgentState, event: AgentEvent) -> Result<AgentState, IllegalMove> {
    match (state, event) {
        (AgentState::Active, AgentEvent::Deregister) => Ok(AgentState::Deregistered),
        (AgentState::Active | AgentState::Deregistered, AgentEvent::Revoke) => Ok(AgentState::Revoked),
        (state, event) => Err(IllegalMove { state, event }),
    }
}

/// What an enrolment comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// A new agent.
    New,
    /// The answer was lost: the same agent, generation and certificate once more, and no use of the key.
    Again,
    /// Nothing.
    Refused(Refusal),
}

/// Decides an enrolment with that secret of the key. `known`: who holds the public key in the request already.
#[must_use]
pub fn enrolment(
    (by, secret_number): (&KeyHolder, u32),
    known: Option<(&AgentRecord, &CredentialRecord)>,
    from: IpAddr,
    now: UnixTime,
) -> Enrolment {
    let admitted =
        by.allows(secret_number, from, now).and_then(|admitted| admitted.may(Capability::AgentEnrol));
    let decided = admitted.and_then(|()| match known {
        None => by.key.has_use_left().map(|()| Enrolment::New),
        Some((agent, held)) => enrolled_before(&by.key, agent, held, now).map(|()| Enrolment::Again),
    });
    decided.unwrap_or_else(Enrolment::Refused)
}

fn enrolled_before(
    by: &ApiKeyRecord,
    agent: &AgentRecord,
    held: &CredentialRecord,
    now: UnixTime,
) -> Result<(), Refusal> {
    if agent.enrolled_with != by.id {
        return Err(Refusal::KeyInUse);
    }
    agent.accepts(held.generation)?;
    unspent(held, now)
}

/// What a call for credentials comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The next generation; `late`: when the credential that asked for it had ended, if it had.
    Next {
        /// The end of the credential that made the proof.
        late: Option<UnixTime>,
    },
    /// The same certificate with a fresh token.
    Again,
    /// Nothing.
    Refused(Refusal),
}

/// A call for credentials whose proof was verified.
#[derive(Debug, Clone, Copy)]
pub struct RenewalCall<'a> {
    /// Who asks.
    pub agent: &'a AgentRecord,
    /// With whose key the proof was made.
    pub proof: &'a CredentialRecord,
    /// Who holds the public key in the request already.
    pub known: Option<&'a CredentialRecord>,
    /// What the host says about itself now.
    pub facts: &'a Facts,
}

/// Decides a call for credentials. `grace`: for how long a credential that has ended still renews.
#[must_use]
pub fn renewal(call: RenewalCall<'_>, now: UnixTime, grace: Duration) -> Renewal {
    renew(call, now, grace).unwrap_or_else(Renewal::Refused)
}

fn renew(call: RenewalCall<'_>, now: UnixTime, grace: Duration) -> Result<Renewal, Refusal> {
    call.agent.accepts(call.proof.generation)?;
    let late = lateness(call, now, grace)?;
    match call.known {
        None => Ok(Renewal::Next { late }),
        Some(known) if known.agent != call.agent.id => Err(Refusal::KeyInUse),
        // The proof confirms its own generation: what came before that is dead, whatever was confirmed until now.
        Some(known) if known.generation < call.proof.generation => {
            Err(Refusal::Superseded { generation: known.generation, confirmed: call.proof.generation })
        }
        Some(known) => unspent(known, now).map(|()| Renewal::Again),
    }
}

/// When the credential ended, if it has; refused where that is too long ago, or the host is another one now.
fn lateness(call: RenewalCall<'_>, now: UnixTime, grace: Duration) -> Result<Option<UnixTime>, Refusal> {
    let expired = call.proof.validity.until();
    if now < expired {
        Ok(None)
    } else if now > expired + grace {
        Err(Refusal::GraceOver { expired })
    } else if call.facts.machine != call.agent.facts.machine {
        Err(Refusal::HostChanged { expired })
    } else {
        Ok(Some(expired))
    }
}

fn unspent(held: &CredentialRecord, now: UnixTime) -> Result<(), Refusal> {
    let expired = held.validity.until();
    if now < expired { Ok(()) } else { Err(Refusal::KeySpent { expired }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepass_contract::time::Skew;

    #[test]
    fn there_is_no_way_back_to_active() {
        use AgentEvent::{Deregister, Revoke};
        use AgentState::{Active, Deregistered, Revoked};
        for (state, event, want) in [
            (Active, Deregister, Some(Deregistered)),
            (Active, Revoke, Some(Revoked)),
            (Deregistered, Deregister, None),
            (Deregistered, Revoke, Some(Revoked)),
            (Revoked, Deregister, None),
            (Revoked, Revoke, None),
        ] {
            assert_eq!(apply(state, event), want.ok_or(IllegalMove { state, event }));
        }
    }

    const NOW: UnixTime = UnixTime(1_795_379_123_000);
    const DAY: Duration = Duration::from_hours(24);

    fn spki(last: u8) -> PublicKey {
        // An Ed25519 SubjectPublicKeyInfo (RFC 8410, section 4) in front of any 32 bytes.
        let mut der = vec![0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
        der.extend([last; 32]);
        PublicKey::from_spki(&der).expect("an allowed key")
    }

    fn facts(machine: u8) -> Facts {
        let machine = Some(gatepass_contract::digest::Sha256([machine; 32]));
        Facts { host_names: Vec::new(), addresses: Vec::new(), machine, version: String::new() }
    }

    fn agent(confirmed: u64) -> AgentRecord {
        AgentRecord {
            id: AgentId([1; 16]),
            name: "db7".parse().expect("a name"),
            state: AgentState::Active,
            groups: Vec::new(),
            generation: 5,
            confirmed,
            not_after: NOW + DAY,
            enrolled: NOW,
            enrolled_with: KeyId([1; 10]),
            last_seen: NOW,
            from: IpAddr::from([127, 0, 0, 1]),
            facts: facts(1),
            clock: ClockReport { local: NOW, skew: Skew { ahead: 0, doubt: 1 }, steps: 0 },
            clock_standing: ClockStanding::Agree,
            hooks: Vec::new(),
        }
    }

    fn credential(generation: u64) -> CredentialRecord {
        let none = CertificateDer::from(Vec::new());
        CredentialRecord {
            agent: AgentId([1; 16]),
            generation,
            key: spki(1),
            chain: [none.clone(), none],
            validity: Validity::new(NOW - DAY, NOW + DAY).expect("from < until"),
            rekey_at: NOW,
        }
    }

    #[test]
    fn whoever_holds_a_generation_that_is_not_superseded_can_go_on() {
        let superseded =
            |generation, confirmed| Renewal::Refused(Refusal::Superseded { generation, confirmed });
        // The generation confirmed, the one that proves, the one whose key is in the request.
        for (confirmed, proof, known, want) in [
            (3, 3, None, Renewal::Next { late: None }),
            (3, 5, None, Renewal::Next { late: None }),
            (3, 2, None, superseded(2, 3)),
            (3, 3, Some(3), Renewal::Again),
            (3, 3, Some(5), Renewal::Again),
            (3, 3, Some(2), superseded(2, 3)),
            (3, 5, Some(4), superseded(4, 5)),
            (0, 1, Some(1), Renewal::Again),
        ] {
            let (agent, proof, known) = (agent(confirmed), credential(proof), known.map(credential));
            let call = RenewalCall { agent: &agent, proof: &proof, known: known.as_ref(), facts: &facts(1) };
            assert_eq!(renewal(call, NOW, DAY), want, "{confirmed} {} {known:?}", proof.generation);
        }
    }

    #[test]
    fn after_the_end_only_the_same_host_and_only_for_a_while() {
        let expired = NOW + DAY;
        for (after, machine, own_key, want) in [
            (Duration::ZERO, 1, false, Renewal::Next { late: Some(expired) }),
            (DAY, 1, false, Renewal::Next { late: Some(expired) }),
            (DAY, 2, false, Renewal::Refused(Refusal::HostChanged { expired })),
            (DAY * 2, 1, false, Renewal::Refused(Refusal::GraceOver { expired })),
            (Duration::ZERO, 1, true, Renewal::Refused(Refusal::KeySpent { expired })),
        ] {
            let (agent, proof) = (agent(5), credential(5));
            let known = own_key.then_some(&proof);
            let call = RenewalCall { agent: &agent, proof: &proof, known, facts: &facts(machine) };
            assert_eq!(renewal(call, expired + after, DAY), want, "{after:?} {machine} {own_key}");
        }
    }

    #[test]
    fn who_is_cut_off_or_uses_anothers_key_gets_nothing() {
        let (proof, stranger) =
            (credential(5), CredentialRecord { agent: AgentId([2; 16]), ..credential(1) });
        let decide = |agent: &AgentRecord, known| {
            renewal(RenewalCall { agent, proof: &proof, known, facts: &facts(1) }, NOW, DAY)
        };
        assert_eq!(decide(&agent(5), Some(&stranger)), Renewal::Refused(Refusal::KeyInUse));
        for (state, why) in
            [(AgentState::Revoked, Refusal::AgentRevoked), (AgentState::Deregistered, Refusal::AgentGone)]
        {
            assert_eq!(decide(&AgentRecord { state, ..agent(5) }, None), Renewal::Refused(why));
        }
    }
}
