//! Looks at what lies in `current/` as a suspicious consumer would: with the libraries, not with the agent's store.

use std::fs;
use std::path::Path;

use gatepass::keys::KeyPair;
use gatepass_contract::pki::Anchors;
use gatepass_contract::token::Claims;

use super::Identity;

impl Identity {
    /// What `current` in that state directory leads to; `None` before the first. Every file is read through the one
    /// directory that was found; what is swept meanwhile, by a writer two generations ahead, is looked for again.
    pub fn find(state: &Path) -> Option<Self> {
        loop {
            let target = fs::read_link(state.join("current")).ok()?;
            let found = Self::read(&state.join(&target));
            if found.is_some() {
                return found;
            }
            let now = fs::read_link(state.join("current")).ok();
            assert_ne!(now, Some(target), "`current` leads to a generation that is not whole");
        }
    }

    fn read(dir: &Path) -> Option<Self> {
        let read = |name| fs::read_to_string(dir.join(name)).ok();
        Some(Self {
            key: read("tls.key")?,
            certificate: read("tls.crt")?,
            anchors: read("ca.crt")?,
            token: read("agent.jwt")?,
        })
    }

    /// Key, certificate, anchors and token belong together.
    #[track_caller]
    pub fn assert_whole(&self) {
        let key = KeyPair::from_pem(&self.key).expect("a key");
        let chain = self.chain();
        assert_eq!(chain.key(), key.public(), "the certificate is for the key");
        let anchors = Anchors::from_pem(&self.anchors).expect("anchors");
        chain.verify(&anchors, chain.validity().from()).expect("the chain leads to the anchors");
        let claims = claims(&self.token);
        assert_eq!(claims.cnf.jkt, key.public().thumbprint(), "the token is for the key");
        assert_eq!(Some(claims.sub), chain.agent(), "token and certificate name the same agent");
    }
}

/// The claims, unverified: whose they are is all that is asked here.
fn claims(token: &str) -> Claims {
    let payload = token.split('.').nth(1).expect("three parts");
    let json = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).expect("base64url");
    serde_json::from_slice(&json).expect("claims")
}
