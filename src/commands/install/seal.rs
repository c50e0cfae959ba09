//! `seal`: what must not be in an image goes, so that its copies are hosts of their own.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::leave::must_rest;
use super::tell;
use crate::bundle::Bundle;
use crate::commands::wiring::Wiring;
use crate::commands::{Exit, print};
use crate::install::{self, Event};
use crate::store::Store;

pub(in crate::commands) fn seal(wiring: &Wiring, dry_run: bool, json: bool) -> Result<Exit> {
    let mut tell = tell(json);
    let store = Store::open(&wiring.config.state_dir)?;
    must_rest(&store)?;
    let agent = store.current()?.and_then(|(_, parts)| Bundle::recall(parts).ok()).map(|held| held.agent());
    let mut sealing = Sealing { dry_run, gone: 0, tell: &mut tell };
    for file in keys(wiring) {
        sealing.file("the API key", &file)?;
    }
    for output in &wiring.config.output {
        sealing.does(&format!("the copy in {}", output.dir().display()), output.is_there()?, || {
            Ok(output.remove().map(drop)?)
        })?;
    }
    if let Some(file) = &wiring.config.metrics_file {
        sealing.file("the metrics", file)?;
    }
    let state = store.root();
    let is_empty = fs::read_dir(state).map_or(true, |mut entries| entries.next().is_none());
    sealing.does(&format!("everything in {}", state.display()), !is_empty, || empty(state))?;
    let gone = sealing.gone;
    if let Some(agent) = agent {
        let how = format!(
            "`gatepass deregister` before sealing, or `gatepassctl agent revoke {agent}`, takes it off"
        );
        tell(Event::Note { what: format!("the master still knows agent {agent}; {how}") });
    }
    let said = match (gone, dry_run) {
        (0, _) => "nothing to forget: this host is sealed",
        (_, true) => "nothing was changed",
        (_, false) => "sealed: whoever starts from this disk enrols as a host of its own",
    };
    if json {
        tell(Event::Note { what: said.to_owned() });
    } else {
        print(&format!("{said}\n"))?;
    }
    Ok(Exit::Done)
}

/// Wherever the agent would look for one.
fn keys(wiring: &Wiring) -> Vec<std::path::PathBuf> {
    let places = [install::KEY, "/etc/credstore.encrypted/gatepass.apikey", "/etc/gatepass/apikey.cred"];
    places.iter().map(Into::into).chain(wiring.config.apikey_file.clone()).collect()
}

struct Sealing<'a, T: FnMut(Event)> {
    dry_run: bool,
    gone: usize,
    tell: &'a mut T,
}

impl<T: FnMut(Event)> Sealing<'_, T> {
    fn file(&mut self, what: &str, path: &Path) -> Result<()> {
        let remove =
            || fs::remove_file(path).with_context(|| format!("{} cannot be removed", path.display()));
        self.does(&format!("{what} {}", path.display()), path.exists(), remove)
    }

    fn does(&mut self, what: &str, is_there: bool, remove: impl FnOnce() -> Result<()>) -> Result<()> {
        if !is_there {
            return Ok(());
        }
        self.gone += 1;
        if self.dry_run {
            (self.tell)(Event::Note { what: format!("would be forgotten: {what}") });
            return Ok(());
        }
        remove()?;
        (self.tell)(Event::Undone { what: what.to_owned() });
        Ok(())
    }
}

/// The directory itself stays, with its owner.
fn empty(dir: &Path) -> Result<()> {
    let remove = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        }
    };
    let emptied = fs::read_dir(dir).and_then(|mut entries| entries.try_for_each(remove));
    emptied.with_context(|| format!("{} cannot be emptied", dir.display()))
}
