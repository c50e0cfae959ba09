//! The limit for `gatepass download`: a program that does with the same primitives what it does, and nothing else.
//!
//! Two connections with a full handshake each, trust anchors and pin, four exchanges of clock readings, a key, a request
//! for a certificate, the answer verified, five files and their directories synced, one rename. No runtime, no command
//! line to parse, no configuration, no lock, no state.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::Path;

use anyhow::Result;
use gatepass_contract::pki::{Anchors, Chain};
use gatepass_contract::secret::ApiKey;
use gatepass_contract::token::Claims;
use gatepass_contract::wire::agent::Issued;
use gatepass_contract::wire::path;

use crate::client::{Target, request};
use crate::clock;
use crate::hosts::Host;

/// Gets an identity into `dir`.
pub(crate) fn download(url: &str, api_key_file: &Path, dir: &Path) -> Result<()> {
    let api_key = fs::read_to_string(api_key_file)?;
    let target = Target::pinned(url, ApiKey::parse(&api_key)?.pin())?;
    let mut connection = target.connect()?;
    for _ in 0..PROBES {
        connection.exchange(&request("GET", path::TIME, None, &[]))?.success()?;
    }
    let host = Host::new(0)?;
    let answer = connection.exchange(&host.enrolment(api_key.trim())?)?.success()?;
    connection.close()?;
    let issued: Issued = serde_json::from_slice(&answer)?;
    Chain::from_pem(&issued.chain)?.verify(&Anchors::from_pem(&issued.anchors)?, clock::now())?;
    Claims::open(&issued.token, &issued.jwks)?;
    store(dir, &host, &issued)
}

const PROBES: usize = 4;

fn store(dir: &Path, host: &Host, issued: &Issued) -> Result<()> {
    let generation = dir.join("generations/000001");
    DirBuilder::new().mode(0o700).recursive(true).create(&generation)?;
    let meta = serde_json::to_string(&issued.jwks)?;
    let key = host.pair.serialize_pem();
    let files = [
        ("tls.key", &key),
        ("tls.crt", &issued.chain),
        ("ca.crt", &issued.anchors),
        ("agent.jwt", &issued.token),
        ("meta.json", &meta),
    ];
    for (name, text) in files {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(generation.join(name))?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
    }
    File::open(&generation)?.sync_all()?;
    File::open(dir.join("generations"))?.sync_all()?;
    symlink("generations/000001", dir.join("current.new"))?;
    fs::rename(dir.join("current.new"), dir.join("current"))?;
    Ok(File::open(dir)?.sync_all()?)
}
