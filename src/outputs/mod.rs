//! Copies of the bundle where consumers want them.
//!
//! Invariant: `<dir>` is a link to `<dir>.NNNNNN` and switched by one rename, so that a consumer finds the files of
//! exactly one bundle there. A directory that this program did not make is touched only where the configuration says
//! `replace`, and then it is renamed and kept.

mod files;
mod label;
mod pkcs12;
mod place;
mod render;
mod sealed;
mod tws;
mod written;

use std::fs;
use std::io;
use std::path::PathBuf;

use gatepass_contract::pki::PkiError;
use nix::unistd::{Group, User};
use zeroize::Zeroizing;

pub use render::{Before, NamedFile, render};
pub use tws::{open_key, passphrase_of};
pub use written::{Format, Layout, Output};

use crate::bundle::Parts;
use files::{Entry, NewDir, Owner};
use place::{Place, There};

/// Why an output is not up to date. What consumers found there before, they still find.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something else is in its place.
    #[error("{} exists and was not made by gatepass; move it away, name another `dir`, or say `replace = true`", .0.display())]
    Foreign(PathBuf),
    /// It is to be replaced, and there is no room for it beside.
    #[error("{} was not made by gatepass and cannot make room: {} exists already and is never overwritten", dir.display(), aside.display())]
    Kept {
        /// What is to be replaced.
        dir: PathBuf,
        /// Where it would go.
        aside: PathBuf,
    },
    /// The two names cannot be exchanged in one step.
    #[error("{} cannot make room in one step on this file system; move it away by hand", dir.display())]
    Exchange {
        /// What is to be replaced.
        dir: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The configured owner or group does not exist.
    #[error("there is no {what} `{name}` on this host; a number works everywhere")]
    Nobody {
        /// `user` or `group`.
        what: &'static str,
        /// As configured.
        name: String,
    },
    /// Somebody else's files can be made by root only.
    #[error("{} cannot be given to user {user}, group {group}, as what it replaces or the configuration wants", path.display())]
    Owner {
        /// Which file.
        path: PathBuf,
        /// Its user.
        user: u32,
        /// Its group.
        group: u32,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file that the configuration names cannot be used.
    #[error("{} cannot be used", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The private key is none.
    #[error("the private key is not PKCS#8")]
    Key,
    /// The certificates are none.
    #[error("the certificates cannot be read")]
    Chain(#[source] PkiError),
    /// They do not fit into PKCS#12.
    #[error("key and certificates cannot be written as PKCS#12")]
    Pkcs12(#[source] Box<p12_keystore::error::Error>),
    /// The operating system refused.
    #[error("cannot write {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Whether [`write()`] had to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// The files were there already, as they should be.
    Nothing,
    /// Consumers find new files.
    All,
}

/// Brings the output up to date with the bundle.
pub fn write(output: &Output, parts: &Parts) -> Result<Wrote, OutputError> {
    let (place, owner) = (Place::of(output.dir()), output.owner()?);
    let there = output.look(&place)?;
    let wanted = output.wanted(parts, owner, &place, there)?;
    if place.holds(there, &wanted) {
        return Ok(Wrote::Nothing);
    }
    let next = place.next()?;
    let (dir, before) = (place.numbered(next), place.found(there));
    let new = NewDir { dir: &dir, before: before.as_deref(), mode: output.dir_mode(), owner };
    if let Err(error) = new.write(&wanted) {
        // Best effort: on a full disk this makes the room the next attempt needs.
        _ = fs::remove_dir_all(&dir);
        return Err(error);
    }
    place.switch(there, next)?;
    place.sweep([There::Ours(next), there])?;
    Ok(Wrote::All)
}

impl Output {
    /// Whether this program has put something there.
    pub fn is_there(&self) -> Result<bool, OutputError> {
        Ok(matches!(Place::of(self.dir()).there()?, There::Ours(_)))
    }

    /// Removes the copies; whether there were any.
    pub fn remove(&self) -> Result<bool, OutputError> {
        let place = Place::of(self.dir());
        place.remove().map_err(|source| place.failed(source))
    }

    /// Whether consumers find exactly this bundle there, with the configured permissions.
    pub fn holds(&self, parts: &Parts) -> Result<bool, OutputError> {
        let place = Place::of(self.dir());
        let there = self.look(&place)?;
        Ok(place.holds(there, &self.wanted(parts, self.owner()?, &place, there)?))
    }

    /// The files that consumers find, or will find after the next [`write()`]; after one, byte for byte the same.
    pub fn files(&self, parts: &Parts) -> Result<Vec<NamedFile>, OutputError> {
        let place = Place::of(self.dir());
        let there = place.there()?;
        self.rendered(parts, &place, there)
    }

    fn look(&self, place: &Place) -> Result<There, OutputError> {
        match place.there()? {
            There::Foreign if !self.replace => Err(OutputError::Foreign(self.dir.clone())),
            there @ (There::Nothing | There::Ours(_) | There::Foreign) => Ok(there),
        }
    }

    fn rendered(&self, parts: &Parts, place: &Place, there: There) -> Result<Vec<NamedFile>, OutputError> {
        let ours = matches!(there, There::Ours(_)).then(|| place.found(there)).flatten();
        let before = |name: &str| fs::read(ours.as_ref()?.join(name)).ok().map(Zeroizing::new);
        render(&self.format, parts, &before)
    }

    fn wanted(
        &self,
        parts: &Parts,
        owner: Owner,
        place: &Place,
        there: There,
    ) -> Result<Vec<Entry>, OutputError> {
        let entry = |NamedFile { name, content, is_secret }| {
            let mode = if is_secret { self.key_mode.0 } else { self.mode.0 };
            Entry { name, content, mode, owner }
        };
        Ok(self.rendered(parts, place, there)?.into_iter().map(entry).collect())
    }

    /// Whoever may read a file in it may enter it.
    fn dir_mode(&self) -> u32 {
        let readable = (self.mode.0 | self.key_mode.0) & 0o444;
        0o700 | readable | readable >> 2
    }

    fn owner(&self) -> Result<Owner, OutputError> {
        let user = |name: &str| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
        let group = |name: &str| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
        Ok(Owner {
            user: number("user", self.owner.as_deref(), user)?,
            group: number("group", self.group.as_deref(), group)?,
        })
    }
}

/// A number as it is, a name by looking it up.
fn number(
    what: &'static str,
    name: Option<&str>,
    look_up: impl FnOnce(&str) -> Option<u32>,
) -> Result<Option<u32>, OutputError> {
    let Some(name) = name else { return Ok(None) };
    let id = name.parse().ok().or_else(|| look_up(name));
    id.ok_or_else(|| OutputError::Nobody { what, name: name.to_owned() }).map(Some)
}

#[cfg(test)]
mod tests;
