//! The plan of `gatepass install`: this host's own agent, with this program's own defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::{Content, Contents, Directory, File, Program};
use super::engine::Plan;
use super::enrolment::{Enrolment, Joined};
use super::host::{Account, Missing, Owner};
use super::service::Unit;
use super::step::Step;
use crate::credential::Source;

/// Beside the state directory, which an installation may remove as a whole.
pub const PLACE: &str = "/var/lib/gatepass-install";
/// Whom the agent runs as.
pub const USER: &str = "gatepass";
/// The agent's unit.
pub const UNIT: &str = "gatepass.service";
/// Where the unit looks for the API key.
pub const KEY: &str = "/etc/credstore/gatepass.apikey";

/// The unit as this program knows it.
const UNIT_TEXT: &str = include_str!("../../systemd/gatepass.service");
/// As the unit names program and configuration.
const EXEC: &str = "/usr/bin/gatepass run --config /etc/gatepass/config.toml";

/// What an agent of this host is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// The configuration file.
    pub config: PathBuf,
    /// What it is to say.
    pub text: String,
    /// Whether what is there says so already, in its own words.
    pub keep: bool,
    /// The state directory, by that configuration.
    pub state_dir: PathBuf,
    /// The API key, if one was given.
    pub api_key: Option<Source>,
    /// How long an enrolment may take; `None`: it is left to the agent.
    pub patience: Option<Duration>,
    /// Where this program is, or is to be.
    pub program: PathBuf,
    /// How it is kept running.
    pub service: Service,
}

/// How an agent is kept running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// By a unit that a package has brought.
    Packaged,
    /// By a unit of our own.
    Own,
    /// Not at all: no systemd runs here.
    None,
}

impl Service {
    /// What this host has.
    #[must_use]
    pub fn here() -> Self {
        let packaged = ["/usr/lib/systemd/system", "/lib/systemd/system"];
        let has_unit = || packaged.iter().any(|dir| Path::new(dir).join(UNIT).exists());
        match super::host::has_systemd() {
            false => Self::None,
            true if has_unit() => Self::Packaged,
            true => Self::Own,
        }
    }
}

/// The steps, in order.
#[must_use]
pub fn plan(native: &Native) -> Plan {
    let home = native.state_dir.clone();
    let mut steps = vec![
        Step::Account(Account { name: USER.to_owned(), missing: Missing::MakeSystem { home } }),
        open_dir(native.config.parent().unwrap_or(Path::new("/"))),
        Step::File(File {
            path: native.config.clone(),
            content: Content::Text(native.text.clone()),
            owner: Owner::default(),
            mode: 0o644,
            keep: native.keep,
        }),
        Step::Directory(Directory {
            path: native.state_dir.clone(),
            owner: Owner::user(USER),
            mode: Some(0o700),
            contents: Contents::Ours,
        }),
        Step::Program(Program { path: native.program.clone(), owner: Owner::default() }),
    ];
    match native.service {
        Service::None => steps.extend(enrolled_once(native)),
        Service::Packaged | Service::Own => steps.extend(kept_running(native)),
    }
    Plan { place: PLACE.into(), steps }
}

fn open_dir(path: &Path) -> Step {
    let contents = Contents::Anybodys;
    Step::Directory(Directory { path: path.to_owned(), owner: Owner::default(), mode: None, contents })
}

fn enrolled_once(native: &Native) -> Option<Step> {
    Some(Step::Enrolment(Enrolment {
        config: native.config.clone(),
        state_dir: native.state_dir.clone(),
        user: Some(USER.to_owned()),
        api_key: native.api_key.clone(),
        patience: native.patience?,
    }))
}

/// The service itself enrols: what is proven then is what will run from now on, its view of the key included.
fn kept_running(native: &Native) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(source) = &native.api_key {
        let path = Path::new(KEY);
        let dir = path.parent().expect("it has one");
        let mode = if dir.exists() { None } else { Some(0o700) };
        let contents = Contents::Anybodys;
        steps.push(Step::Directory(Directory {
            path: dir.to_owned(),
            owner: Owner::default(),
            mode,
            contents,
        }));
        let content = Content::ApiKey(source.clone());
        steps.push(Step::File(File {
            path: path.to_owned(),
            content,
            owner: Owner::default(),
            mode: 0o600,
            keep: false,
        }));
    }
    if native.service == Service::Own {
        steps.push(Step::Unit(Unit { name: UNIT.to_owned(), text: unit_text(native) }));
    }
    steps.push(Step::Enabled { unit: UNIT.to_owned() });
    steps.push(Step::Started { unit: UNIT.to_owned() });
    if let Some(patience) = native.patience {
        steps.push(Step::Joined(Joined {
            config: native.config.clone(),
            state_dir: native.state_dir.clone(),
            unit: UNIT.to_owned(),
            patience,
        }));
    }
    steps
}

fn unit_text(native: &Native) -> String {
    let exec = format!("{} run --config {}", native.program.display(), native.config.display());
    UNIT_TEXT.replace(EXEC, &exec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(service: Service) -> Native {
        Native {
            config: "/srv/gatepass.toml".into(),
            text: String::new(),
            keep: false,
            state_dir: "/var/lib/gatepass".into(),
            api_key: Some(Source::File("/root/key".into())),
            patience: Some(Duration::ZERO),
            program: "/usr/local/bin/gatepass".into(),
            service,
        }
    }

    #[test]
    fn a_service_enrols_itself_and_a_host_without_one_enrols_once() {
        let last = |service| plan(&native(service)).steps.last().map(Step::what).expect("some");
        assert_eq!(last(Service::None), "enrol into /var/lib/gatepass");
        assert_eq!(last(Service::Own), "see that gatepass.service enrols");
        let units = |service| {
            plan(&native(service)).steps.iter().filter(|step| matches!(step, Step::Unit(_))).count()
        };
        assert_eq!((units(Service::Own), units(Service::Packaged)), (1, 0));
    }

    #[test]
    fn the_unit_names_the_program_and_the_configuration_that_were_installed() {
        let text = unit_text(&native(Service::Own));
        assert!(
            text.contains("\nExecStart=/usr/local/bin/gatepass run --config /srv/gatepass.toml\n"),
            "{text}"
        );
        assert!(!text.contains("/usr/bin/gatepass"), "{text}");
    }
}
