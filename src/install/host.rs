//! The host's accounts and tools.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::{Group, User};
use tokio::process::Command;

use super::error::{At as _, Failure};
use super::journal::Made;
use super::step::Look;

/// Whom something belongs to, by name: resolved when it is needed, for an earlier step may make the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user; whoever installs where absent.
    pub user: Option<String>,
    /// The group; the user's own where absent.
    pub group: Option<String>,
}

impl Owner {
    /// That user and its own group.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self { user: Some(name.to_owned()), group: None }
    }

    /// Numbers, where names are given.
    pub(super) fn ids(&self) -> Result<(Option<u32>, Option<u32>), Failure> {
        let user = self.user.as_deref().map(find_user).transpose()?;
        let group = self.group.as_deref().map(find_group).transpose()?;
        let own = user.as_ref().map(|user| user.gid.as_raw());
        Ok((user.map(|user| user.uid.as_raw()), group.or(own)))
    }

    pub(super) fn owns(&self, found: &fs::Metadata) -> Result<bool, Failure> {
        // Before the account is made nothing can belong to it.
        let ids = match self.ids() {
            Err(Failure::Nobody { .. }) => return Ok(false),
            ids => ids?,
        };
        let fits = |want: Option<u32>, found| want.is_none_or(|want| want == found);
        Ok(fits(ids.0, found.uid()) && fits(ids.1, found.gid()))
    }

    pub(super) fn give(&self, path: &Path) -> Result<(), Failure> {
        let (user, group) = self.ids()?;
        if user.is_none() && group.is_none() {
            Ok(())
        } else {
            chown(path, user, group).at("give away", path)
        }
    }
}

/// Owner and mode of what was there before.
pub(super) fn restore_access(path: &Path, uid: u32, gid: u32, mode: u32) -> std::io::Result<()> {
    chown(path, Some(uid), Some(gid))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

pub(super) fn find_user(name: &str) -> Result<User, Failure> {
    let found = match name.parse::<u32>() {
        Ok(number) => User::from_uid(number.into()),
        Err(_) => User::from_name(name),
    };
    let nobody = || Failure::Nobody { what: "user", name: name.to_owned() };
    found.map_err(std::io::Error::from).at("look up users in", Path::new("/etc/passwd"))?.ok_or_else(nobody)
}

fn find_group(name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let nobody = || Failure::Nobody { what: "group", name: name.to_owned() };
    let found = Group::from_name(name).map_err(std::io::Error::from);
    Ok(found.at("look up groups in", Path::new("/etc/group"))?.ok_or_else(nobody)?.gid.as_raw())
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// What happens where there is none.
    pub missing: Missing,
}

/// What happens where an account is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The installation fails.
    Fails,
    /// A system user without a password or a shell is made.
    MakeSystem {
        /// Its home, which is not made.
        home: PathBuf,
    },
}

impl Account {
    pub(super) fn what(&self) -> String {
        match self.missing {
            Missing::Fails => format!("look for the user {}", self.name),
            Missing::MakeSystem { .. } => format!("make the system user {}", self.name),
        }
    }

    pub(super) fn look(&self) -> Result<Look, Failure> {
        match (find_user(&self.name), &self.missing) {
            (Ok(_), _) => Ok(Look::Fine),
            (Err(Failure::Nobody { .. }), Missing::MakeSystem { .. }) => {
                Ok(Look::Wanting(Made::User { name: self.name.clone() }))
            }
            (Err(error), _) => Err(error),
        }
    }

    pub(super) async fn act(&self) -> Result<(), Failure> {
        let Missing::MakeSystem { home } = &self.missing else { return Ok(()) };
        let mut command = Command::new("useradd");
        command.args([
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            "--home-dir",
        ]);
        tool(command.arg(home).arg(&self.name)).await.map(drop)
    }
}

/// Whether systemd is the one that runs services here (`sd_booted(3)`).
#[must_use]
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Runs a tool of the host to its end; what it wrote to standard output.
pub(super) async fn tool(command: &mut Command) -> Result<String, Failure> {
    let line = {
        let command = command.as_std();
        let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    let failed = |said: String| Failure::Tool { command: line.clone(), said };
    // Not everybody who is root has the administrator's tools on the path.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin"));
    let ended = command.stdin(Stdio::null()).env_remove(crate::credential::ENVIRONMENT).output().await;
    let ended = ended.map_err(|error| failed(error.to_string()))?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned());
    }
    let said = [&ended.stderr, &ended.stdout].map(|text| String::from_utf8_lossy(text).trim().to_owned());
    let last = said.iter().find_map(|text| text.lines().next_back()).map(str::to_owned);
    Err(failed(last.unwrap_or_else(|| ended.status.to_string())))
}
