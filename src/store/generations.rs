//! Publishing, reading back and rolling back generations.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::error::{At, StoreError, private_text};
use super::{Generation, Store};
use crate::bundle::Parts;
use crate::durable::{absent, create, make_private_dir, switch, sync_all, sync_dir};
use crate::faults;

const KEY: &str = "tls.key";
const CHAIN: &str = "tls.crt";
const ANCHORS: &str = "ca.crt";
const TOKEN: &str = "agent.jwt";
const META: &str = "meta.json";

impl Store {
    /// Writes the next free generation, then points `current` to it: the commit point. Keeps the previous one, sweeps
    /// older and half-written ones. After an error the generation that was current still is.
    pub fn publish(&self, parts: &Parts) -> Result<Generation, StoreError> {
        let before = self.current_number()?;
        let next = Generation(self.numbers()?.last().map_or(1, |last| last.0 + 1));
        if let Err(error) = self.write(next, parts) {
            // Best effort: on a full disk this makes the room the next attempt needs.
            _ = fs::remove_dir_all(self.dir(next));
            return Err(error);
        }
        self.point_to(next)?;
        self.sweep(&[Some(next), before]);
        faults::point("publish.swept");
        Ok(next)
    }

    fn write(&self, number: Generation, parts: &Parts) -> Result<(), StoreError> {
        let dir = self.dir(number);
        make_private_dir(&dir).at("make", &dir)?;
        faults::point("publish.directory-made");
        let meta = serde_json::to_vec_pretty(&parts.meta).expect("meta is plain data");
        let files: [(&str, &str, &[u8]); 5] = [
            (KEY, "publish.tls.key", parts.key.as_bytes()),
            (CHAIN, "publish.tls.crt", parts.chain.as_bytes()),
            (ANCHORS, "publish.ca.crt", parts.anchors.as_bytes()),
            (TOKEN, "publish.agent.jwt", parts.token.as_bytes()),
            (META, "publish.meta.json", &meta),
        ];
        let written = files.iter().map(|(name, point, bytes)| {
            let path = dir.join(name);
            let file = create(&path, bytes, 0o600).at("write", &path)?;
            faults::point(point);
            Ok(file)
        });
        let written: Vec<File> = written.collect::<Result<_, StoreError>>()?;
        sync_all(&written, &dir).and_then(|()| sync_dir(&self.generations())).at("write", &dir)
    }

    fn point_to(&self, number: Generation) -> Result<(), StoreError> {
        let link = self.current_dir();
        let target = Path::new("generations").join(number.to_string());
        switch(&link, &target, || faults::point("publish.before-rename")).at("switch", &link)?;
        faults::point("publish.after-rename");
        sync_dir(self.root()).at("sync", self.root())?;
        faults::point("publish.committed");
        Ok(())
    }

    /// What `current` leads to; `None` before the first one.
    pub fn current(&self) -> Result<Option<(Generation, Parts)>, StoreError> {
        loop {
            let Some(number) = self.current_number()? else { return Ok(None) };
            match self.read(number) {
                Ok(parts) => return Ok(Some((number, parts))),
                // Swept under our eyes by a writer that is two generations ahead by now: read again.
                Err(_) if self.current_number()? != Some(number) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The one before the current one, while it is kept.
    pub fn previous(&self) -> Result<Option<Parts>, StoreError> {
        self.previous_number()?.map(|number| self.read(number)).transpose()
    }

    /// Points `current` back to the previous generation; `None` when there is none. The one that was current is swept
    /// by the next publish.
    pub fn roll_back(&self) -> Result<Option<Generation>, StoreError> {
        let previous = self.previous_number()?;
        previous.map(|number| self.point_to(number).map(|()| number)).transpose()
    }

    fn previous_number(&self) -> Result<Option<Generation>, StoreError> {
        let Some(current) = self.current_number()? else { return Ok(None) };
        Ok(self.numbers()?.into_iter().rfind(|&number| number < current))
    }

    fn current_number(&self) -> Result<Option<Generation>, StoreError> {
        let link = self.current_dir();
        let Some(target) = absent(fs::read_link(&link)).at("read", &link)? else { return Ok(None) };
        let number = target.strip_prefix("generations").ok().and_then(number_of);
        let foreign =
            || StoreError::Damaged { path: link, reason: format!("it leads to {}", target.display()) };
        number.ok_or_else(foreign).map(Some)
    }

    /// Every generation on disk, whole or not, in order.
    fn numbers(&self) -> Result<Vec<Generation>, StoreError> {
        let dir = self.generations();
        let Some(entries) = absent(fs::read_dir(&dir)).at("read", &dir)? else { return Ok(Vec::new()) };
        let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut numbers: Vec<_> =
            names.at("read", &dir)?.iter().filter_map(|name| number_of(name.as_ref())).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read(&self, number: Generation) -> Result<Parts, StoreError> {
        let dir = self.dir(number);
        let text = |name: &str| {
            let path = dir.join(name);
            private_text(&path)?
                .ok_or_else(|| StoreError::Damaged { path, reason: "it is missing".to_owned() })
        };
        let public = |name| text(name).map(|text| text.to_string());
        let meta = serde_json::from_str(&text(META)?)
            .map_err(|error| StoreError::Damaged { path: dir.join(META), reason: error.to_string() })?;
        let (key, chain) = (text(KEY)?, public(CHAIN)?);
        Ok(Parts { key, chain, anchors: public(ANCHORS)?, token: public(TOKEN)?, meta })
    }

    /// The commit has happened: what cannot be removed now is removed after the next one.
    fn sweep(&self, keep: &[Option<Generation>]) {
        for number in self.numbers().unwrap_or_default() {
            if keep.contains(&Some(number)) {
                continue;
            }
            if let Err(error) = fs::remove_dir_all(self.dir(number)) {
                warn!(%error, generation = %number, "an old generation cannot be removed");
            }
        }
    }

    fn generations(&self) -> PathBuf {
        self.root().join("generations")
    }

    fn dir(&self, number: Generation) -> PathBuf {
        self.generations().join(number.to_string())
    }
}

/// `000007`; anything else in that directory is not ours.
fn number_of(name: &Path) -> Option<Generation> {
    let text = name.to_str()?;
    let number = Generation(text.parse().ok()?);
    (number.to_string() == text).then_some(number)
}
