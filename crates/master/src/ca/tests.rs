//! What is issued is verified by other libraries than the one that made it.

use std::net::IpAddr;

use gatepass_contract::jws;
use gatepass_contract::name::MASTER_BEHIND_GATEWAY;
use gatepass_contract::pki::{Anchors, Chain};
use gatepass_contract::token::{Claims, Confirmation, TYP};
use gatepass_contract::wire::agent::Facts;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::*;
use crate::domain::profile::Profile;

const NOW: UnixTime = UnixTime(1_795_379_123_000);

struct Authority {
    kek: KeyEncryptionKey,
    created: Created,
    issuer: Issuer,
    anchors: Anchors,
}

fn authority(token_kind: KeyKind) -> Authority {
    let kek = KeyEncryptionKey::generate();
    let created = create(&"example.com".parse().expect("a domain"), token_kind, &kek, NOW).expect("a CA");
    let issuer = Issuer::open(&created.keys[0], &kek).expect("the issuing CA");
    let anchors = Anchors::new(vec![created.anchor.certificate.clone()]).expect("one root");
    Authority { kek, created, issuer, anchors }
}

fn profile() -> Profile {
    Profile {
        host_names: vec!["*".to_owned()],
        networks: vec!["0.0.0.0/0".parse().expect("a network")],
        ..Profile::new("example.com".parse().expect("a domain"), "https://m".to_owned())
    }
}

#[test]
fn certificates_for_every_kind_of_key_lead_to_the_root() {
    let authority = authority(KeyKind::EcdsaP256);
    let facts = Facts {
        host_names: vec!["db7.example.com".parse().expect("a host name")],
        addresses: vec![IpAddr::from([192, 0, 2, 7])],
        machine: None,
        version: String::new(),
    };
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519, &rcgen::PKCS_RSA_SHA256] {
        let key = match KeyPair::generate_for(algorithm) {
            // The library's own default is RSA-2048, which is not accepted.
            Ok(_) if algorithm == &rcgen::PKCS_RSA_SHA256 => {
                KeyPair::generate_rsa_for(algorithm, rcgen::RsaKeySize::_3072).expect("a key")
            }
            key => key.expect("a key"),
        };
        let (key, agent) = (public_half(&key).expect("an allowed key"), random::agent_id());
        let names = profile().names(agent, &"db7".parse().expect("a name"), &facts);
        let validity = profile().validity(NOW, authority.issuer.validity()).expect("the CA is good");
        let first = authority.issuer.agent_certificate(&names, &key, validity).expect("signed");
        let again = authority.issuer.agent_certificate(&names, &key, validity).expect("signed");
        let chain = Chain::from_der(first.chain.to_vec()).expect("parses");
        assert_eq!((chain.key(), chain.validity(), chain.agent()), (&key, validity, Some(agent)));
        assert_ne!(chain.serial(), Chain::from_der(again.chain.to_vec()).expect("parses").serial());
        chain.verify(&authority.anchors, NOW).expect("verifies");
        chain.verify(&authority.anchors, validity.from() - ONE_SECOND).expect_err("not yet");
        chain.verify(&authority.anchors, validity.until()).expect_err("no longer");
    }
}

#[test]
fn an_issuing_ca_issues_leaves_only_and_the_root_issues_nothing_else() {
    let authority = authority(KeyKind::EcdsaP256);
    for (der, path, years) in
        [(&authority.created.anchor.certificate, None, 10), (authority.issuer.certificate(), Some(0), 2)]
    {
        let (_, cert) = X509Certificate::from_der(der).expect("parses");
        let constraints = cert.basic_constraints().expect("parses").expect("there");
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, path);
        let usage = cert.key_usage().expect("parses").expect("there").value;
        assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
        assert_eq!(
            gatepass_contract::pki::validity(der).expect("parses").lifetime(),
            YEAR * years + CA_BACKDATE
        );
    }
}

#[test]
fn a_leaf_says_what_the_profile_says_and_no_more() {
    let authority = authority(KeyKind::EcdsaP256);
    let key = public_half(&KeyPair::generate().expect("a key")).expect("allowed");
    let facts =
        Facts { host_names: Vec::new(), addresses: Vec::new(), machine: None, version: String::new() };
    let names = profile().names(random::agent_id(), &"Köln 3".parse().expect("a name"), &facts);
    let validity = profile().validity(NOW, authority.issuer.validity()).expect("the CA is good");
    let issued = authority.issuer.agent_certificate(&names, &key, validity).expect("signed");
    let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).expect("parses");
    assert_eq!(leaf.subject().to_string(), "CN=Köln 3");
    assert_eq!(leaf.issuer().to_string(), "O=example.com, CN=Gatepass Issuing CA");
    assert!(!leaf.is_ca());
    assert_eq!(leaf.raw_serial().len(), 16);
    let usage = leaf.extended_key_usage().expect("parses").expect("there").value;
    assert!(usage.client_auth && usage.server_auth && usage.other.is_empty() && !usage.any);
    let authority_key = leaf
        .extensions()
        .iter()
        .any(|extension| matches!(extension.parsed_extension(), ParsedExtension::AuthorityKeyIdentifier(_)));
    assert!(authority_key);
    assert_eq!(leaf.subject_alternative_name().expect("parses").expect("there").value.general_names.len(), 1);
}

#[test]
fn the_masters_own_certificate_is_for_its_names() {
    let authority = authority(KeyKind::EcdsaP256);
    let names = ["localhost".parse().expect("a host name")];
    let validity = profile().validity(NOW, authority.issuer.validity()).expect("the CA is good");
    let server = authority
        .issuer
        .server_certificate(&names, &[IpAddr::from([127, 0, 0, 1])], validity)
        .expect("signed");
    let (_, leaf) = X509Certificate::from_der(&server.chain[0]).expect("parses");
    assert_eq!(
        leaf.subject_alternative_name().expect("parses").expect("there").value.general_names,
        [
            GeneralName::DNSName("localhost"),
            GeneralName::IPAddress(&[127, 0, 0, 1]),
            GeneralName::DNSName(MASTER_BEHIND_GATEWAY)
        ]
    );
    assert_eq!(server.chain.len(), 2);
    assert_eq!(server.validity, validity);
}

#[test]
fn tokens_of_every_kind_verify_with_the_published_keys() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Ed25519, KeyKind::Rsa3072] {
        let authority = authority(kind);
        let signer = token_key(&authority.created.keys[1], &authority.kek).expect("opens");
        let jkt = authority.created.anchor.id;
        let claims = Claims {
            iss: "https://m".to_owned(),
            sub: random::agent_id(),
            aud: vec!["gatepass".to_owned()],
            iat: 1,
            nbf: 0,
            exp: 2,
            jti: random::token_id(),
            upn: "db7".to_owned(),
            groups: Vec::new(),
            cnf: Confirmation { jkt },
        };
        let token = signer.sign(TYP, &claims).expect("signed");
        let published = jwks(&authority.created.keys).expect("public keys");
        assert_eq!(published.keys.len(), 1, "the CA's key is not among them");
        assert_eq!(Claims::open(&token, &published).expect("verifies"), claims);
        let other = self::authority(kind);
        let others = jwks(&other.created.keys).expect("public keys");
        assert_eq!(Claims::open(&token, &others), Err(jws::JwsError::Signature));
    }
}

#[test]
fn a_sealed_key_opens_with_its_own_key_and_for_its_own_purpose() {
    let authority = authority(KeyKind::EcdsaP256);
    let other = KeyEncryptionKey::generate();
    assert!(matches!(Issuer::open(&authority.created.keys[0], &other), Err(CaError::Sealed(_))));
    let misused = SigningKeyRecord { purpose: KeyPurpose::Token, ..authority.created.keys[0].clone() };
    assert!(matches!(token_key(&misused, &authority.kek), Err(CaError::Sealed(_))));
    let root =
        authority.kek.open(KeyPurpose::RootCa, authority.created.anchor.id, &authority.created.root_key);
    assert!(root.expect("opens").starts_with(b"-----BEGIN PRIVATE KEY-----"));
}
