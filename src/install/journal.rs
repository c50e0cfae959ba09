//! What was made, and what it takes to undo it: on the disk before anything is done.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{At as _, Failure, InstallError};
use crate::durable::{absent, write_durably};

/// One thing that was made, told so that it can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Made {
    /// A system user.
    User {
        /// Its name.
        name: String,
    },
    /// A directory.
    Directory {
        /// Where.
        path: PathBuf,
        /// The topmost one that was missing.
        top: PathBuf,
        /// Whether everything in it is ours.
        ours: bool,
    },
    /// Owner and mode of a directory that was there.
    Access {
        /// Where.
        path: PathBuf,
        /// As they were.
        uid: u32,
        /// As they were.
        gid: u32,
        /// As they were.
        mode: u32,
    },
    /// A file.
    File {
        /// Where.
        path: PathBuf,
        /// What was there before.
        before: Option<Kept>,
        /// Whether it holds a secret: what it held is kept for the run only.
        secret: bool,
    },
    /// A symbolic link.
    Link {
        /// Where.
        path: PathBuf,
        /// Where it led before.
        before: Option<PathBuf>,
    },
    /// An entry of a registry, found by its mark.
    Entry {
        /// The registry.
        dir: PathBuf,
        /// Before the number.
        prefix: String,
        /// Behind the number.
        suffix: String,
        /// The line that says whose it is.
        mark: String,
    },
    /// An identity.
    Identity {
        /// The configuration it was got with.
        config: PathBuf,
        /// Where it is.
        state_dir: PathBuf,
        /// Whose it is.
        user: Option<String>,
        /// The unit that keeps it alive, and must not go on with it.
        unit: Option<String>,
    },
    /// A unit of systemd.
    Unit {
        /// Its file.
        path: PathBuf,
        /// What was there before.
        before: Option<Kept>,
    },
    /// A unit starts with the host.
    Enabled {
        /// Its name.
        unit: String,
    },
    /// A unit runs.
    Started {
        /// Its name.
        unit: String,
    },
    /// A unit that ran was started anew.
    Restarted {
        /// Its name.
        unit: String,
    },
    /// An agent runs without a service manager.
    Spawned {
        /// Its state directory.
        state_dir: PathBuf,
    },
}

/// What a file was before it was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Name of the copy, in the journal's own directory.
    pub copy: PathBuf,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions.
    pub mode: u32,
}

/// One step of the run under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Which step.
    pub(super) key: String,
    /// How to undo it.
    pub(super) made: Made,
    /// Whether it is over.
    pub(super) done: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    format: u32,
    /// The topmost directory that was made for the journal.
    top: Option<PathBuf>,
    /// By complete runs.
    made: Vec<Record>,
    /// By the run under way.
    run: Option<Vec<Record>>,
}

/// What every format says.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

const FORMAT: u32 = 1;
/// Copies for the run under way, and those that stay.
const RUN: &str = "run";
const BEFORE: &str = "before";

/// The journal of one installation.
#[derive(Debug)]
pub(super) struct Journal {
    place: PathBuf,
    book: Book,
}

impl Journal {
    /// Reads what is there; nothing is written.
    pub(super) fn read(place: &Path) -> Result<Self, InstallError> {
        let path = place.join("journal.json");
        let failed = |source| InstallError::Journal { path: path.clone(), source };
        let Some(text) = absent(fs::read(&path)).map_err(failed)? else {
            return Ok(Self { place: place.to_owned(), book: Book { format: FORMAT, ..Book::default() } });
        };
        let bad = |error| failed(io::Error::new(io::ErrorKind::InvalidData, error));
        let Version { format } = serde_json::from_slice(&text).map_err(bad)?;
        if format > FORMAT {
            return Err(InstallError::Newer(path));
        }
        let book = serde_json::from_slice(&text).map_err(bad)?;
        Ok(Self { place: place.to_owned(), book })
    }

    /// What complete runs have made, oldest first.
    pub(super) fn made(&self) -> &[Record] {
        &self.book.made
    }

    /// What a run that was stopped has begun.
    pub(super) fn unfinished(&self) -> Option<&[Record]> {
        self.book.run.as_deref()
    }

    /// Whether this step was done by a run that was stopped.
    pub(super) fn is_done(&self, key: &str) -> bool {
        self.run().iter().any(|record| record.key == key && record.done)
    }

    pub(super) fn has_begun(&self, key: &str) -> bool {
        self.run().iter().any(|record| record.key == key)
    }

    /// Whether the run has changed anything so far.
    pub(super) fn has_changed(&self) -> bool {
        !self.run().is_empty()
    }

    fn run(&self) -> &[Record] {
        self.book.run.as_deref().unwrap_or_default()
    }

    /// A run begins, or goes on. `top`: the topmost directory that was made for the journal.
    pub(super) fn open(&mut self, top: &Path) -> Result<(), InstallError> {
        self.book.top.get_or_insert_with(|| top.to_owned());
        if self.book.run.is_none() {
            self.book.run = Some(Vec::new());
            self.save()?;
        }
        Ok(())
    }

    /// A step is about to act. What it replaces is copied first. One that was begun before keeps its first word: what
    /// is there now may be half of its own work.
    pub(super) fn begin(&mut self, key: &str, mut made: Made) -> Result<(), Failure> {
        if self.has_begun(key) {
            return Ok(());
        }
        if let Some((path, kept)) = made.kept() {
            kept.copy = Path::new(RUN).join(kept.copy.as_path());
            self.keep(path, &kept.copy)?;
        }
        let record = Record { key: key.to_owned(), made, done: false };
        self.book.run.get_or_insert_default().push(record);
        self.saved()
    }

    fn keep(&self, path: &Path, copy: &Path) -> Result<(), Failure> {
        let bytes = zeroize::Zeroizing::new(fs::read(path).at("read", path)?);
        self.make_dir(RUN).at("make", &self.place)?;
        let copy = self.place.join(copy);
        write_durably(&copy, &bytes, 0o600, || {}).at("write", &copy)
    }

    fn make_dir(&self, name: &str) -> io::Result<()> {
        DirBuilder::new().mode(0o700).recursive(true).create(self.place.join(name))
    }

    pub(super) fn done(&mut self, key: &str) -> Result<(), Failure> {
        let mut run = self.book.run.iter_mut().flatten();
        if let Some(record) = run.find(|record| record.key == key && !record.done) {
            record.done = true;
            return self.saved();
        }
        Ok(())
    }

    /// The run is complete: what it made is known for good, with what was there before the first run of all.
    pub(super) fn complete(&mut self) -> Result<(), InstallError> {
        for mut record in self.book.run.take().unwrap_or_default() {
            let known = self.book.made.iter().any(|known| known.key == record.key);
            if known || matches!(record.made, Made::Restarted { .. }) {
                continue;
            }
            self.settle(&mut record.made).map_err(|source| self.failed(source))?;
            self.book.made.push(record);
        }
        self.save()?;
        absent(fs::remove_dir_all(self.place.join(RUN))).map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// The copy of what was there before stays, unless it is a secret.
    fn settle(&self, made: &mut Made) -> io::Result<()> {
        if let Made::File { before, secret: true, .. } = made {
            *before = None;
        }
        let Some((_, kept)) = made.kept() else { return Ok(()) };
        let stays = Path::new(BEFORE).join(kept.copy.file_name().unwrap_or_default());
        self.make_dir(BEFORE)?;
        // Not there: a run that was stopped right here has moved it already.
        absent(fs::rename(self.place.join(&kept.copy), self.place.join(&stays)))?;
        kept.copy = stays;
        Ok(())
    }

    /// The last thing the run has done, still undone: undo it, then [`Journal::forget_last`].
    pub(super) fn last_of_run(&self) -> Option<&Record> {
        self.run().last()
    }

    /// Not written down: what is undone twice is undone.
    pub(super) fn forget_last(&mut self) {
        if let Some(run) = &mut self.book.run {
            run.pop();
        }
    }

    /// The run was undone. Where nothing else is known no journal is left, on a full disk neither.
    pub(super) fn give_up(&mut self) -> Result<(), InstallError> {
        self.book.run = None;
        let written =
            if self.is_empty() { absent(fs::remove_file(self.path())).map(drop) } else { self.write() };
        let swept = absent(fs::remove_dir_all(self.place.join(RUN)));
        written.and(swept).map(drop).map_err(|source| self.failed(source))
    }

    /// What complete runs made, less one.
    pub(super) fn forget(&mut self, key: &str) -> Result<(), InstallError> {
        self.book.made.retain(|record| record.key != key);
        self.save()
    }

    /// Whether there is nothing left to know.
    pub(super) fn is_empty(&self) -> bool {
        self.book.made.is_empty() && self.book.run.is_none()
    }

    /// The topmost directory that was made for the journal.
    pub(super) fn top(&self) -> Option<&Path> {
        self.book.top.as_deref()
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    fn path(&self) -> PathBuf {
        self.place.join("journal.json")
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.book).expect("a journal is plain data");
        write_durably(&self.path(), &text, 0o600, || {})
    }

    fn save(&self) -> Result<(), InstallError> {
        self.write().map_err(|source| self.failed(source))
    }

    fn saved(&self) -> Result<(), Failure> {
        self.write().at("write", &self.path())
    }

    fn failed(&self, source: io::Error) -> InstallError {
        InstallError::Journal { path: self.path(), source }
    }
}

impl Made {
    fn kept(&mut self) -> Option<(&Path, &mut Kept)> {
        match self {
            Self::File { path, before: Some(kept), .. } | Self::Unit { path, before: Some(kept) } => {
                Some((path, kept))
            }
            Self::User { .. }
            | Self::Directory { .. }
            | Self::Access { .. }
            | Self::File { .. }
            | Self::Link { .. }
            | Self::Entry { .. }
            | Self::Identity { .. }
            | Self::Unit { .. }
            | Self::Enabled { .. }
            | Self::Started { .. }
            | Self::Restarted { .. }
            | Self::Spawned { .. } => None,
        }
    }
}

impl Kept {
    /// What is there now, to be copied by [`Journal::begin`].
    pub(super) fn of(path: &Path, found: &fs::Metadata) -> Self {
        let copy = path.to_string_lossy().trim_start_matches('/').replace('/', "%").into();
        Self { copy, uid: found.uid(), gid: found.gid(), mode: found.permissions().mode() & 0o7777 }
    }
}
