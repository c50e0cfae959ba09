//! `check`: the masters one by one, and everything on this side.

use anyhow::Result;
use gatepass_contract::address::MasterUrl;

use super::wiring::{Wiring, master_time, tolerance};
use super::{Exit, answer};
use crate::check::{self, Severity};
use crate::master::{Client, Endpoint};
use crate::store::Store;

pub(super) async fn check(wiring: Wiring, json: bool) -> Result<Exit> {
    let store = Store::open(&wiring.config.state_dir)?;
    let time = master_time();
    let endpoint = wiring.endpoint(&store);
    let client = |url: &MasterUrl| {
        let endpoint = endpoint.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(Client::new(Endpoint { masters: vec![url.clone()], ..endpoint.clone() }, time.clone()))
    };
    let subject = check::Subject {
        store: &store,
        api_key: wiring.api_key.as_ref(),
        masters: wiring.config.masters.iter().map(|url| (url.clone(), client(url))).collect(),
        time: time.clone(),
        tolerance: tolerance(&wiring.config),
        outputs: &wiring.config.output,
    };
    let findings = check::look(subject).await;
    answer(&findings, json)?;
    Ok(match findings.worst() {
        Severity::Fine => Exit::Done,
        Severity::Warning => Exit::Later,
        Severity::Broken => Exit::Human,
    })
}
