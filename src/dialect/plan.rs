//! The steps of an installation.

use std::path::PathBuf;
use std::time::Duration;

use super::folder::LocalCertificates;
use super::layout::{self, Facts, Instance};
use super::registry;
use super::request::{Ca, New};
use crate::credential::Source;
use crate::install::{
    Account, Content, Contents, Directory, Enrolment, Entry, File, Link, Missing, Owner, Plan, Program,
    Secret, Spawned, Step, Unit, has_systemd,
};

/// All that a plan is made of.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// What is asked for.
    pub asked: &'a New,
    /// Names of this host.
    pub facts: &'a Facts,
    /// Where everything goes.
    pub instance: &'a Instance,
    /// The registry's directory.
    pub registry: PathBuf,
    /// Where the API key is, if there is to be an enrolment and none has been.
    pub key: Option<Source>,
    /// Certificates of somebody else instead.
    pub local: Option<LocalCertificates>,
    /// The content of the file of `-cafile`.
    pub ca: Option<String>,
    /// Whether there is one who may install for others.
    pub is_root: bool,
}

/// For as long a master that is busy is asked again.
const PATIENCE: Duration = Duration::from_mins(2);

impl Ingredients<'_> {
    /// The plan, in the order in which it can be undone.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let mut steps =
            vec![Step::Account(Account { name: self.instance.user.clone(), missing: Missing::Fails })];
        steps.extend(self.directories());
        steps.extend(self.program());
        steps.extend(self.configuration());
        steps.extend(self.registration());
        steps.extend(self.identity());
        steps.extend(self.service());
        Plan { place: self.instance.journal(), steps }
    }

    fn owner(&self) -> Owner {
        Owner::user(&self.instance.user)
    }

    fn directories(&self) -> impl Iterator<Item = Step> {
        self.instance.directories().into_iter().map(|(path, mode)| {
            Step::Directory(Directory {
                path,
                owner: self.owner(),
                mode: Some(mode),
                contents: Contents::Ours,
            })
        })
    }

    /// The program stays root's: what root runs, nobody else may replace.
    fn program(&self) -> Vec<Step> {
        let tws = self.instance.tws();
        let links = ["StartUpLwa", "ShutDownLwa", "AgentCertificateDownloader.sh"];
        let link = |name: &str| Step::Link(Link { path: tws.join(name), target: "bin/gatepass".into() });
        let program = Program { path: self.instance.program(), owner: Owner::default() };
        let environment = tws.join("tws_env.sh");
        let mut steps =
            vec![Step::Program(program), self.text(environment, self.instance.environment(), 0o644)];
        steps.extend(links.map(link));
        steps
    }

    fn text(&self, path: PathBuf, text: String, mode: u32) -> Step {
        Step::File(File { path, content: Content::Text(text), owner: self.owner(), mode, keep: false })
    }

    fn configuration(&self) -> Vec<Step> {
        let Self { asked, facts, instance, .. } = self;
        let config_dir = instance.data.join("ITA/cpa/config");
        let mut steps = Vec::new();
        if let (Some(Ca::File(_)), Some(pem)) = (&asked.ca, &self.ca) {
            steps.push(self.text(layout::ca_copy(instance), pem.clone(), 0o640));
        }
        steps.push(self.text(instance.config(), layout::config(asked, facts, instance), 0o640));
        steps.push(self.text(instance.ita_ini(), layout::ita_ini(asked, instance), 0o644));
        if let Some(text) = layout::gateway_ini(asked, facts) {
            steps.push(self.text(config_dir.join("JobManagerGW.ini"), text, 0o644));
        }
        let pools = config_dir.join("pools.properties");
        let content = Content::Text(layout::POOLS.to_owned());
        steps.push(Step::File(File { path: pools, content, owner: self.owner(), mode: 0o644, keep: true }));
        steps
    }

    fn registration(&self) -> [Step; 2] {
        let dir = self.registry.clone();
        let made = Directory {
            path: dir.clone(),
            owner: Owner::default(),
            mode: None,
            contents: Contents::Anybodys,
        };
        [Step::Directory(made), Step::Entry(entry(self.instance, dir))]
    }

    fn identity(&self) -> Vec<Step> {
        let Self { asked, facts, instance, .. } = self;
        let ini = |content| {
            let path = instance.job_manager_ini();
            Step::File(File { path, content, owner: self.owner(), mode: 0o644, keep: false })
        };
        let Some(local) = &self.local else {
            let enrolment = Enrolment {
                config: instance.config(),
                state_dir: instance.state(),
                user: self.is_root.then(|| instance.user.clone()),
                api_key: self.key.clone(),
                patience: PATIENCE,
            };
            let text = layout::job_manager_ini(asked, facts, crate::install::AGENT_ID);
            return vec![
                Step::Enrolment(enrolment),
                ini(Content::Identified { text, state_dir: instance.state() }),
            ];
        };
        let dir = instance.certificates();
        let made = |path: PathBuf| {
            Step::Directory(Directory {
                path,
                owner: self.owner(),
                mode: Some(0o750),
                contents: Contents::Ours,
            })
        };
        let mut steps = vec![made(dir.clone())];
        if local.files.iter().any(|(name, _)| name.contains('/')) {
            steps.push(made(dir.join("additionalCAs")));
        }
        steps.extend(local.files.iter().map(|(name, bytes)| {
            let (path, content) = (dir.join(name), Content::Secret(Secret(bytes.clone())));
            Step::File(File { path, content, owner: self.owner(), mode: 0o600, keep: false })
        }));
        let agent = asked.agent_id.as_deref().unwrap_or(&local.agent);
        steps.push(ini(Content::Text(layout::job_manager_ini(asked, facts, agent))));
        steps
    }

    fn service(&self) -> Vec<Step> {
        if !(self.is_root && has_systemd()) {
            return vec![Step::Spawned(spawned(self.instance, self.is_root))];
        }
        let unit = self.instance.unit();
        vec![
            Step::Unit(Unit { name: unit.clone(), text: self.instance.unit_text() }),
            Step::Enabled { unit: unit.clone() },
            Step::Started { unit },
        ]
    }
}

/// What the registry says of an instance.
#[must_use]
pub fn entry(instance: &Instance, dir: PathBuf) -> Entry {
    Entry {
        dir,
        prefix: registry::PREFIX.to_owned(),
        suffix: registry::SUFFIX.to_owned(),
        mark: instance.mark(),
        text: instance.registry_entry(),
        owner: Owner::default(),
        mode: 0o644,
    }
}

/// The agent of an instance where there is no service manager.
#[must_use]
pub fn spawned(instance: &Instance, is_root: bool) -> Spawned {
    Spawned {
        config: instance.config(),
        state_dir: instance.state(),
        user: is_root.then(|| instance.user.clone()),
        log: instance.message_log(),
        program: Some(instance.program()),
    }
}
