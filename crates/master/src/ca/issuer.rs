//! The issuing CA at work.

use std::net::IpAddr;

use gatepass_contract::name::{HostName, MASTER_BEHIND_GATEWAY};
use gatepass_contract::pki::{self, PublicKey, Thumbprint};
use gatepass_contract::time::Validity;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
    SubjectPublicKeyInfo,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{CaError, certificate, fresh, opened, text};
use crate::domain::agent::NewCertificate;
use crate::domain::profile::Names;
use crate::domain::signing::SigningKeyRecord;
use crate::sealed::KeyEncryptionKey;

/// Signs certificates; parsed once, used for every one.
pub struct Issuer {
    id: Thumbprint,
    certificate: CertificateDer<'static>,
    validity: Validity,
    signer: rcgen::Issuer<'static, KeyPair>,
}

/// The master's own certificate with its key, made for this process and never stored.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The leaf and the issuing certificate.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When it is good.
    pub validity: Validity,
}

impl Issuer {
    /// From the stored issuing key.
    pub fn open(record: &SigningKeyRecord, kek: &KeyEncryptionKey) -> Result<Self, CaError> {
        let certificate = certificate(record);
        let key = KeyPair::from_pem(text(&opened(record, kek)?)?)?;
        Ok(Self {
            id: record.id,
            validity: pki::validity(&certificate)?,
            signer: rcgen::Issuer::from_ca_cert_der(&certificate, key)?,
            certificate,
        })
    }

    /// When its own certificate is good: nothing it signs lasts longer.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// Its certificate, which goes with every leaf.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// An agent's certificate, with these names, for this key.
    pub fn agent_certificate(
        &self,
        names: &Names,
        key: &PublicKey,
        validity: Validity,
    ) -> Result<NewCertificate, CaError> {
        let mut params = leaf(validity);
        params.distinguished_name.push(DnType::CommonName, names.common_name.as_str());
        params.subject_alt_names = sans(&names.host_names, &names.addresses)?;
        params.subject_alt_names.push(SanType::URI(names.spiffe.as_str().try_into()?));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        let signed = params.signed_by(&SubjectPublicKeyInfo::from_der(key.spki())?, &self.signer)?;
        Ok(NewCertificate {
            key: key.clone(),
            chain: [signed.into(), self.certificate.clone()],
            issuer: self.id,
            validity,
        })
    }

    /// A certificate for the master itself, with a key of its own: for these names and the reserved one.
    pub fn server_certificate(
        &self,
        host_names: &[HostName],
        addresses: &[IpAddr],
        validity: Validity,
    ) -> Result<ServerCertificate, CaError> {
        let mut params = leaf(validity);
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        params.subject_alt_names = sans(host_names, addresses)?;
        if !host_names.iter().any(|name| name.as_str() == MASTER_BEHIND_GATEWAY) {
            params.subject_alt_names.push(SanType::DnsName(MASTER_BEHIND_GATEWAY.try_into()?));
        }
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.signer)?;
        Ok(ServerCertificate {
            chain: vec![signed.into(), self.certificate.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            validity,
        })
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({})", self.id)
    }
}

fn leaf(validity: Validity) -> CertificateParams {
    let mut params = fresh(validity);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn sans(host_names: &[HostName], addresses: &[IpAddr]) -> Result<Vec<SanType>, CaError> {
    let mut sans = Vec::with_capacity(host_names.len() + addresses.len() + 1);
    for name in host_names {
        sans.push(SanType::DnsName(name.as_str().try_into()?));
    }
    sans.extend(addresses.iter().map(|&address| SanType::IpAddress(address)));
    Ok(sans)
}

const SERVER_NAME: &str = "Gatepass master";
