//! The kinds of steps there are.

use super::disk::{Directory, Entry, File, Link, Program};
use super::enrolment::{Enrolment, Joined};
use super::error::Failure;
use super::host::Account;
use super::journal::Made;
use super::service::{self, DropIn, Spawned, Unit};

/// One step of a plan: it looks first, acts only where something is wanting, and can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A user is there.
    Account(Account),
    /// A directory is there, with its owner and mode.
    Directory(Directory),
    /// A file is there, with its content, owner and mode.
    File(File),
    /// A symbolic link leads where it should.
    Link(Link),
    /// This program is there.
    Program(Program),
    /// A registry has an entry, under the next free number.
    Entry(Entry),
    /// The host has an identity.
    Enrolment(Enrolment),
    /// A unit that was started has got an identity.
    Joined(Joined),
    /// systemd knows a unit.
    Unit(Unit),
    /// A unit may more than its file says.
    DropIn(DropIn),
    /// A unit starts with the host.
    Enabled {
        /// Its name, with `.service`.
        unit: String,
    },
    /// A unit runs; started anew where an earlier step of the run has changed something.
    Started {
        /// Its name, with `.service`.
        unit: String,
    },
    /// An agent runs where there is no service manager.
    Spawned(Spawned),
}

/// What a step has found.
#[derive(Debug)]
pub(super) enum Look {
    /// All is as it should be.
    Fine,
    /// Something has to be done; this undoes it.
    Wanting(Made),
}

impl Step {
    /// What it is for; also by what the journal knows it.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Account(account) => account.what(),
            Self::Directory(directory) => format!("make the directory {}", directory.path.display()),
            Self::File(file) => format!("write {}", file.path.display()),
            Self::Link(link) => format!("link {} to {}", link.path.display(), link.target.display()),
            Self::Program(program) => format!("copy this program to {}", program.path.display()),
            Self::Entry(entry) => format!("enter it in the registry {}", entry.dir.display()),
            Self::Enrolment(enrolment) => format!("enrol into {}", enrolment.state_dir.display()),
            Self::Joined(joined) => format!("see that {} enrols", joined.unit),
            Self::Unit(unit) => format!("make the unit {}", unit.name),
            Self::DropIn(drop_in) => format!("write {}", drop_in.path().display()),
            Self::Enabled { unit } => format!("enable {unit}"),
            Self::Started { unit } => format!("start {unit}"),
            Self::Spawned(spawned) => format!("start an agent for {}", spawned.state_dir.display()),
        }
    }

    /// `changed`: whether an earlier step of this run has changed something.
    pub(super) async fn look(&self, changed: bool) -> Result<Look, Failure> {
        match self {
            Self::Account(account) => account.look(),
            Self::Directory(directory) => directory.look(),
            Self::File(file) => file.look(),
            Self::Link(link) => link.look(),
            Self::Program(program) => program.look(),
            Self::Entry(entry) => entry.look(),
            Self::Enrolment(enrolment) => Ok(enrolment.look()),
            Self::Joined(joined) => Ok(joined.look()),
            Self::Unit(unit) => unit.look().await,
            Self::DropIn(drop_in) => drop_in.look().await,
            Self::Enabled { unit } => service::look_enabled(unit).await,
            Self::Started { unit } => service::look_started(unit, changed).await,
            Self::Spawned(spawned) => Ok(spawned.look()),
        }
    }

    /// May be done again after it was stopped in the middle.
    pub(super) async fn act(&self) -> Result<(), Failure> {
        match self {
            Self::Account(account) => account.act().await,
            Self::Directory(directory) => directory.act(),
            Self::File(file) => file.act(),
            Self::Link(link) => link.act(),
            Self::Program(program) => program.act(),
            Self::Entry(entry) => entry.act(),
            Self::Enrolment(enrolment) => enrolment.act().await,
            Self::Joined(joined) => joined.act().await,
            Self::Unit(unit) => unit.act().await,
            Self::DropIn(drop_in) => drop_in.act().await,
            Self::Enabled { unit } => service::enable(unit).await,
            Self::Started { unit } => service::start(unit).await,
            Self::Spawned(spawned) => spawned.act().await,
        }
    }
}
