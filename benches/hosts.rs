//! What hosts send: keys, certification requests and proofs, made before anything is measured.

use anyhow::Result;
use gatepass_contract::digest::Sha256;
use gatepass_contract::jws::SigningKey;
use gatepass_contract::pki::{KeyKind, PublicKey};
use gatepass_contract::proof::{Proof, Request};
use gatepass_contract::time::Skew;
use gatepass_contract::wire::agent::{ClockReport, EnrolRequest, Facts, Issued, RenewRequest};
use gatepass_contract::wire::path;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData as _};

use crate::client;
use crate::clock;

/// A host with its key.
pub(crate) struct Host {
    number: usize,
    pub(crate) pair: KeyPair,
    pub(crate) csr: String,
}

impl Host {
    pub(crate) fn new(number: usize) -> Result<Self> {
        let pair = KeyPair::generate()?;
        let mut nameless = CertificateParams::default();
        nameless.distinguished_name = DistinguishedName::new();
        let csr = nameless.serialize_request(&pair)?.pem()?;
        Ok(Self { number, pair, csr })
    }

    pub(crate) fn several(count: usize) -> Result<Vec<Self>> {
        (0..count).map(Self::new).collect()
    }

    /// The request that enrols it.
    pub(crate) fn enrolment(&self, api_key: &str) -> Result<Vec<u8>> {
        let body = EnrolRequest {
            csr: self.csr.clone(),
            name: format!("bench-{:06}", self.number).try_into()?,
            facts: self.facts()?,
            clock: clock_report(),
        };
        Ok(client::request("POST", path::AGENTS, Some(api_key), &serde_json::to_vec(&body)?))
    }

    /// The request that brings a certificate for the key of `next`, proven with the one it was `issued` for.
    pub(crate) fn renewal(&self, issued: &Issued, next: &Self) -> Result<Vec<u8>> {
        let body = RenewRequest { csr: next.csr.clone(), facts: self.facts()?, clock: clock_report() };
        let body = serde_json::to_vec(&body)?;
        let request = Request { method: "POST", path: path::CREDENTIALS, body: &body };
        let jti = format!("{:032x}", self.number);
        let proof = Proof::new(issued.agent, issued.generation, request, jti, clock::now())
            .sign(&self.signing_key()?)?;
        Ok(client::request("POST", path::CREDENTIALS, Some(&proof), &body))
    }

    fn signing_key(&self) -> Result<SigningKey> {
        let thumbprint = PublicKey::from_spki(&self.pair.subject_public_key_info())?.thumbprint();
        Ok(SigningKey::from_pem(&self.pair.serialize_pem(), KeyKind::EcdsaP256, thumbprint)?)
    }

    /// As much as a real host says about itself.
    fn facts(&self) -> Result<Facts> {
        let name = format!("bench-{:06}", self.number);
        Ok(Facts {
            host_names: vec![name.clone().try_into()?, format!("{name}.example.com").try_into()?],
            addresses: vec!["192.0.2.7".parse()?, "2001:db8::7".parse()?],
            machine: Some(Sha256::of(name.as_bytes())),
            version: "0.1.0".to_owned(),
        })
    }
}

fn clock_report() -> ClockReport {
    ClockReport { local: clock::now(), skew: Skew { ahead: 0, doubt: 1 }, steps: 0 }
}
