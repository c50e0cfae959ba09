//! The whole flow: key, certification request, master, verified bundle. It stores nothing; the caller publishes.

use gatepass_contract::name::DisplayName;
use gatepass_contract::secret::ApiKey;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::agent::{ClockReport, EnrolRequest, Facts, Issued, RenewRequest};

use crate::bundle::{Bundle, Meta, Parts, Unfit};
use crate::clock::MasterTime;
use crate::keys::KeyPair;
use crate::master::{Caller, Master, MasterError, Remedy};

/// How this host shows who it is: on first contact, and ever after.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// The secret it was given.
    ApiKey(&'a ApiKey),
    /// The identity it holds.
    Bundle(&'a Bundle),
}

/// What this host says about itself.
#[derive(Debug, Clone)]
pub struct Host {
    /// What it is to be called.
    pub name: DisplayName,
    /// Names, addresses, machine.
    pub facts: Facts,
    /// How its clock stands.
    pub clock: ClockReport,
}

/// Why there is no new bundle. What was held is untouched.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The master did not issue one.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// What the master issued is not good.
    #[error("the master's answer cannot be used")]
    Unfit(#[source] Unfit),
}

/// Asks for a bundle for `key`. `now` tells the master's time when the answer is there; `lot` is kept with the bundle.
pub async fn enrol(
    key: &KeyPair,
    host: Host,
    by: Credential<'_>,
    lot: u8,
    now: impl Fn() -> UnixTime,
    master: &impl Master,
) -> Result<Bundle, EnrolError> {
    let issued = ask(key, host, by, master).await?;
    if let Credential::Bundle(held) = by
        && held.agent() != issued.agent
    {
        return Err(EnrolError::Unfit(Unfit::OtherAgent("answer")));
    }
    Bundle::verify(parts(key, issued, lot), now()).map_err(EnrolError::Unfit)
}

async fn ask(
    key: &KeyPair,
    host: Host,
    by: Credential<'_>,
    master: &impl Master,
) -> Result<Issued, MasterError> {
    let Host { name, facts, clock } = host;
    let csr = key.csr();
    match by {
        Credential::ApiKey(api_key) => master.enrol(api_key, &EnrolRequest { csr, name, facts, clock }).await,
        Credential::Bundle(held) => master.renew(&caller(held), &RenewRequest { csr, facts, clock }).await,
    }
}

/// The holder of a bundle as the master knows it.
#[must_use]
pub fn caller(held: &Bundle) -> Caller {
    Caller { agent: held.agent(), generation: held.generation(), key: held.key().signing_key() }
}

fn parts(key: &KeyPair, issued: Issued, lot: u8) -> Parts {
    let Issued { agent, generation, chain, anchors, token, jwks, renew_at, rekey_at } = issued;
    let meta = Meta { agent, generation, renew_at, rekey_at, lot, jwks };
    Parts { key: key.to_pem(), chain, anchors, token, meta }
}

/// What came of leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The master has let this host go.
    Told,
    /// The master did not know it any more, or had cut it off.
    Unknown,
}

/// Ends the identity at the master.
pub async fn leave(held: &Bundle, time: &MasterTime, master: &impl Master) -> Result<Left, MasterError> {
    time.observe(master.probe().await?);
    match master.deregister(&caller(held)).await {
        Ok(()) => Ok(Left::Told),
        Err(error) if error.remedy() == Remedy::EnrolAgain => Ok(Left::Unknown),
        Err(error) => Err(error),
    }
}
