//! What a run tells while it goes on: as lines for people, as objects for machines.

use std::fmt;

use serde::Serialize;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Another run is under way; this one waits for its end.
    Waiting {
        /// The other one's process.
        holder: String,
    },
    /// A run that was stopped is taken up again.
    Resuming {
        /// The first step that is not done yet.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// A step is over.
    Step {
        /// Which one.
        number: usize,
        /// How many there are.
        of: usize,
        /// What it is for.
        what: String,
        /// How it went.
        did: Did,
    },
    /// Something was undone.
    Undone {
        /// What had been done.
        what: String,
    },
    /// Something was left, and why.
    Left {
        /// What, and why.
        what: String,
    },
    /// Worth knowing.
    Note {
        /// A sentence.
        what: String,
    },
    /// All steps are over.
    Finished {
        /// How many steps changed something, or would.
        changed: usize,
        /// How many there are.
        of: usize,
        /// Whether nothing was really done.
        dry_run: bool,
    },
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Did {
    /// It changed something.
    Changed,
    /// All was as it should be.
    Nothing,
    /// It was done before this run was stopped.
    Before,
    /// It would change something.
    Would,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { holder } => {
                write!(f, "another installation is at work here (process {holder}): waiting for its end")
            }
            Self::Resuming { number, of } => write!(f, "resuming at step {number} of {of}"),
            Self::Step { number, of, what, did } => match did {
                Did::Changed => write!(f, "[{number}/{of}] {what}: done"),
                Did::Nothing => write!(f, "[{number}/{of}] {what}: nothing to do"),
                Did::Before => write!(f, "[{number}/{of}] {what}: done before the stop"),
                Did::Would => write!(f, "[{number}/{of}] {what}: would be done"),
            },
            Self::Undone { what } => write!(f, "undone: {what}"),
            Self::Left { what } => write!(f, "left: {what}"),
            Self::Note { what } => f.write_str(what),
            Self::Finished { changed: 0, dry_run: true, .. } => write!(f, "nothing would change"),
            Self::Finished { changed, of, dry_run: true } => {
                write!(f, "{changed} of {of} steps would change something; nothing was changed")
            }
            Self::Finished { changed: 0, .. } => write!(f, "nothing to do: everything is in place"),
            Self::Finished { changed, of, .. } => {
                write!(f, "{changed} of {of} steps changed something; everything is in place")
            }
        }
    }
}
