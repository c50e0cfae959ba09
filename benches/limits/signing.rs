//! Signatures made and checked, with what has to be encoded or parsed around them.

use anyhow::Result;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

use super::each;
use super::tls::authority;
use crate::clock::cpu_of;
use crate::hosts::Host;

const TIMES: u32 = 500;

pub(super) struct Signing {
    host: Host,
    issuer: Issuer<'static, KeyPair>,
    token_key: EcdsaKeyPair,
    random: SystemRandom,
    proof: String,
}

impl Signing {
    pub(super) fn prepare() -> Result<Self> {
        let issuer =
            Issuer::new(authority("issuing", BasicConstraints::Constrained(0)), KeyPair::generate()?);
        let token_key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let mut signing = Self {
            host: Host::new(0)?,
            issuer,
            token_key,
            random: SystemRandom::new(),
            proof: String::new(),
        };
        signing.proof = signing.sign()?;
        Ok(signing)
    }

    pub(super) fn csr(&self) -> Result<f64> {
        repeat(|| {
            let der = CertificateSigningRequestDer::from_pem_slice(self.host.csr.as_bytes())?;
            let (_, csr) = X509CertificationRequest::from_der(&der)?;
            Ok(csr.verify_signature()?)
        })
    }

    /// With the names and extensions an agent's certificate has.
    pub(super) fn certificate(&self) -> Result<f64> {
        repeat(|| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "bench-000000");
            params.serial_number = Some(SerialNumber::from_slice(&[0x42; 16]));
            params.subject_alt_names = vec![SanType::URI(SPIFFE.try_into()?)];
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            params.use_authority_key_identifier_extension = true;
            Ok(params.signed_by(&self.host.pair, &self.issuer).map(drop)?)
        })
    }

    /// The key parsed beforehand.
    pub(super) fn token(&self) -> Result<f64> {
        repeat(|| self.sign().map(drop))
    }

    fn sign(&self) -> Result<String> {
        let mut token = BASE64URL_NOPAD.encode(HEADER);
        token.push('.');
        BASE64URL_NOPAD.encode_append(CLAIMS, &mut token);
        let signature = self.token_key.sign(&self.random, token.as_bytes())?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
        Ok(token)
    }

    pub(super) fn proof(&self) -> Result<f64> {
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.token_key.public_key().as_ref());
        repeat(|| {
            let (signed, signature) = self.proof.rsplit_once('.').expect("a token has dots");
            let (_, claims) = signed.split_once('.').expect("a token has dots");
            BASE64URL_NOPAD.decode(claims.as_bytes())?;
            Ok(public.verify(signed.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes())?)?)
        })
    }
}

fn repeat(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let ((), all) = cpu_of(|| (0..TIMES).try_for_each(|_| work()))?;
    Ok(each(all, TIMES))
}

const SPIFFE: &str = "spiffe://gatepass/agent/0123456789ABCDEF0123456789ABCDEF";
const HEADER: &[u8] = br#"{"typ":"JWT","alg":"ES256","kid":"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}"#;
const CLAIMS: &[u8] = br#"{"iss":"https://localhost","sub":"0123456789ABCDEF0123456789ABCDEF","aud":["gatepass"],
    "iat":1795379123,"nbf":1795379122,"exp":1795382723,"jti":"GEZDGNBVGY3TQOJQGEZDGNBVGY","upn":"bench-000000",
    "groups":["bench"],"cnf":{"jkt":"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}}"#;
