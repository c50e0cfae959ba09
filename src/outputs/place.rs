//! The link that consumers open and the numbered directories beside it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::OutputError;
use super::files::{Entry, is_up_to_date};
use super::label::Label;
use crate::durable::{Generation, absent, beside, parent, switch_prepared, sync_dir};
use crate::faults;

/// Behind the name of a directory that made room.
const ASIDE: &str = ".before-gatepass";

/// The link and the numbered directories beside it.
pub(super) struct Place {
    pub(super) link: PathBuf,
    prefix: OsString,
}

/// What is where consumers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    Ours(Generation),
    /// Somebody else's.
    Foreign,
}

impl Place {
    pub(super) fn of(dir: &Path) -> Self {
        let mut prefix = dir.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        Self { link: dir.to_owned(), prefix }
    }

    pub(super) fn numbered(&self, number: Generation) -> PathBuf {
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

    pub(super) fn there(&self) -> Result<There, OutputError> {
        match absent(fs::read_link(&self.link)) {
            Ok(None) => Ok(There::Nothing),
            Ok(Some(target)) => Ok(self.number_of(&target).map_or(There::Foreign, There::Ours)),
            // EINVAL: it exists and is no link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(There::Foreign),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Whether consumers find these files.
    pub(super) fn holds(&self, there: There, wanted: &[Entry]) -> bool {
        matches!(there, There::Ours(number) if is_up_to_date(&self.numbered(number), wanted))
    }

    /// The directory that consumers find now.
    pub(super) fn found(&self, there: There) -> Option<PathBuf> {
        match there {
            There::Nothing => None,
            There::Ours(number) => Some(self.numbered(number)),
            There::Foreign => Some(self.link.clone()),
        }
    }

    pub(super) fn failed(&self, source: io::Error) -> OutputError {
        OutputError::Io { path: self.link.clone(), source }
    }

    fn numbers(&self) -> io::Result<Vec<Generation>> {
        let names: io::Result<Vec<_>> =
            fs::read_dir(parent(&self.link))?.map(|entry| entry.map(|entry| entry.file_name())).collect();
        Ok(names?.iter().filter_map(|name| self.number_of(name.as_ref())).collect())
    }

    pub(super) fn next(&self) -> Result<Generation, OutputError> {
        let numbers = self.numbers().map_err(|source| self.failed(source))?;
        Ok(Generation(numbers.into_iter().max().map_or(1, |last| last.0 + 1)))
    }

    /// The commit point, one rename.
    pub(super) fn switch(&self, there: There, number: Generation) -> Result<(), OutputError> {
        match there {
            There::Nothing | There::Ours(_) => {
                let label = Label::of(&self.link);
                let next = |next: &Path| {
                    label.set(next)?;
                    faults::point("output.before-rename");
                    Ok(())
                };
                switch_prepared(&self.link, Path::new(&self.name(number)), next)
                    .map_err(|source| self.failed(source))?;
            }
            There::Foreign => self.take(number)?,
        }
        faults::point("output.after-rename");
        sync_dir(parent(&self.link)).map_err(|source| self.failed(source))
    }

    /// Puts the link where somebody else's directory is, and that directory beside it, in one rename: it exchanges the
    /// two names, so that nobody ever finds neither.
    fn take(&self, number: Generation) -> Result<(), OutputError> {
        let aside = beside(&self.link, ASIDE);
        // What an attempt left that was stopped before the exchange.
        if fs::read_link(&aside).is_ok_and(|target| self.number_of(&target).is_some()) {
            fs::remove_file(&aside).map_err(|source| self.failed(source))?;
        }
        symlink(self.name(number), &aside).map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                OutputError::Kept { dir: self.link.clone(), aside: aside.clone() }
            } else {
                self.failed(source)
            }
        })?;
        faults::point("output.before-rename");
        renameat_with(CWD, &aside, CWD, &self.link, RenameFlags::EXCHANGE).map_err(|errno| {
            // Best effort: it is our own link, and the next attempt removes it too.
            _ = fs::remove_file(&aside);
            OutputError::Exchange { dir: self.link.clone(), source: errno.into() }
        })
    }

    /// Removes what this program has put there; somebody else's directory stays. Whether there was anything.
    pub(super) fn remove(&self) -> io::Result<bool> {
        let numbers = absent(self.numbers())?.unwrap_or_default();
        let link = fs::read_link(&self.link).is_ok_and(|target| self.number_of(&target).is_some());
        if link {
            fs::remove_file(&self.link)?;
        }
        numbers.iter().try_for_each(|&number| fs::remove_dir_all(self.numbered(number)))?;
        Ok(link || !numbers.is_empty())
    }

    /// Keeps the one before: a consumer may be reading it.
    pub(super) fn sweep(&self, keep: [There; 2]) -> Result<(), OutputError> {
        let numbers = self.numbers().map_err(|source| self.failed(source))?;
        let mut old = numbers.into_iter().filter(|&number| !keep.contains(&There::Ours(number)));
        old.try_for_each(|number| fs::remove_dir_all(self.numbered(number)))
            .map_err(|source| self.failed(source))
    }
}
