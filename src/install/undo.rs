//! Undoing what was made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::disk::{find_entry, place, unnumbered};
use super::enrolment::{as_user, holds_identity};
use super::error::{At as _, Failure};
use super::event::Event;
use super::host::{Owner, find_user, restore_access, tool};
use super::journal::{Kept, Made};
use super::service;
use crate::durable::{absent, beside, switch};
use crate::store::Store;

impl Made {
    /// For people.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::User { name } => format!("the user {name}"),
            Self::Directory { path, .. } => format!("the directory {}", path.display()),
            Self::Access { path, .. } => format!("owner and mode of {}", path.display()),
            Self::File { path, .. } | Self::Unit { path, .. } => path.display().to_string(),
            Self::Link { path, .. } => format!("the link {}", path.display()),
            Self::Entry { dir, .. } => format!("the entry in {}", dir.display()),
            Self::Identity { state_dir, .. } => format!("the identity in {}", state_dir.display()),
            Self::Enabled { unit } => format!("{unit} starts with the host"),
            Self::Started { unit } | Self::Restarted { unit } => format!("{unit} runs"),
            Self::Spawned { state_dir } => format!("the agent for {} runs", state_dir.display()),
        }
    }

    /// Undoes it; what is gone already is fine. `place`: the journal's directory, where copies are.
    pub(super) async fn undo(&self, place: &Path, tell: &mut impl FnMut(Event)) -> Result<(), Failure> {
        match self {
            Self::User { name } => remove_user(name).await,
            Self::Directory { path, top, ours } => remove_dir(path, top, *ours, tell),
            Self::Access { path, uid, gid, mode } => {
                absent(restore_access(path, *uid, *gid, *mode)).map(drop).at("restore", path)
            }
            Self::File { path, before, .. } => restore(path, before.as_ref(), place),
            Self::Link { path, before: Some(target) } => switch(path, target, || {}).at("restore", path),
            Self::Link { path, before: None } => remove_file(path),
            Self::Entry { dir, prefix, suffix, mark } => {
                let new = unnumbered(dir, prefix, mark);
                remove_file(&new)?;
                find_entry(dir, prefix, suffix, mark)?.map_or(Ok(()), |(_, path)| remove_file(&path))
            }
            Self::Identity { config, state_dir, user, unit } => {
                if let Some(unit) = unit {
                    service::stop(unit).await?;
                }
                leave_master(config, state_dir, user.as_deref(), tell).await;
                forget(state_dir)
            }
            Self::Unit { path, before } => {
                restore(path, before.as_ref(), place)?;
                service::reload().await
            }
            Self::Enabled { unit } => service::disable(unit).await,
            Self::Started { unit } => service::stop(unit).await,
            // Done at the very end, when what it runs with is as it was.
            Self::Restarted { .. } => Ok(()),
            Self::Spawned { state_dir } => service::stop_spawned(state_dir).await,
        }
    }
}

fn remove_file(path: &Path) -> Result<(), Failure> {
    absent(fs::remove_file(path)).map(drop).at("remove", path)
}

fn restore(path: &Path, before: Option<&Kept>, journal: &Path) -> Result<(), Failure> {
    let Some(kept) = before else {
        remove_file(&beside(path, ".new"))?;
        return remove_file(path);
    };
    let copy = journal.join(&kept.copy);
    let bytes = zeroize::Zeroizing::new(fs::read(&copy).at("read", &copy)?);
    place(path, &bytes, kept.mode, &Owner::default())?;
    restore_access(path, kept.uid, kept.gid, kept.mode).at("restore", path)
}

/// What others have put into it stays, and so does it then.
fn remove_dir(path: &Path, top: &Path, ours: bool, tell: &mut impl FnMut(Event)) -> Result<(), Failure> {
    if ours {
        // systemd moves the directory of a service with `DynamicUser=` aside and leaves a link.
        let target = absent(fs::canonicalize(path)).at("look at", path)?;
        let whole = target.map_or(Ok(None), |target| absent(fs::remove_dir_all(target)));
        whole.at("remove", path)?;
        if absent(fs::symlink_metadata(path)).at("look at", path)?.is_some() {
            remove_file(path)?;
        }
    }
    let mut dirs = path.ancestors().take_while(|dir| dir.starts_with(top));
    let stuck = dirs.find_map(|dir| absent(fs::remove_dir(dir)).err().map(|error| (dir, error)));
    match stuck {
        None => Ok(()),
        Some((dir, error)) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            tell(Event::Left { what: format!("{} holds something that is not ours", dir.display()) });
            Ok(())
        }
        Some((dir, error)) => Err(error).at("remove", dir),
    }
}

async fn remove_user(name: &str) -> Result<(), Failure> {
    match find_user(name) {
        Ok(_) => tool(Command::new("userdel").arg(name)).await.map(drop),
        Err(Failure::Nobody { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whatever comes of it, the host is cleaned; an administrator learns what is left at the master.
async fn leave_master(config: &Path, state_dir: &Path, user: Option<&str>, tell: &mut impl FnMut(Event)) {
    if !holds_identity(state_dir) {
        return;
    }
    let left = match as_user(config, user, &["deregister"], None).await {
        Ok(ended) if ended.status.success() => return,
        Ok(ended) => String::from_utf8_lossy(&ended.stderr).lines().collect::<Vec<_>>().join("; "),
        Err(error) => error.to_string(),
    };
    tell(Event::Left { what: format!("the agent is still known to the master: {left}") });
}

/// Everything an identity is, but not the directory itself.
fn forget(state_dir: &Path) -> Result<(), Failure> {
    let failed = |error: crate::store::StoreError| Failure::Io {
        doing: "forget the identity in",
        path: PathBuf::from(state_dir),
        source: io::Error::other(error.to_string()),
    };
    Store::open(state_dir).and_then(|store| store.forget()).map_err(failed)
}
