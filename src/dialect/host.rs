//! The host as an installation finds it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use gatepass_contract::name::DisplayName;
use nix::unistd::{User, geteuid};

use super::codes::{Code, Message};
use super::layout::{Facts, Instance};
use super::registry;
use super::request::{Gateway, New, wrong};
use crate::durable::absent;
use crate::facts;

/// Whether whoever runs this may do everything.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The account of that name. `checked`: its home has to be there too.
pub fn account(name: &str, checked: bool) -> Result<User, Message> {
    let nobody = |why: String| {
        Message::new(Code::NoUser, why).hint(format!("Make it first: `useradd --create-home {name}`."))
    };
    let found = User::from_name(name)
        .map_err(|error| nobody(format!("The user `{name}` cannot be looked up: {error}.")))?;
    let user = found.ok_or_else(|| nobody(format!("There is no user `{name}` on this host.")))?;
    if checked && !user.dir.is_dir() {
        return Err(nobody(format!(
            "The home directory of `{name}`, {}, does not exist.",
            user.dir.display()
        )));
    }
    if user.uid.is_root() {
        return Err(Message::new(
            Code::RootRefused,
            format!("`{name}` is root under another name: an agent does not run as root."),
        ));
    }
    if !is_root() && user.uid != geteuid() {
        return Err(
            wrong("uname", "only root installs for somebody else").hint("Run it as root, or as that user.")
        );
    }
    Ok(user)
}

/// The registry of whoever runs this.
#[must_use]
pub fn registry_dir() -> PathBuf {
    let own = User::from_uid(geteuid()).ok().flatten();
    registry::place(&own.map(|user| user.dir).unwrap_or_default(), is_root())
}

/// Where the instance goes.
#[must_use]
pub fn instance(asked: &New, account: &User) -> Instance {
    let inst = asked.inst_dir.clone().unwrap_or_else(|| default_place(&asked.user, account));
    let data = asked.data_dir.clone().unwrap_or_else(|| inst.join("TWSDATA"));
    Instance { user: asked.user.clone(), inst, data }
}

fn default_place(user: &str, account: &User) -> PathBuf {
    if !is_root() {
        return account.dir.join("TWA");
    }
    let vendor =
        if Path::new("/opt/IBM").is_dir() && !Path::new("/opt/HCL").is_dir() { "IBM" } else { "HCL" };
    Path::new("/opt").join(vendor).join(format!("TWA_{user}"))
}

/// What the agent is called, and how the master reaches this host.
pub fn names(asked: &New) -> Result<Facts, Message> {
    let own = facts::gather(Path::new("/")).host_names;
    // The full name stands last, where there is one.
    let host = asked.host_name.clone().or_else(|| own.last().map(ToString::to_string));
    let host = host.ok_or_else(|| missing("hostname", "this host has no name of its own"))?;
    let name = match asked.display_name.clone() {
        Some(name) => name,
        None => default_name(&own.first().map_or_else(|| host.clone(), ToString::to_string))?,
    };
    Ok(Facts { name, host })
}

fn default_name(host: &str) -> Result<DisplayName, Message> {
    if host.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(missing("displayname", &format!("the host name `{host}` begins with a digit")));
    }
    let label = host.split('.').next().unwrap_or_default();
    label.parse().map_err(|_| missing("displayname", &format!("`{label}` is no name")))
}

fn missing(name: &str, why: &str) -> Message {
    Message::new(Code::Missing, format!("`-{name}` is missing: {why}."))
}

/// Nothing else may be where the instance goes. A run that was stopped has left a journal: then it is its own.
pub fn place_is_free(instance: &Instance, known: &[Instance]) -> Result<(), Message> {
    let taken = |text: String| {
        Message::new(Code::PreviousInstance, text)
            .hint("`-inst_dir` names another place; `-uninst` removes an instance.")
    };
    if let Some(other) = known.iter().find(|other| other.inst == instance.inst && other.user != instance.user)
    {
        return Err(taken(format!("{} is the instance of `{}`.", instance.inst.display(), other.user)));
    }
    if known.contains(instance) || instance.journal().join("journal.json").exists() {
        return Ok(());
    }
    for dir in [&instance.inst, &instance.data] {
        let holds = absent(fs::read_dir(dir))
            .map_err(|error| taken(format!("{} cannot be read: {error}.", dir.display())))?;
        if holds.is_some_and(|mut entries| entries.next().is_some()) {
            return Err(taken(format!("{} is not empty.", dir.display())));
        }
    }
    Ok(())
}

/// Room, and a free port for a gateway.
pub fn prerequisites(instance: &Instance, asked: Option<&New>) -> Result<(), Message> {
    let unmet = |text: String| {
        Message::new(Code::Prerequisite, text).hint("`-skipcheckprereq` goes on without this check.")
    };
    let program = fs::metadata("/proc/self/exe").map(|found| found.len()).unwrap_or_default();
    for (dir, wanted) in [(&instance.inst, 2 * program + ROOM), (&instance.data, ROOM)] {
        let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
        let found = rustix::fs::statvfs(there)
            .map_err(|error| unmet(format!("{} cannot be looked at: {error}.", there.display())))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < wanted {
            return Err(unmet(format!(
                "There is too little room for {}: {} MB are free and {} MB are needed.",
                dir.display(),
                free / MEGABYTE,
                wanted.div_ceil(MEGABYTE)
            )));
        }
    }
    match asked {
        Some(New { gateway: Gateway::Local, port, .. }) => {
            let free = TcpListener::bind(("::", *port)).or_else(|_| TcpListener::bind(("0.0.0.0", *port)));
            free.map(drop)
                .map_err(|error| unmet(format!("The gateway's port {port} cannot be had: {error}.")))
        }
        Some(_) | None => Ok(()),
    }
}

const MEGABYTE: u64 = 1 << 20;
/// For configuration, identity and logs.
const ROOM: u64 = 16 * MEGABYTE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_gives_its_name_where_it_can() {
        for (host, want) in
            [("db7", Some("db7")), ("db7.eu.example.com", Some("db7")), ("7db", None), ("", None)]
        {
            assert_eq!(default_name(host).ok().map(|name| name.to_string()).as_deref(), want, "{host}");
        }
    }
}
