//! The registry of instances: `/etc/TWA/twainstance<n>.TWA.properties`, or `~/.TWA` of who is not root.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::codes::{Code, Message};
use super::layout::Instance;
use crate::durable::{absent, beside};

/// Before an entry's number.
pub const PREFIX: &str = "twainstance";
/// Behind it.
pub const SUFFIX: &str = ".TWA.properties";

/// Where it is.
#[must_use]
pub fn place(home: &Path, is_root: bool) -> PathBuf {
    if is_root { "/etc/TWA".into() } else { home.join(".TWA") }
}

/// Every instance it knows. `recover`: entries that cannot be understood are moved aside instead of refused.
pub fn instances(dir: &Path, recover: bool) -> Result<Vec<Instance>, Message> {
    let failed = |path: &Path, error: io::Error| {
        Message::new(Code::Stopped, format!("{} cannot be read: {error}.", path.display()))
    };
    let Some(entries) = absent(fs::read_dir(dir)).map_err(|error| failed(dir, error))? else {
        return Ok(Vec::new());
    };
    let mut instances = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(dir, error))?.path();
        if !is_entry(&path) {
            continue;
        }
        // One that another run has just removed is none.
        let Some(bytes) = absent(fs::read(&path)).map_err(|error| failed(&path, error))? else { continue };
        match std::str::from_utf8(&bytes).ok().and_then(parse) {
            Some(found) => instances.extend(found),
            None if recover => {
                fs::rename(&path, beside(&path, ".corrupt")).map_err(|error| failed(&path, error))?;
            }
            None => {
                return Err(Message::new(
                    Code::RegistryCorrupt,
                    format!("{} cannot be understood.", path.display()),
                )
                .hint("`-recovInstReg true` moves it aside and goes on."));
            }
        }
    }
    Ok(instances)
}

fn is_entry(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `None`: not an entry at all. `Some(None)`: one of a component that is no agent.
#[expect(clippy::option_option, reason = "corrupt, foreign and ours are three things")]
fn parse(text: &str) -> Option<Option<Instance>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs: Vec<_> = lines.map(|line| line.split_once('=')).collect::<Option<_>>()?;
    let value = |name: &str| pairs.iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    let inst = PathBuf::from(value("TWA_path").filter(|path| path.starts_with('/'))?);
    let user = value("TWS_user_name").filter(|user| !user.is_empty());
    let data = value("TWS_datadir").map_or_else(|| inst.join("TWSDATA"), PathBuf::from);
    Some(user.map(|user| Instance { user: user.to_owned(), inst, data }))
}

/// The one instance of that user, or in that place.
pub fn find(instances: Vec<Instance>, user: &str, inst: Option<&Path>) -> Result<Instance, Message> {
    let fits = |found: &Instance| found.user == user && inst.is_none_or(|inst| found.inst == inst);
    let mut found: Vec<_> = instances.into_iter().filter(fits).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => {
            Err(Message::new(Code::NoInstance, format!("`{user}` has more than one instance."))
                .hint("`-inst_dir` says which one."))
        }
        (None, _) => {
            let place = inst.map(|inst| format!(" in {}", inst.display())).unwrap_or_default();
            Err(Message::new(
                Code::NoInstance,
                format!("There is no instance of `{user}`{place} on this host."),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let instance = Instance { user: "u".into(), inst: "/opt/x".into(), data: "/var/x".into() };
        assert_eq!(parse(&instance.registry_entry()), Some(Some(instance)));
        assert_eq!(parse("TWA_path=/opt/y\n"), Some(None));
        for corrupt in ["", "TWS_user_name=u\n", "TWA_path=/x\ngarbage\n", "TWA_path=x\n"] {
            assert_eq!(parse(corrupt), None, "{corrupt}");
        }
    }

    #[test]
    fn the_user_names_the_instance_where_it_has_one() {
        let at =
            |user: &str, inst: &str| Instance { user: user.into(), inst: inst.into(), data: "/d".into() };
        let all = vec![at("u", "/1"), at("v", "/2"), at("v", "/3")];
        let found =
            |user, inst: Option<&str>| find(all.clone(), user, inst.map(Path::new)).map(|found| found.inst);
        assert_eq!(found("u", None), Ok("/1".into()));
        assert_eq!(found("v", Some("/3")), Ok("/3".into()));
        for (user, inst) in [("v", None), ("w", None), ("u", Some("/2"))] {
            assert_eq!(found(user, inst).expect_err("none").code, Code::NoInstance);
        }
    }
}
