//! Proofs: good for one request of one agent within a minute, and for nothing else.

use std::time::Duration;

use gatepass_contract::id::AgentId;
use gatepass_contract::jws::{JwsError, SigningKey};
use gatepass_contract::pki::{KeyKind, PublicKey};
use gatepass_contract::proof::{BadProof, LIFETIME, Proof, Request};
use gatepass_contract::time::UnixTime;
use gatepass_contract::token;
use rcgen::{KeyPair, PublicKeyData};

const NOW: UnixTime = UnixTime(1_795_379_123_000);
const REQUEST: Request<'_> = Request { method: "POST", path: "/api/v1/agents/self/credentials", body: b"{}" };

fn keys() -> (SigningKey, PublicKey) {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let public = PublicKey::from_spki(&pair.subject_public_key_info()).expect("an allowed key");
    let private = SigningKey::from_pem(&pair.serialize_pem(), KeyKind::EcdsaP256, public.thumbprint());
    (private.expect("a signing key"), public)
}

fn proof() -> Proof {
    Proof::new(AgentId([7; 16]), 3, REQUEST, "once".to_owned(), NOW)
}

#[test]
fn a_proof_opens_for_its_own_request_and_for_no_other() {
    let (private, public) = keys();
    let text = proof().sign(&private).expect("signed");
    assert_eq!(Proof::open(&text, &public.jwk(), REQUEST, NOW), Ok(proof()));
    for other in [
        Request { method: "DELETE", ..REQUEST },
        Request { path: "/api/v1/agents/self/reports", ..REQUEST },
        Request { body: b"{ }", ..REQUEST },
    ] {
        assert_eq!(Proof::open(&text, &public.jwk(), other, NOW), Err(BadProof::OtherRequest), "{other:?}");
    }
    let (_, stranger) = keys();
    assert_eq!(Proof::open(&text, &stranger.jwk(), REQUEST, NOW), Err(BadProof::Jws(JwsError::Signature)));
}

#[test]
fn it_is_good_for_a_minute_and_clocks_may_differ_by_one() {
    let (private, public) = keys();
    let text = proof().sign(&private).expect("signed");
    let second = Duration::from_secs(1);
    for (at, good) in [
        (NOW - LIFETIME, true),
        (NOW - LIFETIME - second, false),
        (NOW + LIFETIME, true),
        (NOW + LIFETIME + second, false),
    ] {
        let opened = Proof::open(&text, &public.jwk(), REQUEST, at);
        assert_eq!(opened.is_ok(), good, "at {at}");
        assert!(good || matches!(opened, Err(BadProof::Time { .. })));
    }
}

#[test]
fn one_that_would_live_longer_is_refused() {
    let (private, public) = keys();
    for (iat, exp) in
        [(NOW.seconds(), NOW.seconds() + 61), (NOW.seconds(), NOW.seconds() - 1), (i64::MIN, i64::MAX)]
    {
        let text = Proof { iat, exp, ..proof() }.sign(&private).expect("signed");
        let opened = Proof::open(&text, &public.jwk(), REQUEST, NOW);
        assert!(matches!(opened, Err(BadProof::Time { .. })), "{iat}..{exp}: {opened:?}");
    }
}

#[test]
fn a_token_of_another_type_is_no_proof_even_from_the_same_key() {
    let (private, public) = keys();
    let text = private.sign(token::TYP, &proof()).expect("signed");
    assert_eq!(Proof::open(&text, &public.jwk(), REQUEST, NOW), Err(BadProof::Jws(JwsError::Kind)));
    for garbage in ["", ".", "..", "a.b.c", &"x".repeat(20_000)] {
        assert!(Proof::open(garbage, &public.jwk(), REQUEST, NOW).is_err());
    }
}

#[test]
fn every_changed_character_is_noticed() {
    let (private, public) = keys();
    let text = proof().sign(&private).expect("signed");
    for at in 0..text.len() - 1 {
        let mut changed = text.clone();
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        changed.replace_range(at..=at, other);
        assert!(Proof::open(&changed, &public.jwk(), REQUEST, NOW).is_err(), "character {at}");
    }
}
