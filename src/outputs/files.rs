//! A set of files on disk: what is there, what should be, and writing it.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};
use zeroize::Zeroizing;

use super::OutputError;
use super::label::Label;
use super::tws::ADDITIONAL_CAS;
use crate::durable::{create, make_private_dir, parent, sync_all, sync_dir};

/// What one file is, or should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) content: Zeroizing<Vec<u8>>,
    pub(super) mode: u32,
    pub(super) owner: Owner,
}

/// `None`: whoever what it replaces belongs to, and where there is nothing whoever the program runs as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

impl Owner {
    fn of(meta: &Metadata) -> Self {
        Self { user: Some(meta.uid()), group: Some(meta.gid()) }
    }

    fn or(self, other: Self) -> Self {
        Self { user: self.user.or(other.user), group: self.group.or(other.group) }
    }
}

/// Whether what is there is what should be: every file, its content, mode and, where one is configured, its owner; and
/// no certificate is trusted that should not be.
pub(super) fn is_up_to_date(dir: &Path, wanted: &[Entry]) -> bool {
    let fits = |found: Option<u32>, wanted: Option<u32>| wanted.is_none() || found == wanted;
    let is_there = |want: &Entry| {
        found(dir, &want.name).is_some_and(|found| {
            (&found.content, found.mode) == (&want.content, want.mode)
                && fits(found.owner.user, want.owner.user)
                && fits(found.owner.group, want.owner.group)
        })
    };
    wanted.iter().all(is_there) && additional_cas(dir) == additional_cas_of(wanted)
}

/// What is there; a file that cannot be read is as good as missing.
fn found(dir: &Path, name: &str) -> Option<Entry> {
    let path = dir.join(name);
    let meta = fs::symlink_metadata(&path).ok().filter(Metadata::is_file)?;
    let content = Zeroizing::new(fs::read(&path).ok()?);
    Some(Entry { name: name.to_owned(), content, mode: meta.mode() & 0o7777, owner: Owner::of(&meta) })
}

fn additional_cas(dir: &Path) -> usize {
    fs::read_dir(dir.join(ADDITIONAL_CAS)).map_or(0, Iterator::count)
}

fn additional_cas_of(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| Path::new(&entry.name).starts_with(ADDITIONAL_CAS)).count()
}

/// A new directory with all the files, synced. Private until it is complete. `before`: what it replaces.
pub(super) struct NewDir<'a> {
    pub(super) dir: &'a Path,
    pub(super) before: Option<&'a Path>,
    pub(super) mode: u32,
    pub(super) owner: Owner,
}

impl NewDir<'_> {
    pub(super) fn write(&self, entries: &[Entry]) -> Result<(), OutputError> {
        let dirs = self.dirs(entries);
        for dir in &dirs {
            make_private_dir(dir).map_err(at(dir))?;
        }
        let files = entries.iter().map(|entry| self.file(entry)).collect::<Result<Vec<File>, _>>()?;
        for dir in &dirs {
            let handle = File::open(dir).map_err(at(dir))?;
            self.finish(&handle, dir, self.mode, self.owner)?;
        }
        sync_all(&files, self.dir).map_err(at(self.dir))?;
        dirs.iter().skip(1).try_for_each(|dir| sync_dir(dir).map_err(at(dir)))?;
        sync_dir(parent(self.dir)).map_err(at(self.dir))
    }

    /// Its own first, then those within.
    fn dirs(&self, entries: &[Entry]) -> Vec<PathBuf> {
        let mut dirs = vec![self.dir.to_owned()];
        for entry in entries {
            let dir = parent(&self.dir.join(&entry.name)).to_owned();
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        dirs
    }

    fn file(&self, entry: &Entry) -> Result<File, OutputError> {
        let path = self.dir.join(&entry.name);
        let file = create(&path, &entry.content, 0o600).map_err(at(&path))?;
        self.finish(&file, &path, entry.mode, entry.owner)?;
        Ok(file)
    }

    /// Owner, label and, once nothing else is missing, the mode.
    fn finish(&self, file: &File, path: &Path, mode: u32, owner: Owner) -> Result<(), OutputError> {
        if let Some(replaced) = self.replaced(path) {
            let kept = fs::symlink_metadata(&replaced).map_err(at(&replaced))?;
            chown(file, path, owner.or(Owner::of(&kept)))?;
            Label::of(&replaced).set(path).map_err(at(path))?;
        } else {
            chown(file, path, owner)?;
        }
        file.set_permissions(Permissions::from_mode(mode)).map_err(at(path))
    }

    /// What has that name in what was there before; for a new name the directory.
    fn replaced(&self, path: &Path) -> Option<PathBuf> {
        let before = fs::canonicalize(self.before?).ok()?;
        let same = before.join(path.strip_prefix(self.dir).ok()?);
        Some(if fs::symlink_metadata(&same).is_ok() { same } else { before })
    }
}

/// Says where when the operating system refuses.
fn at(path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    move |source| OutputError::Io { path: path.to_owned(), source }
}

fn chown(file: &File, path: &Path, wanted: Owner) -> Result<(), OutputError> {
    let meta = file.metadata().map_err(at(path))?;
    let is_so = |found: u32, wanted: Option<u32>| wanted.is_none_or(|wanted| wanted == found);
    if is_so(meta.uid(), wanted.user) && is_so(meta.gid(), wanted.group) {
        return Ok(());
    }
    rustix::fs::fchown(file, wanted.user.map(Uid::from_raw), wanted.group.map(Gid::from_raw)).map_err(
        |errno| {
            let (user, group) = (wanted.user.unwrap_or(meta.uid()), wanted.group.unwrap_or(meta.gid()));
            OutputError::Owner { path: path.to_owned(), user, group, source: errno.into() }
        },
    )
}
