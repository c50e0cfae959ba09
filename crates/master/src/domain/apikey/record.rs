//! A key as it is stored and as it is shown.

use std::time::Duration;

use gatepass_contract::digest::Sha256;
use gatepass_contract::id::KeyId;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApiKeyView, Expiry, KeyState, LastUse, Standing};
use serde_json::{Value, json};

use super::create::NewApiKey;
use super::rotation::Rotation;
use crate::domain::refusal::Refusal;

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Its public half.
    pub id: KeyId,
    /// Digest of its secret half.
    pub secret: Sha256,
    /// Which of its secrets that is, counted from one.
    pub secret_number: u32,
    /// A second secret on its way.
    pub rotation: Option<Rotation>,
    /// What it is, as created, edited and renewed.
    pub key: NewApiKey,
    /// Off: refused but kept.
    pub enabled: bool,
    /// What people did to it.
    pub state: KeyState,
    /// When it was made.
    pub created: UnixTime,
    /// How many agents it has enrolled.
    pub used: u32,
    /// To the minute.
    pub last_used: Option<LastUse>,
    /// Counts what was done to it.
    pub version: u64,
}

/// How something that ends stands to time: the one function for the API, the command line and the console.
/// `advance`: how long before its end it counts as expiring.
#[must_use]
pub fn standing(expires: Expiry, now: UnixTime, advance: Duration) -> Standing {
    match expires {
        Expiry::At(at) if at <= now => Standing::Expired,
        Expiry::At(at) if at <= now + advance => Standing::Expiring,
        Expiry::At(_) | Expiry::Never => Standing::Valid,
    }
}

impl ApiKeyRecord {
    /// How it stands to time.
    #[must_use]
    pub fn standing(&self, now: UnixTime, advance: Duration) -> Standing {
        standing(self.key.expires, now, advance)
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_expired(&self, now: UnixTime) -> bool {
        self.standing(now, Duration::ZERO) == Standing::Expired
    }

    /// Whether it may enrol one more agent. Asked after it is known that the public key is a new one: who fetches a lost
    /// answer again needs no use.
    pub fn has_use_left(&self) -> Result<(), Refusal> {
        match self.key.uses {
            Some(uses) if self.used >= uses => Err(Refusal::UsedUp),
            Some(_) | None => Ok(()),
        }
    }

    /// As it may be listed.
    #[must_use]
    pub fn view(&self, now: UnixTime, advance: Duration) -> ApiKeyView {
        let key = self.key.clone();
        ApiKeyView {
            id: self.id,
            kind: key.kind,
            name: key.name,
            description: key.description,
            owner: key.owner,
            creator: key.creator,
            groups: key.groups,
            capabilities: key.capabilities,
            roles: key.roles,
            state: self.state,
            standing: self.standing(now, advance),
            enabled: self.enabled,
            created: self.created,
            expires: key.expires,
            networks: key.networks,
            uses: key.uses,
            used: self.used,
            last_used: self.last_used,
            rotation: self.rotation.as_ref().map(Rotation::view),
            pending: None,
            version: self.version,
        }
    }

    /// What the audit holds of it: all that people decide, nothing secret.
    #[must_use]
    pub fn facts(&self) -> Value {
        let key = &self.key;
        json!({
            "name": key.name,
            "description": key.description,
            "kind": key.kind,
            "owner": key.owner,
            "groups": key.groups,
            "capabilities": key.capabilities,
            "roles": key.roles,
            "expires": key.expires,
            "networks": key.networks,
            "uses": key.uses,
            "enabled": self.enabled,
            "state": self.state,
            "secretNumber": self.secret_number,
            "rotation": self.rotation.as_ref().map(Rotation::view),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::apikey::sample::{HOUR, NOW};

    #[test]
    fn standing_changes_at_the_very_instant() {
        for (left, want) in [
            (-1, Standing::Expired),
            (0, Standing::Expired),
            (1, Standing::Expiring),
            (3_600_000, Standing::Expiring),
            (3_600_001, Standing::Valid),
        ] {
            assert_eq!(standing(Expiry::At(UnixTime(NOW.0 + left)), NOW, HOUR), want, "{left} ms");
        }
        assert_eq!(standing(Expiry::Never, UnixTime(i64::MAX), HOUR), Standing::Valid);
    }
}
