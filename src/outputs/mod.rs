//! Copies of the bundle where consumers want them.
//!
//! Invariant: `<dir>` is a link to `<dir>.NNNNNN` and switched by one rename, so that a consumer finds the files of
//! exactly one bundle there. A directory that this program did not make is never touched.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use rustix::fs::{Gid, Uid};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bundle::Parts;
use crate::durable::{Generation, absent, create, make_private_dir, parent, switch, sync_all, sync_dir};
use crate::faults;

/// `[[output]]`: where a consumer wants the bundle, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Output(Written);

/// An output as the configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    dir: PathBuf,
    #[serde(default)]
    format: Format,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default = "default_mode")]
    mode: Mode,
    #[serde(default = "default_key_mode")]
    key_mode: Mode,
    #[serde(default)]
    allow_shared_key: bool,
}

/// What the files look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// `tls.key`, `tls.crt`, `ca.crt` in PEM, and `agent.jwt`.
    #[default]
    Pem,
}

/// Permissions, written in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Mode(u32);

const fn default_mode() -> Mode {
    Mode(0o640)
}

const fn default_key_mode() -> Mode {
    Mode(0o600)
}

impl TryFrom<String> for Mode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o777 => Ok(Self(bits)),
            Ok(_) | Err(_) => Err(format!("`{text}` is not a mode like 0640")),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}

impl TryFrom<Written> for Output {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let dir = written.dir.display();
        if !written.dir.is_absolute() || written.dir.file_name().is_none() {
            return Err(format!("output `{dir}`: `dir` is an absolute path"));
        }
        if written.key_mode.0 & 0o077 != 0 && !written.allow_shared_key {
            return Err(format!(
                "output `{dir}`: key_mode {} lets others read the private key; say `allow_shared_key = true` if that is meant",
                String::from(written.key_mode)
            ));
        }
        Ok(Self(written))
    }
}

impl From<Output> for Written {
    fn from(output: Output) -> Self {
        output.0
    }
}

/// Why an output is not up to date. What consumers found there before, they still find.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something else is in its place.
    #[error("{} exists and was not made by gatepass; move it away or name another `dir`", .0.display())]
    Foreign(PathBuf),
    /// The configured owner or group does not exist.
    #[error("there is no {what} `{name}` on this host; a number works everywhere")]
    Nobody {
        /// `user` or `group`.
        what: &'static str,
        /// As configured.
        name: String,
    },
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
    let (place, owner) = (Place::of(output), output.owner()?);
    let wanted = output.wanted(parts, owner);
    let current = place.current()?;
    if let Some(number) = current
        && is_up_to_date(&found(&place.numbered(number)), &wanted)
    {
        return Ok(Wrote::Nothing);
    }
    let failed = |source| OutputError::Io { path: place.link.clone(), source };
    let next = place.next().map_err(failed)?;
    if let Err(error) = write_all(&place.numbered(next), &wanted, output.dir_mode(), owner) {
        // Best effort: on a full disk this makes the room the next attempt needs.
        _ = fs::remove_dir_all(place.numbered(next));
        return Err(failed(error));
    }
    place.switch(next).map_err(failed)?;
    place.sweep(&[Some(next), current]).map_err(failed)?;
    Ok(Wrote::All)
}

/// What one file is, or should be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: &'static str,
    content: Zeroizing<Vec<u8>>,
    mode: u32,
    owner: Owner,
}

/// `None`: whoever the program runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    user: Option<u32>,
    group: Option<u32>,
}

const KEY: &str = "tls.key";
const NAMES: [&str; 4] = [KEY, "tls.crt", "ca.crt", "agent.jwt"];

/// Whether what is there is what should be: every file, its content, mode and, where one is configured, its owner.
fn is_up_to_date(found: &[Entry], wanted: &[Entry]) -> bool {
    let fits = |found: Option<u32>, wanted: Option<u32>| wanted.is_none() || found == wanted;
    found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(f, w)| {
            (f.name, &f.content, f.mode) == (w.name, &w.content, w.mode)
                && fits(f.owner.user, w.owner.user)
                && fits(f.owner.group, w.owner.group)
        })
}

impl Output {
    /// What consumers open.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Whether consumers find exactly this bundle there, with the configured permissions.
    pub fn holds(&self, parts: &Parts) -> Result<bool, OutputError> {
        let place = Place::of(self);
        let wanted = self.wanted(parts, self.owner()?);
        Ok(place.current()?.is_some_and(|number| is_up_to_date(&found(&place.numbered(number)), &wanted)))
    }

    fn wanted(&self, parts: &Parts, owner: Owner) -> Vec<Entry> {
        let texts = [parts.key.as_str(), &parts.chain, &parts.anchors, &parts.token];
        let mode = |name| if name == KEY { self.0.key_mode.0 } else { self.0.mode.0 };
        let entry = |(&name, text): (&&'static str, &str)| {
            let content = Zeroizing::new(text.as_bytes().to_vec());
            Entry { name, content, mode: mode(name), owner }
        };
        NAMES.iter().zip(texts).map(entry).collect()
    }

    /// Whoever may read a file in it may enter it.
    fn dir_mode(&self) -> u32 {
        let readable = (self.0.mode.0 | self.0.key_mode.0) & 0o444;
        0o700 | readable | readable >> 2
    }

    fn owner(&self) -> Result<Owner, OutputError> {
        let user = |name: &str| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
        let group = |name: &str| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
        Ok(Owner {
            user: number("user", self.0.owner.as_deref(), user)?,
            group: number("group", self.0.group.as_deref(), group)?,
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

/// What is there; files that cannot be read are as good as missing.
fn found(dir: &Path) -> Vec<Entry> {
    let entry = |&name: &&'static str| {
        let path = dir.join(name);
        let meta = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let content = Zeroizing::new(fs::read(&path).ok()?);
        let owner = Owner { user: Some(meta.uid()), group: Some(meta.gid()) };
        Some(Entry { name, content, mode: meta.mode() & 0o7777, owner })
    };
    NAMES.iter().filter_map(entry).collect()
}

/// A new directory with all the files, synced. Private until it is complete.
fn write_all(dir: &Path, entries: &[Entry], dir_mode: u32, owner: Owner) -> io::Result<()> {
    make_private_dir(dir)?;
    let files: io::Result<Vec<File>> = entries.iter().map(|entry| write_one(dir, entry)).collect();
    let handle = File::open(dir)?;
    chown(&handle, owner)?;
    handle.set_permissions(Permissions::from_mode(dir_mode))?;
    sync_all(&files?, dir)?;
    sync_dir(parent(dir))
}

fn write_one(dir: &Path, entry: &Entry) -> io::Result<File> {
    let file = create(&dir.join(entry.name), &entry.content, 0o600)?;
    chown(&file, entry.owner)?;
    file.set_permissions(Permissions::from_mode(entry.mode))?;
    Ok(file)
}

fn chown(file: &File, owner: Owner) -> io::Result<()> {
    if owner.user.is_none() && owner.group.is_none() {
        return Ok(());
    }
    Ok(rustix::fs::fchown(file, owner.user.map(Uid::from_raw), owner.group.map(Gid::from_raw))?)
}

/// The link and the numbered directories beside it.
struct Place {
    link: PathBuf,
    prefix: OsString,
}

impl Place {
    fn of(output: &Output) -> Self {
        let link = output.0.dir.clone();
        let mut prefix = link.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        Self { link, prefix }
    }

    fn numbered(&self, number: Generation) -> PathBuf {
        self.link.with_file_name(self.name(number))
    }

    fn name(&self, number: Generation) -> OsString {
        let mut name = self.prefix.clone();
        name.push(number.to_string());
        name
    }

    fn number_of(&self, name: &Path) -> Option<Generation> {
        let digits = name.to_str()?.strip_prefix(self.prefix.to_str()?)?;
        let number = Generation(digits.parse().ok()?);
        (name == Path::new(&self.name(number))).then_some(number)
    }

    /// Which one the link leads to; `None` when nothing is there yet. Anything else is somebody else's.
    fn current(&self) -> Result<Option<Generation>, OutputError> {
        let foreign = || OutputError::Foreign(self.link.clone());
        match absent(fs::read_link(&self.link)) {
            Ok(None) => Ok(None),
            Ok(Some(target)) => self.number_of(&target).ok_or_else(foreign).map(Some),
            // EINVAL: it exists and is no link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(foreign()),
            Err(source) => Err(OutputError::Io { path: self.link.clone(), source }),
        }
    }

    fn numbers(&self) -> io::Result<Vec<Generation>> {
        let names: io::Result<Vec<_>> =
            fs::read_dir(parent(&self.link))?.map(|entry| entry.map(|entry| entry.file_name())).collect();
        Ok(names?.iter().filter_map(|name| self.number_of(name.as_ref())).collect())
    }

    fn next(&self) -> io::Result<Generation> {
        Ok(Generation(self.numbers()?.into_iter().max().map_or(1, |last| last.0 + 1)))
    }

    fn switch(&self, number: Generation) -> io::Result<()> {
        switch(&self.link, Path::new(&self.name(number)), || faults::point("output.before-rename"))?;
        faults::point("output.after-rename");
        sync_dir(parent(&self.link))
    }

    /// Keeps the one before: a consumer may be reading it.
    fn sweep(&self, keep: &[Option<Generation>]) -> io::Result<()> {
        let mut old = self.numbers()?.into_iter().filter(|&number| !keep.contains(&Some(number)));
        old.try_for_each(|number| fs::remove_dir_all(self.numbered(number)))
    }
}

#[cfg(test)]
mod tests;
