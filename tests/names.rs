//! What stands in a certificate is decided by the master's profile: a certification request is a public key, and what a
//! host says about itself is a claim.

use gatepass_contract::pki::Chain;
use gatepass_contract::wire::agent::{EnrolRequest, Issued};
use gatepass_contract::wire::path;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::support::{Caller, Master, MasterOptions, application, key_pair};

/// A request for everything that nobody should get.
fn greedy() -> String {
    let mut wish = CertificateParams::new(["evil.example.com".to_owned()]).expect("a host name");
    wish.distinguished_name.push(DnType::CommonName, "administrator");
    wish.distinguished_name.push(DnType::OrganizationName, "Somebody Else");
    wish.subject_alt_names.push(SanType::IpAddress("10.0.0.1".parse().expect("an address")));
    wish.subject_alt_names.push(SanType::URI(
        "spiffe://gatepass/agent/00000000000000000000000000000000".try_into().expect("ASCII"),
    ));
    wish.subject_alt_names.push(SanType::Rfc822Name("root@example.com".try_into().expect("ASCII")));
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    wish.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::CodeSigning, ExtendedKeyUsagePurpose::OcspSigning];
    wish.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 311, 20, 2], vec![4, 0])];
    let pair = rcgen::KeyPair::generate().expect("a key");
    wish.serialize_request(&pair).and_then(|csr| csr.pem()).expect("a request")
}

/// What a certificate says, as far as somebody might have wished for it.
#[derive(Debug, PartialEq, Eq)]
struct Granted {
    subject: String,
    names: Vec<String>,
    ca: bool,
    extensions: Vec<String>,
}

fn granted(issued: &Issued) -> Granted {
    let chain = Chain::from_pem(&issued.chain).expect("a chain");
    let (_, leaf) = X509Certificate::from_der(&chain.certificates()[0]).expect("a certificate");
    let names = &leaf.subject_alternative_name().expect("readable").expect("one").value.general_names;
    let usage = leaf.extended_key_usage().expect("readable").expect("one").value;
    assert!(
        usage.client_auth && usage.server_auth && !usage.any && !usage.code_signing && !usage.ocsp_signing
    );
    assert!(usage.other.is_empty(), "{usage:?}");
    let usage = leaf.key_usage().expect("readable").expect("one").value;
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    Granted {
        subject: leaf.subject().to_string(),
        names: names.iter().map(name).collect(),
        ca: leaf.is_ca(),
        extensions: leaf.extensions().iter().map(|extension| extension.oid.to_id_string()).collect(),
    }
}

fn name(name: &GeneralName<'_>) -> String {
    if let GeneralName::IPAddress(bytes) = name {
        let four = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
        let six = <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from);
        four.or(six).expect("an address").to_string()
    } else if let GeneralName::DNSName(text) | GeneralName::URI(text) = name {
        (*text).to_owned()
    } else {
        panic!("nobody asked for {name:?}")
    }
}

/// A host that claims a name in each of these, and sends the greedy request.
fn claiming() -> EnrolRequest {
    let mut request = application(&greedy());
    request.facts.host_names = ["db7.hosts.example.com", "www.example.com", "db7"]
        .map(|name| name.parse().expect("a host name"))
        .into();
    request.facts.addresses =
        ["10.1.2.3", "192.0.2.1", "fd00::7", "127.0.0.1"].map(|a| a.parse().expect("an address")).into();
    request
}

fn enrolled(master: &Master) -> (Issued, Granted) {
    let key = std::fs::read_to_string(master.api_key("hosts", &[])).expect("a key");
    let issued = Caller::of(master).post(path::AGENTS, key.trim(), &claiming()).issued();
    let found = granted(&issued);
    (issued, found)
}

#[test]
fn a_request_that_wishes_for_more_gets_what_everybody_gets() {
    let master = Master::start();
    let (greedy, found) = enrolled(&master);
    let spiffe = format!("spiffe://gatepass/agent/{}", greedy.agent);
    assert_eq!(found.subject, "CN=applicant");
    assert_eq!(found.names, [spiffe], "by default no claimed name is granted");
    assert!(!found.ca);
    let key = std::fs::read_to_string(master.api_key("others", &[])).expect("a key");
    let modest = Caller::of(&master).enrol(key.trim(), &key_pair().csr()).issued();
    assert_eq!(found.extensions, granted(&modest).extensions);
}

#[test]
fn of_what_a_host_claims_only_what_the_profile_allows_is_granted() {
    let config =
        "[profile]\nhost_names = ['*.hosts.example.com', 'db7']\nnetworks = ['10.0.0.0/8', 'fd00::/8']\n";
    let master = Master::with(MasterOptions { config, ..MasterOptions::default() });
    let (issued, found) = enrolled(&master);
    let mut want =
        vec![format!("spiffe://gatepass/agent/{}", issued.agent), "db7.hosts.example.com".to_owned()];
    want.extend(["db7", "10.1.2.3", "fd00::7"].map(str::to_owned));
    let mut names = found.names;
    names.sort_unstable();
    want.sort_unstable();
    assert_eq!(names, want);
}

#[test]
fn keys_and_requests_that_are_not_good_enough_are_refused() {
    let master = Master::start();
    let key = std::fs::read_to_string(master.api_key("hosts", &[])).expect("a key");
    let caller = Caller::of(&master);
    let small =
        rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let curve = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let request = |pair: &rcgen::KeyPair| {
        CertificateParams::default().serialize_request(pair).and_then(|csr| csr.pem()).expect("a request")
    };
    let good = request(&rcgen::KeyPair::generate().expect("a key"));
    // One bit of the signature, which is the last thing in it.
    let pair = rcgen::KeyPair::generate().expect("a key");
    let mut der = CertificateParams::default().serialize_request(&pair).expect("a request").der().to_vec();
    *der.last_mut().expect("a byte") ^= 1;
    let text = data_encoding::BASE64.encode(&der);
    let forged = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n");
    for (what, csr) in [
        ("RSA-2048", request(&small)),
        ("P-384", request(&curve)),
        ("forged", forged),
        ("no request", "hello".to_owned()),
    ] {
        assert_eq!(caller.enrol(key.trim(), &csr).code(), "csr-refused", "{what}");
    }
    caller.enrol(key.trim(), &good).issued();
}
