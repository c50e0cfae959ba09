//! What is asked before there is an identity: a key for a password, how a key stands, which anchors are offered.

use gatepass_contract::digest::Sha256;
use gatepass_contract::name::{DisplayName, UserName};
use gatepass_contract::pki;
use gatepass_contract::secret::{ApiKey, Password};
use gatepass_contract::wire::agent::{EnrolmentKey, EnrolmentKeyRequest, OwnKey};
use gatepass_contract::wire::path;
use hyper::Method;

use super::{Ask, Client, bearer, json};
use crate::master::MasterError;
use crate::master::fault::Fault;
use crate::master::reply::{No, parse};

impl Client {
    /// Trades a password for a key that enrols this one host, within minutes.
    pub async fn enrolment_key(
        &self,
        user: UserName,
        password: Password,
        name: DisplayName,
    ) -> Result<ApiKey, MasterError> {
        let body = json(&EnrolmentKeyRequest { user, password, name });
        let ask = Ask { method: Method::POST, path: path::ENROLMENT_KEY, body, credential: None };
        self.call(ask, key_of).await
    }

    /// How a key stands at the master, and whether it would let this host in. Costs no use.
    pub async fn own_key(&self, key: &ApiKey) -> Result<OwnKey, MasterError> {
        let credential = Some(bearer(&key.reveal()));
        self.call(Ask { method: Method::GET, path: path::OWN_API_KEY, body: Vec::new(), credential }, parse)
            .await
    }

    /// The fingerprints of the trust anchors that the first master to answer offers, whoever it is: something for a
    /// person to compare, never to be believed.
    pub async fn offered(&self) -> Result<Vec<Sha256>, MasterError> {
        let mut round = self.round();
        while let Some(master) = round.next() {
            let offered = self.offered_anchors(master).await.and_then(|anchors| {
                let digests = anchors.certificates().iter().map(pki::spki_digest).collect::<Result<_, _>>();
                digests.map_err(|error| No::from(Fault::Garbage(error.to_string())))
            });
            if let Some(offered) = round.judge(master, offered)? {
                return Ok(offered);
            }
        }
        Err(round.none_answered())
    }
}

/// Never quotes what is no key.
fn key_of(body: &[u8]) -> Result<ApiKey, Fault> {
    let given: EnrolmentKey = parse(body)?;
    ApiKey::parse(given.secret.reveal()).map_err(|error| Fault::Garbage(error.to_string()))
}
