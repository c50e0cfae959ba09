//! Carrying out a plan: look, write down, act; resume what was stopped, undo what failed.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Failure, InstallError};
use super::event::{Did, Event};
use super::journal::{Journal, Made, Record};
use super::service;
use super::step::{Look, Step};
use crate::clock::{Clock as _, SystemClock};
use crate::durable::absent;
use crate::faults;

/// What is to be there in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The journal's directory, beside what is installed; made where it is missing.
    pub place: PathBuf,
    /// In this order.
    pub steps: Vec<Step>,
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How many steps changed something, or would.
    pub changed: usize,
    /// How many there are.
    pub steps: usize,
    /// Whether it took up a run that was stopped.
    pub resumed: bool,
}

/// Looks what would be done, and does nothing at all.
pub async fn dry_run(plan: &Plan, tell: &mut impl FnMut(Event)) -> Result<Outcome, InstallError> {
    let journal = Journal::read(&plan.place)?;
    let of = plan.steps.len();
    let resumed = say_resuming(plan, &journal, tell);
    let mut changed = 0;
    for (at, step) in plan.steps.iter().enumerate() {
        let (number, what) = (at + 1, step.what());
        let look = step.look(changed > 0 || journal.has_changed()).await;
        let look = look.map_err(|failure| fails(number, of, &what, failure))?;
        let did = match look {
            Look::Fine => Did::Nothing,
            Look::Wanting(_) => Did::Would,
        };
        changed += usize::from(did == Did::Would);
        tell(Event::Step { number, of, what, did });
    }
    tell(Event::Finished { changed, of, dry_run: true });
    Ok(Outcome { changed, steps: of, resumed })
}

/// Carries the plan out. When it returns an error, what this run did is undone, a stopped one's part included.
pub async fn apply(plan: &Plan, tell: &mut impl FnMut(Event)) -> Result<Outcome, InstallError> {
    let lock = Lock::take(&plan.place, tell).await?;
    let applied = apply_locked(plan, &lock.top, tell).await;
    lock.leave(applied.is_err())?;
    applied
}

async fn apply_locked(
    plan: &Plan,
    top: &Path,
    tell: &mut impl FnMut(Event),
) -> Result<Outcome, InstallError> {
    let mut journal = Journal::read(&plan.place)?;
    let resumed = say_resuming(plan, &journal, tell);
    journal.open(top)?;
    undo_unplanned(plan, top, &mut journal, tell).await?;
    let of = plan.steps.len();
    let mut changed = 0;
    for (at, step) in plan.steps.iter().enumerate() {
        let number = at + 1;
        match one(step, number, &mut journal).await {
            Ok(did) => {
                changed += usize::from(did != Did::Nothing);
                tell(Event::Step { number, of, what: step.what(), did });
            }
            Err(failure) => {
                let left = undo_run(&mut journal, tell).await?;
                return Err(InstallError::Step { number, of, what: step.what(), failure, left });
            }
        }
    }
    journal.complete()?;
    tell(Event::Finished { changed, of, dry_run: false });
    Ok(Outcome { changed, steps: of, resumed })
}

async fn one(step: &Step, number: usize, journal: &mut Journal) -> Result<Did, Failure> {
    let key = step.what();
    let before = journal.is_done(&key);
    match step.look(journal.has_changed()).await? {
        // Stopped between the deed and the word that it is done.
        Look::Fine if journal.has_begun(&key) => {
            journal.done(&key)?;
            Ok(if before { Did::Before } else { Did::Changed })
        }
        Look::Fine => Ok(Did::Nothing),
        Look::Wanting(made) => {
            journal.begin(&key, made)?;
            faults::numbered_point("install.begun", number);
            step.act().await?;
            faults::numbered_point("install.acted", number);
            journal.done(&key)?;
            faults::numbered_point("install.done", number);
            Ok(Did::Changed)
        }
    }
}

fn fails(number: usize, of: usize, what: &str, failure: Failure) -> InstallError {
    InstallError::Step { number, of, what: what.to_owned(), failure, left: Vec::new() }
}

fn say_resuming(plan: &Plan, journal: &Journal, tell: &mut impl FnMut(Event)) -> bool {
    if journal.unfinished().is_none() {
        return false;
    }
    let of = plan.steps.len();
    let last = plan.steps.iter().rposition(|step| journal.has_begun(&step.what()));
    let number = last.map_or(1, |last| last + 1 + usize::from(journal.is_done(&plan.steps[last].what())));
    tell(Event::Resuming { number: number.min(of), of });
    true
}

/// A run that was stopped may have had another plan: what is not in this one is undone first.
async fn undo_unplanned(
    plan: &Plan,
    top: &Path,
    journal: &mut Journal,
    tell: &mut impl FnMut(Event),
) -> Result<(), InstallError> {
    let planned = |record: &Record| plan.steps.iter().any(|step| step.what() == record.key);
    if journal.unfinished().unwrap_or_default().iter().all(planned) {
        return Ok(());
    }
    let left = undo_run(journal, tell).await?;
    for what in left {
        tell(Event::Left { what });
    }
    journal.open(top)
}

/// In reverse; what cannot be undone is named, and the rest is undone all the same.
async fn undo_run(journal: &mut Journal, tell: &mut impl FnMut(Event)) -> Result<Vec<String>, InstallError> {
    let mut left = Vec::new();
    let mut again = Vec::new();
    while let Some(Record { made, .. }) = journal.last_of_run().cloned() {
        if let Made::Restarted { unit } = &made {
            again.push(unit.clone());
        }
        let what = made.what();
        match made.undo(journal.place(), tell).await {
            Ok(()) => tell(Event::Undone { what }),
            Err(error) => left.push(format!("{what} ({})", crate::trouble::whole(&error))),
        }
        journal.forget_last();
    }
    journal.give_up()?;
    for unit in again {
        if let Err(error) = service::start(&unit).await {
            left.push(error.to_string());
        }
    }
    Ok(left)
}

/// What complete runs have made, oldest first.
pub fn made(place: &Path) -> Result<Vec<Made>, InstallError> {
    Ok(Journal::read(place)?.made().iter().map(|record| record.made.clone()).collect())
}

/// How much is removed.
#[derive(Debug, Clone, Copy)]
pub enum Removal {
    /// All that was made.
    All,
    /// All but what the predicate wants to stay.
    But(fn(&Made) -> bool),
}

impl Removal {
    fn takes(self, made: &Made) -> bool {
        match self {
            Self::All => true,
            Self::But(stays) => !stays(made),
        }
    }
}

/// Removes what complete runs have made, the latest first, and what a stopped one has begun. May be stopped and done
/// again. Returns how much there was to remove.
pub async fn remove(
    place: &Path,
    removal: Removal,
    tell: &mut impl FnMut(Event),
) -> Result<usize, InstallError> {
    if absent(fs::symlink_metadata(place)).is_ok_and(|found| found.is_none()) {
        return Ok(0);
    }
    let lock = Lock::take(place, tell).await?;
    let removed = remove_locked(place, removal, tell).await;
    lock.leave(true)?;
    removed
}

async fn remove_locked(
    place: &Path,
    removal: Removal,
    tell: &mut impl FnMut(Event),
) -> Result<usize, InstallError> {
    let mut journal = Journal::read(place)?;
    if journal.unfinished().is_some() {
        for what in undo_run(&mut journal, tell).await? {
            tell(Event::Left { what });
        }
    }
    let records: Vec<_> =
        journal.made().iter().rev().filter(|record| removal.takes(&record.made)).cloned().collect();
    for (at, Record { key, made, .. }) in records.iter().enumerate() {
        let what = made.what();
        let undone = made.undo(journal.place(), tell).await;
        undone.map_err(|failure| InstallError::Removal { what: what.clone(), failure })?;
        faults::numbered_point("remove.undone", at + 1);
        journal.forget(key)?;
        tell(Event::Undone { what });
    }
    Ok(records.len())
}

/// One run at a time.
#[derive(Debug)]
struct Lock {
    place: PathBuf,
    /// The topmost directory that was made for it.
    top: PathBuf,
    _file: File,
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Lock {
    /// Waits for as long as another run takes.
    async fn take(place: &Path, tell: &mut impl FnMut(Event)) -> Result<Self, InstallError> {
        let path = place.join("lock");
        let failed = |source| InstallError::Journal { path: path.clone(), source };
        let missing = place.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let top = missing.last().unwrap_or(place).to_owned();
        let mut told = false;
        loop {
            if let Some(parent) = place.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            DirBuilder::new().mode(0o700).recursive(true).create(place).map_err(failed)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let Some(mut file) = absent(options.open(&path)).map_err(failed)? else { continue };
            match file.try_lock() {
                // One that was removed meanwhile locks nothing.
                Ok(()) if !is_still_there(&file, &path) => {}
                Ok(()) => {
                    // For the message of another run. The lock holds without it.
                    _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                    return Ok(Self { place: place.to_owned(), top, _file: file });
                }
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut told, true) {
                        let mut holder = String::new();
                        _ = file.read_to_string(&mut holder);
                        tell(Event::Waiting { holder: holder.trim().to_owned() });
                    }
                    SystemClock.sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// Where nothing is left to know, nothing is left at all.
    fn leave(self, may_be_empty: bool) -> Result<(), InstallError> {
        let journal = Journal::read(&self.place)?;
        if may_be_empty && journal.is_empty() {
            let top = journal.top().unwrap_or(&self.top);
            let gone = absent(fs::remove_dir_all(&self.place)).map(drop);
            gone.map_err(|source| InstallError::Journal { path: self.place.clone(), source })?;
            let above = self.place.ancestors().skip(1).take_while(|dir| dir.starts_with(top));
            for dir in above {
                // What others have put there meanwhile stays.
                _ = fs::remove_dir(dir);
            }
        }
        Ok(())
    }
}

fn is_still_there(file: &File, path: &Path) -> bool {
    let same = || -> io::Result<bool> {
        let (held, named) = (file.metadata()?, fs::metadata(path)?);
        Ok((held.dev(), held.ino()) == (named.dev(), named.ino()))
    };
    same().unwrap_or(false)
}
