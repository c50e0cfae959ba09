//! Keys, requests and chains made by another library, good ones and one for each way to be wrong.

use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::{Anchors, Chain, Csr, KeyKind, PkiError, PublicKey, spki_digest};
use gatepass_contract::time::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PublicKeyData, SanType, SignatureAlgorithm, string::Ia5String,
};

const AGENT: &str = "0123456789ABCDEF0123456789ABCDEF";

fn csr(key: &KeyPair) -> String {
    CertificateParams::default().serialize_request(key).and_then(|csr| csr.pem()).expect("a request")
}

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).expect("a key")
}

#[test]
fn allowed_keys_are_taken_and_others_refused_before_their_signature_is_looked_at() {
    for (algorithm, want) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Ok(KeyKind::EcdsaP256)),
        (&rcgen::PKCS_ED25519, Ok(KeyKind::Ed25519)),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Err(PkiError::KeyNotAllowed)),
        (&rcgen::PKCS_RSA_SHA256, Err(PkiError::KeyNotAllowed)), // 2048 bits
    ] {
        assert_eq!(Csr::from_pem(&csr(&key(algorithm))).map(|csr| csr.into_key().kind()), want);
    }
}

#[test]
fn a_request_is_refused_for_every_byte_that_was_changed() {
    let text = csr(&key(&rcgen::PKCS_ECDSA_P256_SHA256));
    let good = pem::parse(&text).expect("PEM");
    for at in 0..good.contents().len() {
        let mut der = good.contents().to_vec();
        der[at] ^= 0x01;
        let changed = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
        // Which algorithm signed, and how long the signature is, stand outside of what is signed (RFC 2986, section
        // 4.2): at worst they change nothing.
        let harmless = Csr::from_pem(&text).expect("good");
        match Csr::from_pem(&changed) {
            Ok(read) => assert!(read == harmless && (137..152).contains(&at), "byte {at}"),
            Err(PkiError::Malformed(_) | PkiError::KeyNotAllowed | PkiError::Signature) => {}
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    let mut longer = good.contents().to_vec();
    longer.push(0);
    let longer = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", longer));
    assert_eq!(Csr::from_pem(&longer), Err(PkiError::Malformed("the certification request")));
    let padded = format!("{text}{}", "\n".repeat(9000));
    assert_eq!(Csr::from_pem(&padded), Err(PkiError::TooLarge("the certification request")));
}

/// The example of RFC 7638, section 3.1, is an RSA key of 2048 bits, too short for us: the thumbprints of the kinds
/// we take were made with an independent implementation from these fixed keys.
#[test]
fn thumbprints_are_those_of_rfc_7638() {
    // RFC 8037, appendix A.3.
    let ed25519 = data_encoding::HEXLOWER
        .decode(b"302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        .expect("hex");
    let key = PublicKey::from_spki(&ed25519).expect("a key");
    assert_eq!(key.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

struct Pki {
    root: CertifiedIssuer<'static, KeyPair>,
    leaf: rcgen::Certificate,
    key: KeyPair,
}

fn pki() -> Pki {
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.not_before = rcgen::date_time_ymd(2026, 1, 1);
    ca.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let root = CertifiedIssuer::self_signed(ca, key(&rcgen::PKCS_ECDSA_P256_SHA256)).expect("a root");
    let key = key(&rcgen::PKCS_ECDSA_P256_SHA256);
    let mut leaf = CertificateParams::new(Vec::new()).expect("parameters");
    leaf.not_before = rcgen::date_time_ymd(2026, 11, 1);
    leaf.not_after = rcgen::date_time_ymd(2026, 12, 1);
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let uri = format!("spiffe://example/agent/{AGENT}");
    leaf.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri.as_str()).expect("ASCII"))];
    let leaf = leaf.signed_by(&key, &root).expect("a leaf");
    Pki { root, leaf, key }
}

#[test]
fn a_chain_verifies_against_its_anchor_inside_its_time_and_nowhere_else() {
    let Pki { root, leaf, key } = pki();
    let chain = Chain::from_pem(&leaf.pem()).expect("a chain");
    let anchors = Anchors::from_pem(&root.pem()).expect("anchors");
    assert_eq!(chain.key().spki(), key.subject_public_key_info());
    assert_eq!(chain.agent(), Some(AGENT.parse().expect("an id")));
    let validity = chain.validity();
    assert_eq!(validity.from().to_string(), "2026-11-01T00:00:00.000Z");
    // The last good second is the one the certificate names (RFC 5280, section 4.1.2.5).
    assert_eq!(validity.until().to_string(), "2026-12-01T00:00:01.000Z");
    let second = std::time::Duration::from_secs(1);
    for (at, want) in [
        (validity.from(), true),
        (validity.from() - second, false),
        (validity.until() - second, true),
        (validity.until(), false),
        (UnixTime(0), false),
    ] {
        assert_eq!(chain.verify(&anchors, at).is_ok(), want, "at {at}");
    }
    let other = Anchors::from_pem(&pki().root.pem()).expect("anchors");
    assert!(matches!(chain.verify(&other, validity.from()), Err(PkiError::Chain(_))));
}

#[test]
fn anchors_are_pinned_by_key_or_by_certificate() {
    let (one, other) = (pki().root, pki().root);
    let both = Anchors::from_pem(&format!("{}{}", one.pem(), other.pem())).expect("anchors");
    for pin in [spki_digest(one.der()).expect("a digest"), Sha256::of(one.der())] {
        let pinned = both.pinned(pin).expect("found");
        assert_eq!(pinned.certificates(), [one.der().clone()]);
    }
    assert_eq!(both.pinned(Sha256::of(b"another")), None);
    let turned = Anchors::from_pem(&format!("{}{}", other.pem(), one.pem())).expect("anchors");
    assert_eq!(both.digest(), turned.digest(), "whatever their order");
    assert!(Anchors::from_pem("").is_err());
}
