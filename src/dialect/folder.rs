//! `-sslkeysfolder`: certificates that somebody else made, looked at before anything is installed.

use std::fs;
use std::path::Path;

use data_encoding::{BASE64, HEXUPPER};
use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::{Anchors, spki_digest, validity};
use gatepass_contract::time::UnixTime;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::codes::{Code, Message};
use crate::disguise::Secret;
use crate::durable::absent;
use crate::outputs::{open_key, passphrase_of};

/// Certificates that can be used.
#[derive(Clone)]
pub struct LocalCertificates {
    /// Names and contents, as they are installed.
    pub files: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// An agent id for who has none: always the same for the same certificate.
    pub agent: String,
}

impl std::fmt::Debug for LocalCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalCertificates({} files)", self.files.len())
    }
}

/// Reads the folder: key and certificate belong together, the chain leads to `ca.crt`, all of it is good now.
pub fn read(folder: &Path, password: &Secret, now: UnixTime) -> Result<LocalCertificates, Message> {
    let [ca, chain, key] = ["ca.crt", "tls.crt", "tls.key"].map(|name| file(folder, name));
    let (ca, chain, key) = (ca?, chain?, key?);
    let mut files = Vec::new();
    let mut others = Vec::new();
    for (name, text) in additional(folder)? {
        others.extend(certificates(&name, &text)?);
        files.push((name, bytes(&text)));
    }
    let leaf_and_others = certificates("tls.crt", &chain)?;
    pair(&leaf_and_others[0], &key, password)?;
    verify(&leaf_and_others, &others, &certificates("ca.crt", &ca)?, now)?;
    if let Some(stash) =
        absent(fs::read(folder.join("tls.sth"))).map_err(|error| unreadable(folder, "tls.sth", &error))?
    {
        let held = passphrase_of(&stash);
        if held.is_none_or(|held| held.as_str() != password.reveal()) {
            return Err(unusable("tls.sth does not hold the password of `-sslpassword`."));
        }
    }
    let stash = BASE64.encode(password.reveal().as_bytes());
    files.extend([("ca.crt", &ca), ("tls.crt", &chain)].map(|(name, text)| (name.to_owned(), bytes(text))));
    files.push(("tls.key".to_owned(), bytes(&key)));
    files.push(("tls.sth".to_owned(), Zeroizing::new(stash.into_bytes())));
    let agent = HEXUPPER.encode(&Sha256::of(&leaf_and_others[0]).0[..16]);
    Ok(LocalCertificates { files, agent })
}

fn bytes(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

fn file(folder: &Path, name: &str) -> Result<Zeroizing<String>, Message> {
    fs::read_to_string(folder.join(name))
        .map(Zeroizing::new)
        .map_err(|error| unreadable(folder, name, &error))
}

fn additional(folder: &Path) -> Result<Vec<(String, Zeroizing<String>)>, Message> {
    let place = "additionalCAs";
    let failed = |error| unreadable(folder, place, &error);
    let Some(entries) = absent(fs::read_dir(folder.join(place))).map_err(failed)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let is_certificate = Path::new(&name).extension().is_some_and(|extension| extension == "crt");
        names.extend(is_certificate.then(|| format!("{place}/{name}")));
    }
    names.sort_unstable();
    names.into_iter().map(|name| file(folder, &name).map(|text| (name, text))).collect()
}

fn certificates(name: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, Message> {
    let found = Anchors::from_pem(text)
        .map_err(|error| unusable(&format!("{name} holds no certificates: {error}.")))?;
    Ok(found.certificates().to_vec())
}

fn pair(leaf: &CertificateDer<'_>, key: &str, password: &Secret) -> Result<(), Message> {
    let sealed = key.contains("ENCRYPTED");
    let der = if sealed {
        let opened = open_key(key, password.reveal());
        let opened = opened.ok_or_else(|| {
            unusable("tls.key cannot be opened with `-sslpassword`.")
                .hint("Keys of old forms are brought up to date by `openssl pkcs8 -topk8 -in tls.key -out new.key`.")
        })?;
        PrivateKeyDer::Pkcs8(opened.to_vec().into())
    } else {
        PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| unusable("tls.key holds no private key."))?
    };
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der)
        .map_err(|_| unusable("tls.key is of a kind that TLS does not use."))?;
    let public = signing.public_key().map(|public| Sha256::of(public.as_ref()));
    match spki_digest(leaf) {
        Ok(certified) if Some(certified) == public => Ok(()),
        Ok(_) | Err(_) => Err(unusable("tls.key is not the key of the first certificate in tls.crt.")),
    }
}

fn verify(
    chain: &[CertificateDer<'_>],
    others: &[CertificateDer<'_>],
    anchors: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Message> {
    let (leaf, intermediates) = chain.split_first().expect("a file of certificates holds one");
    if let Ok(validity) = validity(leaf)
        && !validity.holds(now)
    {
        return Err(unusable(&format!(
            "tls.crt is good from {} to {}, and this host's clock says {now}.",
            validity.from(),
            validity.until()
        )));
    }
    // ca.crt may hold intermediates before the root.
    let between: Vec<_> = intermediates.iter().chain(others).chain(anchors).cloned().collect();
    let roots: Result<Vec<_>, _> = anchors.iter().map(webpki::anchor_from_trusted_cert).collect();
    let seconds = std::time::Duration::from_secs(u64::try_from(now.seconds()).unwrap_or(0));
    let verified = webpki::EndEntityCert::try_from(leaf).and_then(|leaf| {
        let at = rustls_pki_types::UnixTime::since_unix_epoch(seconds);
        let usage = webpki::KeyUsage::client_auth();
        leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &roots?, &between, at, usage, None, None)
            .map(drop)
    });
    verified.map_err(|error| unusable(&format!("tls.crt does not lead to ca.crt: {error}.")))
}

fn unreadable(folder: &Path, name: &str, error: &std::io::Error) -> Message {
    unusable(&format!("{} cannot be read: {error}.", folder.join(name).display()))
}

fn unusable(text: &str) -> Message {
    Message::new(Code::Certificates, text)
}
