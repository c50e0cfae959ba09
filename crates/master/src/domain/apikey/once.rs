//! A key for one enrolment, made for somebody who has shown a password instead of an API key.

use std::time::Duration;

use gatepass_contract::id::KeyId;
use gatepass_contract::name::DisplayName;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApprovalKind, Capability, Expiry, KeyKind};

use super::change::{KeyRules, Objection};
use super::create::{NewApiKey, Owner, Unacceptable};

/// Enough for a slow host to set itself up; a stolen one is of no use for long.
const LIFE: Duration = Duration::from_mins(10);
/// All it may do.
const MAY: [Capability; 1] = [Capability::AgentEnrol];

impl NewApiKey {
    /// Acts as `owner`, who has shown their password, and enrols `host` once. It takes no right to make keys: all that
    /// the key may is what its owner may do at this moment. Where keys wait for somebody's consent, a password does not
    /// get around it.
    pub fn for_one_host(
        host: &DisplayName,
        id: KeyId,
        owner: Owner<'_>,
        (rules, now): (&KeyRules, UnixTime),
    ) -> Result<Self, Objection> {
        if !owner.capabilities.contains(&Capability::AgentEnrol) {
            return Err(Objection::Lacks(Capability::AgentEnrol));
        }
        if rules.approval.wants(ApprovalKind::Creation, KeyKind::Personal, &MAY) {
            return Err(Unacceptable::Consent.into());
        }
        Ok(Self {
            kind: KeyKind::Personal,
            name: format!("enrolment {id}").parse().expect("letters, digits and a space, few enough"),
            description: format!("for {host}, asked for with a password"),
            owner: owner.user.clone(),
            creator: owner.user.clone(),
            groups: Vec::new(),
            capabilities: MAY.to_vec(),
            roles: Vec::new(),
            expires: rules.expiry.end(Some(Expiry::At(now + LIFE)), now)?,
            networks: Vec::new(),
            uses: Some(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use gatepass_contract::wire::admin::UserState;

    use super::*;
    use crate::domain::apikey::ExpiryPolicy;
    use crate::domain::apikey::sample::{NOW, user};
    use crate::domain::approval::ApprovalPolicy;

    fn rules(creation: &[&str]) -> KeyRules {
        let creation = creation.iter().map(|trigger| trigger.parse().expect("a trigger")).collect();
        let approval = ApprovalPolicy { creation, ..ApprovalPolicy::default() };
        KeyRules { approval, expiry: ExpiryPolicy::default(), overlap: LIFE }
    }

    fn made(capabilities: &[Capability], rules: &KeyRules) -> Result<NewApiKey, Objection> {
        let ann = user("ann");
        let owner = Owner { user: &ann, state: UserState::Active, capabilities };
        let host = "db7".parse().expect("a name");
        NewApiKey::for_one_host(&host, KeyId([1; 10]), owner, (rules, NOW))
    }

    #[test]
    fn it_enrols_once_soon_and_does_nothing_else() {
        let key = made(Capability::ALL, &rules(&["service", "key.manage"])).expect("allowed");
        assert_eq!((key.uses, key.capabilities.as_slice()), (Some(1), &MAY[..]));
        assert_eq!(key.expires, Expiry::At(NOW + LIFE));
        assert_eq!((key.owner.as_str(), key.kind), ("ann", KeyKind::Personal));
        assert!(key.description.contains("db7"));
    }

    #[test]
    fn a_password_gets_around_no_rule() {
        let without: Vec<_> = Capability::ALL.iter().copied().filter(|one| *one != MAY[0]).collect();
        assert_eq!(made(&without, &rules(&[])), Err(Objection::Lacks(Capability::AgentEnrol)));
        for trigger in ["personal", "agent.enrol"] {
            assert_eq!(
                made(Capability::ALL, &rules(&[trigger])),
                Err(Objection::Rule(Unacceptable::Consent)),
                "{trigger}"
            );
        }
    }
}
