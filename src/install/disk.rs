//! Directories, files, links, and a registry of numbered files.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use gatepass_contract::digest::Sha256;
use zeroize::Zeroizing;

use super::error::{At as _, Failure};
use super::host::Owner;
use super::journal::{Kept, Made};
use super::step::Look;
use crate::credential::Source;
use crate::durable::{absent, beside, create, parent, switch, sync_dir};
use crate::store::Store;

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where; parents that are missing are made too, for everybody to enter.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Its permissions; `None`: those of one that is there are left.
    pub mode: Option<u32>,
    /// Whose is what will be in it.
    pub contents: Contents,
}

/// Whose the contents of a directory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Anybody's: it is removed only when it is empty.
    Anybodys,
    /// Ours, whatever there is: it is removed with them.
    Ours,
}

const EVERYBODY: u32 = 0o755;

impl Directory {
    pub(super) fn look(&self) -> Result<Look, Failure> {
        let path = self.path.clone();
        let Some(found) = absent(fs::metadata(&path)).at("look at", &path)? else {
            let missing = path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
            let top = missing.last().unwrap_or(&path).to_owned();
            return Ok(Look::Wanting(Made::Directory { path, top, ours: self.contents == Contents::Ours }));
        };
        if !found.is_dir() {
            return Err(Failure::Foreign { path, what: "not a directory" });
        }
        let mode = found.permissions().mode() & 0o7777;
        if self.owner.owns(&found)? && self.mode.is_none_or(|want| want == mode) {
            return Ok(Look::Fine);
        }
        Ok(Look::Wanting(Made::Access { path, uid: found.uid(), gid: found.gid(), mode }))
    }

    pub(super) fn act(&self) -> Result<(), Failure> {
        let path = &self.path;
        if let Some(parent) = path.parent() {
            DirBuilder::new().mode(EVERYBODY).recursive(true).create(parent).at("make", parent)?;
        }
        // Closed until it has its owner.
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made.at("make", path)?;
                let open = self.mode.unwrap_or(EVERYBODY);
                fs::set_permissions(path, Permissions::from_mode(open)).at("set the mode of", path)?;
            }
        }
        self.owner.give(path)?;
        if let Some(mode) = self.mode {
            fs::set_permissions(path, Permissions::from_mode(mode)).at("set the mode of", path)?;
        }
        sync_dir(parent(path)).at("sync", path)
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where.
    pub path: PathBuf,
    /// What it holds.
    pub content: Content,
    /// Whose it is.
    pub owner: Owner,
    /// Its permissions.
    pub mode: u32,
    /// Whether one that is there is left as it is.
    pub keep: bool,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(String),
    /// The API key; read when it is written.
    ApiKey(Source),
    /// A secret. Never printed, never kept beyond the run.
    Secret(Secret),
    /// This text, with the id of the agent whose identity is in that directory for [`AGENT_ID`].
    Identified {
        /// The text.
        text: String,
        /// The state directory.
        state_dir: PathBuf,
    },
}

/// Stands for the agent's id in [`Content::Identified`].
pub const AGENT_ID: &str = "{agent-id}";

/// Bytes that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Content {
    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        Ok(match self {
            Self::Text(text) => Zeroizing::new(text.as_bytes().to_vec()),
            Self::ApiKey(source) => {
                let key = Zeroizing::new(source.read()?.reveal().to_string());
                Zeroizing::new(format!("{}\n", key.as_str()).into_bytes())
            }
            Self::Secret(Secret(bytes)) => bytes.clone(),
            Self::Identified { text, state_dir } => {
                Zeroizing::new(text.replace(AGENT_ID, &agent_in(state_dir)?).into_bytes())
            }
        })
    }

    const fn is_secret(&self) -> bool {
        matches!(self, Self::ApiKey(_) | Self::Secret(_))
    }
}

/// Empty before there is an identity: a dry run comes this far without one.
fn agent_in(state_dir: &Path) -> Result<String, Failure> {
    let held = Store::open(state_dir).and_then(|store| store.current());
    let held = held.map_err(io::Error::other).at("read the identity in", state_dir)?;
    Ok(held.map(|(_, parts)| parts.meta.agent.to_string()).unwrap_or_default())
}

impl File {
    pub(super) fn look(&self) -> Result<Look, Failure> {
        let path = self.path.clone();
        let secret = self.content.is_secret();
        let Some(found) = look_at_file(&path)? else {
            return Ok(Look::Wanting(Made::File { path, before: None, secret }));
        };
        if self.keep || self.is_there(&found)? {
            return Ok(Look::Fine);
        }
        let before = Some(Kept::of(&path, &found));
        Ok(Look::Wanting(Made::File { path, before, secret }))
    }

    fn is_there(&self, found: &Metadata) -> Result<bool, Failure> {
        if found.permissions().mode() & 0o7777 != self.mode || !self.owner.owns(found)? {
            return Ok(false);
        }
        let held = Zeroizing::new(fs::read(&self.path).at("read", &self.path)?);
        Ok(*held == *self.content.bytes()?)
    }

    pub(super) fn act(&self) -> Result<(), Failure> {
        place(&self.path, &self.content.bytes()?, self.mode, &self.owner)
    }
}

/// `None` where there is nothing; a refusal where there is something that is no file.
pub(super) fn look_at_file(path: &Path) -> Result<Option<Metadata>, Failure> {
    match absent(fs::symlink_metadata(path)).at("look at", path)? {
        Some(found) if found.is_file() => Ok(Some(found)),
        Some(_) => Err(Failure::Foreign { path: path.to_owned(), what: "not a plain file" }),
        None => Ok(None),
    }
}

/// Puts a file in its place by one rename, durably, its owner's from the first moment.
pub(super) fn place(path: &Path, bytes: &[u8], mode: u32, owner: &Owner) -> Result<(), Failure> {
    let next = beside(path, ".new");
    let put = || -> Result<(), Failure> {
        absent(fs::remove_file(&next)).at("remove", &next)?;
        let file = create(&next, bytes, mode).at("write", path)?;
        owner.give(&next)?;
        file.sync_all().at("write", path)?;
        fs::rename(&next, path).at("write", path)?;
        sync_dir(parent(path)).at("write", path)
    };
    put().inspect_err(|_| {
        // Best effort: on a full disk this makes room.
        _ = fs::remove_file(&next);
    })
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where.
    pub path: PathBuf,
    /// Where it leads.
    pub target: PathBuf,
}

impl Link {
    pub(super) fn look(&self) -> Result<Look, Failure> {
        let path = self.path.clone();
        let before = match absent(fs::symlink_metadata(&path)).at("look at", &path)? {
            None => None,
            Some(found) if found.is_symlink() => Some(fs::read_link(&path).at("read", &path)?),
            Some(_) => return Err(Failure::Foreign { path, what: "not a link" }),
        };
        let fine = before.as_ref() == Some(&self.target);
        Ok(if fine { Look::Fine } else { Look::Wanting(Made::Link { path, before }) })
    }

    pub(super) fn act(&self) -> Result<(), Failure> {
        switch(&self.path, &self.target, || {}).at("link", &self.path)?;
        sync_dir(parent(&self.path)).at("link", &self.path)
    }
}

/// A copy of the program that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: Owner,
}

/// Wherever it was started from, and even where that file was replaced meanwhile.
pub(super) const MYSELF: &str = "/proc/self/exe";

impl Program {
    pub(super) fn look(&self) -> Result<Look, Failure> {
        let path = self.path.clone();
        let Some(found) = look_at_file(&path)? else {
            return Ok(Look::Wanting(Made::File { path, before: None, secret: false }));
        };
        let own = fs::metadata(MYSELF).at("look at", Path::new(MYSELF))?;
        let is_me = (found.dev(), found.ino()) == (own.dev(), own.ino());
        let same =
            || -> io::Result<bool> { Ok(found.len() == own.len() && fs::read(&path)? == fs::read(MYSELF)?) };
        if is_me || (found.permissions().mode() & 0o7777 == EVERYBODY && same().at("read", &path)?) {
            return Ok(Look::Fine);
        }
        let before = Some(Kept::of(&path, &found));
        Ok(Look::Wanting(Made::File { path, before, secret: false }))
    }

    pub(super) fn act(&self) -> Result<(), Failure> {
        let bytes = fs::read(MYSELF).at("read", Path::new(MYSELF))?;
        place(&self.path, &bytes, EVERYBODY, &self.owner)
    }
}

/// An entry of a registry: a file with the next free number in its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The registry; it is there already.
    pub dir: PathBuf,
    /// Before the number.
    pub prefix: String,
    /// Behind the number.
    pub suffix: String,
    /// The line that says whose it is: no two entries have the same.
    pub mark: String,
    /// What it holds, `mark` included; `{n}` becomes the number.
    pub text: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its permissions.
    pub mode: u32,
}

impl Entry {
    pub(super) fn look(&self) -> Result<Look, Failure> {
        let own = Made::Entry {
            dir: self.dir.clone(),
            prefix: self.prefix.clone(),
            suffix: self.suffix.clone(),
            mark: self.mark.clone(),
        };
        let Some((number, path)) = self.find()? else { return Ok(Look::Wanting(own)) };
        if fs::read(&path).at("read", &path)? == self.numbered(number).into_bytes() {
            return Ok(Look::Fine);
        }
        let found = fs::metadata(&path).at("look at", &path)?;
        let before = Some(Kept::of(&path, &found));
        Ok(Look::Wanting(Made::File { path, before, secret: false }))
    }

    pub(super) fn act(&self) -> Result<(), Failure> {
        if let Some((number, path)) = self.find()? {
            return place(&path, self.numbered(number).as_bytes(), self.mode, &self.owner);
        }
        let next = unnumbered(&self.dir, &self.prefix, &self.mark);
        let mut number = 0;
        loop {
            // Complete before it has its number, and never in the place of another's.
            let path = self.dir.join(format!("{}{number}{}", self.prefix, self.suffix));
            place(&next, self.numbered(number).as_bytes(), self.mode, &self.owner)?;
            match fs::hard_link(&next, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                linked => {
                    let removed = fs::remove_file(&next);
                    linked.at("write", &path)?;
                    removed.at("remove", &next)?;
                    return sync_dir(&self.dir).at("write", &path);
                }
            }
        }
    }

    fn numbered(&self, number: u32) -> String {
        self.text.replace("{n}", &number.to_string())
    }

    fn find(&self) -> Result<Option<(u32, PathBuf)>, Failure> {
        find_entry(&self.dir, &self.prefix, &self.suffix, &self.mark)
    }
}

/// Where an entry is before it has its number: of its own for each, for several may be made at once.
pub(super) fn unnumbered(dir: &Path, prefix: &str, mark: &str) -> PathBuf {
    let digest = Sha256::of(mark.as_bytes()).to_string();
    dir.join(format!(".{prefix}{}", &digest[..16]))
}

/// The entry with that line.
pub(super) fn find_entry(
    dir: &Path,
    prefix: &str,
    suffix: &str,
    mark: &str,
) -> Result<Option<(u32, PathBuf)>, Failure> {
    let Some(entries) = absent(fs::read_dir(dir)).at("read", dir)? else { return Ok(None) };
    for entry in entries {
        let path = entry.at("read", dir)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix)?.parse().ok());
        let Some(number) = number else { continue };
        let text = absent(fs::read_to_string(&path)).at("read", &path)?;
        if text.is_some_and(|text| text.lines().any(|line| line == mark)) {
            return Ok(Some((number, path)));
        }
    }
    Ok(None)
}
