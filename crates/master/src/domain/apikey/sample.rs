//! What the tests of this directory begin with.

use std::time::Duration;

use gatepass_contract::id::KeyId;
use gatepass_contract::name::UserName;
use gatepass_contract::secret::Secret;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, CreateApiKey, Expiry, KeyKind, UserState};

use super::{ApiKeyRecord, Creator, ExpiryPolicy, NewApiKey, Owner, Rights};

pub(super) const NOW: UnixTime = UnixTime(1_795_379_123_000);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const SECRETS: [Secret; 2] = [Secret::new([1; 32]), Secret::new([2; 32])];

pub(super) fn user(name: &str) -> UserName {
    name.parse().expect("a name")
}

pub(super) fn request() -> CreateApiKey {
    CreateApiKey {
        kind: KeyKind::Service,
        name: "ci".parse().expect("a name"),
        description: String::new(),
        owner: None,
        groups: vec!["db".parse().expect("a group")],
        capabilities: vec![Capability::AgentEnrol],
        roles: Vec::new(),
        expires: Some(Expiry::At(NOW + HOUR)),
        networks: vec!["10.0.0.0/8".parse().expect("a network")],
        uses: Some(5),
        annotation: None,
    }
}

/// An active service key of `root`'s with the first of the secrets.
pub(super) fn record() -> ApiKeyRecord {
    let root = user("root");
    let creator = Creator { user: &root, capabilities: Capability::ALL };
    let owner = Owner { user: &root, state: UserState::Active, capabilities: Capability::ALL };
    let rights = Rights { creator, owner: Some(owner), roles: &[] };
    let key = NewApiKey::new(request(), rights, ExpiryPolicy::default(), NOW).expect("within the rules");
    key.into_record(KeyId([0; 10]), SECRETS[0].digest(), NOW)
}
