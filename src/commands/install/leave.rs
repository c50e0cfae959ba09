//! Leaving: the master is told first, for only who holds the identity can tell it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gatepass_contract::id::AgentId;

use super::{Refused, config_path, must_be_root, tell};
use crate::bundle::Bundle;
use crate::cli::{Overrides, UninstallArgs};
use crate::commands::wiring::{Wiring, master_time};
use crate::commands::{Exit, print};
use crate::enrol::{self, Left};
use crate::install::{self, Event, Made, Removal};
use crate::master::Client;
use crate::store::Store;
use crate::trouble::whole;

/// Ends the identity, at the master and here.
pub(in crate::commands) async fn deregister(wiring: Wiring, json: bool) -> Result<Exit> {
    wiring.begin_logging();
    let store = Store::open(&wiring.config.state_dir)?;
    must_rest(&store)?;
    let said = match held(&store)? {
        None => "no identity is held here".to_owned(),
        Some(bundle) => {
            let left = leave(&wiring, &store, &bundle).await?;
            store.forget()?;
            match left {
                Left::Told => format!("agent {} has left", bundle.agent()),
                Left::Unknown => format!("the master did not know agent {} any more", bundle.agent()),
            }
        }
    };
    finish(&said, json)
}

fn held(store: &Store) -> Result<Option<Bundle>> {
    let parts = store.current()?.map(|(_, parts)| parts);
    parts.map(Bundle::recall).transpose().context("what is stored is not usable")
}

async fn leave(wiring: &Wiring, store: &Store, held: &Bundle) -> Result<Left> {
    let time = master_time();
    let client = Client::new(wiring.endpoint(store)?, time.clone());
    Ok(enrol::leave(held, &time, &client).await?)
}

pub(super) fn must_rest(store: &Store) -> Result<(), Refused> {
    let root = store.root().to_owned();
    store.writer().map_or(Ok(()), |holder| Err(Refused::AtWork { root, holder }))
}

pub(in crate::commands) async fn uninstall(
    file: Option<&Path>,
    args: UninstallArgs,
    json: bool,
) -> Result<Exit> {
    must_be_root(args.dry_run)?;
    let place = Path::new(install::PLACE);
    let made = install::made(place)?;
    let mut tell = tell(json);
    if args.dry_run {
        return Ok(would_remove(&made, args, &mut tell));
    }
    let leaving = Leaving { config: config_path(file)?, units: units(&made), force: args.force };
    if !args.keep_credentials {
        leaving.tell_master(&made, &mut tell).await?;
    }
    let removal = if args.keep_credentials { Removal::But(is_credential) } else { Removal::All };
    let changed = install::remove(place, removal, &mut tell).await?;
    let said = if changed == 0 { "nothing here was made by `gatepass install`" } else { "removed" };
    finish(said, json)
}

fn finish(said: &str, json: bool) -> Result<Exit> {
    if json {
        tell(json)(Event::Note { what: said.to_owned() });
    } else {
        print(&format!("{said}\n"))?;
    }
    Ok(Exit::Done)
}

fn would_remove(made: &[Made], args: UninstallArgs, tell: &mut impl FnMut(Event)) -> Exit {
    let goes = |made: &&Made| !args.keep_credentials || !is_credential(made);
    for made in made.iter().rev().filter(goes) {
        tell(Event::Note { what: format!("would be removed: {}", made.what()) });
    }
    Exit::Done
}

/// What an identity needs to be taken up again.
fn is_credential(made: &Made) -> bool {
    match made {
        Made::User { .. } | Made::Identity { .. } | Made::Directory { .. } | Made::Access { .. } => true,
        Made::File { path, .. } => path.file_name().is_some_and(|name| name != "gatepass"),
        Made::Link { .. }
        | Made::Entry { .. }
        | Made::Unit { .. }
        | Made::Enabled { .. }
        | Made::Started { .. }
        | Made::Restarted { .. }
        | Made::Spawned { .. } => false,
    }
}

fn units(made: &[Made]) -> Vec<String> {
    let unit = |made: &Made| {
        if let Made::Started { unit } | Made::Enabled { unit } | Made::Identity { unit: Some(unit), .. } =
            made
        {
            Some(unit.clone())
        } else {
            None
        }
    };
    let mut units: Vec<_> = made.iter().filter_map(unit).collect();
    units.sort();
    units.dedup();
    units
}

struct Leaving {
    config: PathBuf,
    units: Vec<String>,
    force: bool,
}

impl Leaving {
    /// The identity goes with what was made: whoever it is, the master is to know. Nothing is removed before it does,
    /// unless that is forced; then somebody else has to tell it.
    async fn tell_master(&self, made: &[Made], tell: &mut impl FnMut(Event)) -> Result<()> {
        let wiring = Wiring::new(
            Some(self.config.as_path()).filter(|path| path.exists()),
            Overrides::default(),
            None,
        )?;
        let store = Store::open(&wiring.config.state_dir)?;
        if !made.iter().any(|made| holds(made, store.root())) {
            return Ok(());
        }
        for unit in &self.units {
            install::stop(unit).await?;
        }
        must_rest(&store)?;
        let Some(bundle) = held(&store)? else { return Ok(()) };
        let agent = bundle.agent();
        match leave(&wiring, &store, &bundle).await {
            Ok(Left::Told) => tell(Event::Undone { what: format!("agent {agent} at the master") }),
            Ok(Left::Unknown) => {
                tell(Event::Note { what: format!("the master did not know agent {agent} any more") });
            }
            Err(error) => self.untold(agent, &error, tell).await?,
        }
        Ok(store.forget()?)
    }

    async fn untold(
        &self,
        agent: AgentId,
        error: &anyhow::Error,
        tell: &mut impl FnMut(Event),
    ) -> Result<()> {
        let refused = Refused::NotTold { agent, reason: whole(error.as_ref()) };
        if self.force {
            tell(Event::Left {
                what: format!("{refused}; an administrator has to run `gatepassctl agent revoke {agent}`"),
            });
            return Ok(());
        }
        for unit in &self.units {
            install::start(unit).await?;
        }
        Err(refused.into())
    }
}

fn holds(made: &Made, state_dir: &Path) -> bool {
    matches!(made, Made::Identity { state_dir: dir, .. } | Made::Directory { path: dir, ours: true, .. } if dir == state_dir)
}
