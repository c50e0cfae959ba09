//! `AgentCertificateDownloader`: fresh credentials for an instance that is there, as certificates or as a JWT.
//!
//! An instance that holds an identity renews it and stays the agent it is. Only one that was refused for good, or that is
//! to have another master, is enrolled anew: beside the identity it has, which goes when the new one is complete.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::care;
use super::codes::{Code, Ending, Message};
use super::host;
use super::layout::{self, Instance};
use super::new::{failed, holds_identity};
use super::parameters::DOWNLOADER;
use super::registry;
use super::request::{self, Ca, Shown, Way, absolute, wrong};
use super::say::Speaker;
use super::trade;
use super::words::{Given, properties};
use crate::bundle::Parts;
use crate::credential::{ENVIRONMENT, Source};
use crate::disguise;
use crate::faults;
use crate::install::{self, Content, Contents, Directory, Enrolment, Owner, Plan, Removal, Step};
use crate::outputs::{self, Format, Output};
use crate::store::{Store, write_atomically};
use crate::trouble::whole;

/// The command line completed by a properties file.
pub fn with_file(mut given: Given) -> Result<Given, Message> {
    let mut named = ["file", "propfile", "f"].into_iter().filter_map(|name| given.text(name));
    let Some(file) = named.next().map(PathBuf::from) else { return Ok(given) };
    if named.next().is_some() {
        return Err(Message::new(
            Code::Twice,
            "`--file`, `--propfile` and `--f` are one parameter: give one.",
        ));
    }
    let text = fs::read_to_string(&file)
        .map_err(|error| wrong("file", &format!("{} cannot be read ({error})", file.display())))?;
    given.complete(Given::parse(properties(&text), DOWNLOADER)?);
    Ok(given)
}

/// What the download works on.
struct Work {
    instance: Instance,
    /// The group of its user.
    group: u32,
    way: Way,
    ca: Option<Ca>,
    shown: Shown,
    /// The configuration as it is.
    config: toml::Table,
}

/// Gets the credentials and puts them where they are looked for.
pub async fn download(given: &Given, speaker: &mut Speaker) -> Result<Ending, Message> {
    let work_dir = absolute(given, "work_dir")?
        .ok_or_else(|| Message::new(Code::Missing, "`--work_dir` is missing."))?;
    let (shown, way, jwt) = request::download(given, disguise::variable(ENVIRONMENT))?;
    let instance = instance(given)?;
    let group = host::account(&instance.user, false)?.gid.as_raw();
    let config = configuration(&instance)?;
    let work = Work { instance, group, way, ca: request::ca(given)?, shown, config };
    // At rest, so that nothing is waited for; whatever comes of it, the agent runs again after it.
    let stopped =
        |error| Message::new(Code::Stopped, format!("The agent cannot be stopped: {}.", whole(&error)));
    care::stop(&work.instance).await.map_err(stopped)?;
    let done = work.carry_out(jwt, &work_dir, speaker).await;
    let started = care::start(&work.instance).await;
    let done = done?;
    started.map_err(|error| {
        Message::new(Code::Stopped, format!("The agent does not run: {}.", whole(&error)))
    })?;
    speaker.say(&done);
    speaker.keep(&work.instance.install_log(env!("CARGO_PKG_VERSION")));
    Ok(Ending::Done)
}

/// The one whose program this is, the one of `--uname`, or the only one.
fn instance(given: &Given) -> Result<Instance, Message> {
    if let Ok(own) = care::own_instance() {
        return match given.text("uname") {
            Some(user) if user != own.user => {
                Err(wrong("uname", &format!("this program belongs to the instance of `{}`", own.user)))
            }
            Some(_) | None => Ok(own),
        };
    }
    let mut known = registry::instances(&host::registry_dir(), false)?;
    match given.text("uname") {
        Some(user) => registry::find(known, user, None),
        None if known.len() == 1 => Ok(known.remove(0)),
        None if known.is_empty() => Err(Message::new(Code::NoInstance, "There is no instance on this host.")
            .hint("`twsinst -new` makes one, and gets its credentials too.")),
        None => Err(Message::new(Code::NoInstance, "This host has more than one instance.")
            .hint("`--uname` says which one.")),
    }
}

fn configuration(instance: &Instance) -> Result<toml::Table, Message> {
    let path = instance.config();
    let unreadable =
        |why: String| Message::new(Code::Unreadable, format!("{} cannot be read: {why}.", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?;
    text.parse().map_err(|error: toml::de::Error| unreadable(error.message().to_owned()))
}

impl Work {
    fn user(&self) -> Option<String> {
        host::is_root().then(|| self.instance.user.clone())
    }

    fn owner(&self) -> Owner {
        Owner::user(&self.instance.user)
    }

    fn parts(&self) -> Result<Parts, Message> {
        let held = Store::open(self.instance.state()).and_then(|store| store.current());
        let held = held.map_err(|error| {
            Message::new(Code::Unreadable, format!("The identity cannot be read: {}.", whole(&error)))
        })?;
        held.map(|(_, parts)| parts)
            .ok_or_else(|| Message::new(Code::Master, "This host has no identity yet."))
    }

    /// Everything, while the agent rests; what there is to say in the end.
    async fn carry_out(&self, jwt: bool, work_dir: &Path, speaker: &mut Speaker) -> Result<Message, Message> {
        self.identity(speaker).await?;
        let parts = self.parts()?;
        self.settle(jwt, &parts, speaker).await?;
        let (certificates, ini) = (self.instance.certificates(), self.instance.ita_ini());
        let text = if jwt {
            format!("{} names the agent's JWT.", ini.display())
        } else {
            let zip = self.certificates(&parts, work_dir)?;
            format!("The certificates are in {} and in {}.", certificates.display(), zip.display())
        };
        Ok(Message::new(Code::Downloaded, text))
    }

    /// A fresh identity is there when this returns.
    async fn identity(&self, speaker: &mut Speaker) -> Result<(), Message> {
        if self.instance.state().join(ENROLLING).exists() {
            self.sweep()?;
        }
        let is_same_master = self.with_way(self.config.clone()) == self.config;
        if is_same_master && holds_identity(&self.instance.state()) && self.renew(speaker).await? {
            return self.give_up(speaker).await;
        }
        self.enrol(speaker).await
    }

    /// Whether it was renewed; not where the master refuses this agent for good.
    async fn renew(&self, speaker: &mut Speaker) -> Result<bool, Message> {
        let user = self.user();
        let ended =
            install::as_user(&self.instance.config(), user.as_deref(), &["--json", "renew"], None).await;
        let ended = ended.map_err(|error| Message::new(Code::Stopped, format!("{}.", whole(&error))))?;
        match ended.status.code() {
            Some(0) => {
                speaker.say(&Message::new(Code::Step, "The identity that is there was renewed."));
                Ok(true)
            }
            Some(4) => {
                speaker.say(&Message::new(
                    Code::Step,
                    "The master refuses the identity that is there: this host enrols anew.",
                ));
                Ok(false)
            }
            _ => {
                let said = String::from_utf8_lossy(&ended.stdout);
                let status: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
                let reason = status["trouble"]["message"].as_str().unwrap_or("it gave no reason").to_owned();
                Err(Message::new(Code::Master, format!("The identity cannot be renewed now: {reason}.")))
            }
        }
    }

    /// Beside what is there, which is left alone until the new identity is complete.
    async fn enrol(&self, speaker: &mut Speaker) -> Result<(), Message> {
        let state = self.instance.fresh_state();
        let (config, text) = (state.join(ENROLLING), self.bare(&state).to_string());
        // One that a stopped run has made for another master is not wanted any more.
        if fs::read_to_string(&config).is_ok_and(|found| found != text) {
            self.give_up(speaker).await?;
        }
        let made = Directory {
            path: state.clone(),
            owner: self.owner(),
            mode: Some(0o700),
            contents: Contents::Ours,
        };
        let enrolment = Enrolment {
            config: config.clone(),
            state_dir: state.clone(),
            user: self.user(),
            api_key: if holds_identity(&state) { None } else { Some(self.key().await?) },
            patience: PATIENCE,
        };
        let steps = vec![Step::Directory(made), self.text(config, text), Step::Enrolment(enrolment)];
        let plan = Plan { place: self.instance.download_journal(), steps };
        install::apply(&plan, &mut |event| speaker.tell(&event)).await.map_err(|error| failed(&error))?;
        faults::numbered_point("download.exchange", 1);
        crate::durable::exchange(&state, &self.instance.state()).map_err(|error| {
            Message::new(Code::Stopped, format!("The new identity cannot be put in place: {error}."))
        })?;
        faults::numbered_point("download.exchange", 2);
        self.sweep()
    }

    /// Removes the identity that was replaced. The configuration that the new one was got with goes last: while it lies
    /// in its place, there is something left to sweep.
    fn sweep(&self) -> Result<(), Message> {
        let stuck = |error: std::io::Error| {
            Message::new(Code::Stopped, format!("The former identity cannot be removed: {error}."))
        };
        for (at, path) in [self.instance.download_journal(), self.instance.fresh_state()].iter().enumerate() {
            crate::durable::absent(fs::remove_dir_all(path)).map_err(stuck)?;
            faults::numbered_point("download.exchange", 3 + at);
        }
        fs::remove_file(self.instance.state().join(ENROLLING)).map_err(stuck)
    }

    /// Undoes an enrolment that a stopped run has begun or made, and tells the master.
    async fn give_up(&self, speaker: &mut Speaker) -> Result<(), Message> {
        let journal = self.instance.download_journal();
        let removed = install::remove(&journal, Removal::All, &mut |event| speaker.tell(&event)).await;
        removed.map(drop).map_err(|error| failed(&error))
    }

    async fn key(&self) -> Result<Source, Message> {
        Ok(Source::held(match &self.shown {
            Shown::Key(key) => key.clone(),
            Shown::User { name, password } => {
                let called = self.config.get("name").and_then(|name| name.as_str()).unwrap_or_default();
                let called = called
                    .parse()
                    .map_err(|_| Message::new(Code::Unreadable, "The configuration names no agent."))?;
                trade::key(name, password, &called, &self.way, self.ca.as_ref()).await?
            }
            Shown::Folder { .. } => {
                return Err(Message::new(Code::NoCredential, "Local certificates are no credential here."));
            }
        }))
    }

    /// The configuration with this way to the master, and with nothing that another way needs.
    fn with_way(&self, mut config: toml::Table) -> toml::Table {
        let (key, other, value) = match &self.way {
            Way::Master(url) => ("masters", "gateways", url.to_string()),
            Way::Gateway(place) => ("gateways", "masters", place.to_string()),
        };
        config.remove(other);
        config.remove("adopted");
        config.insert(key.into(), vec![value].into());
        config
    }

    fn bare(&self, state: &Path) -> toml::Table {
        let mut config = self.with_way(self.config.clone());
        for key in ["output", "hook", "gateway", "metrics_file"] {
            config.remove(key);
        }
        config.insert("state_dir".into(), state.to_string_lossy().into_owned().into());
        config
    }

    fn text(&self, path: PathBuf, text: impl std::fmt::Display) -> Step {
        let content = Content::Text(text.to_string());
        Step::File(install::File { path, content, owner: self.owner(), mode: 0o640, keep: false })
    }

    /// What is read by the agent and by others says where the credentials are.
    async fn settle(&self, jwt: bool, parts: &Parts, speaker: &mut Speaker) -> Result<(), Message> {
        let mut config = self.with_way(self.config.clone());
        if !jwt && !has_certificates(&config, &self.instance) {
            let outputs = config.entry("output").or_insert_with(|| toml::Value::Array(Vec::new()));
            if let Some(outputs) = outputs.as_array_mut() {
                outputs.push(layout::certificates_output(&self.instance).into());
            }
        }
        let read = |path: PathBuf| {
            fs::read_to_string(&path).map_err(|error| {
                Message::new(Code::Unreadable, format!("{} cannot be read: {error}.", path.display()))
            })
        };
        let ita = layout::with_jwt(&read(self.instance.ita_ini())?, &self.instance, jwt);
        let jobs = layout::with_agent(
            &read(self.instance.job_manager_ini())?,
            &parts.meta.agent.to_string(),
            &self.way,
        );
        let steps = vec![
            self.text(
                self.instance.config(),
                format!("# Of the instance {}; twsinst wrote it.\n{config}", self.instance.inst.display()),
            ),
            self.text(self.instance.ita_ini(), ita),
            self.text(self.instance.job_manager_ini(), jobs),
        ];
        let plan = Plan { place: self.instance.download_journal(), steps };
        install::apply(&plan, &mut |event| speaker.tell(&event)).await.map_err(|error| failed(&error))?;
        // Nothing is to be undone later: the files go with the instance.
        crate::durable::absent(fs::remove_dir_all(self.instance.download_journal()))
            .map(drop)
            .map_err(|error| Message::new(Code::Stopped, format!("The journal cannot be removed: {error}.")))
    }

    /// Puts them where they are looked for, and the same files into the archive.
    fn certificates(&self, parts: &Parts, work_dir: &Path) -> Result<PathBuf, Message> {
        let failed =
            |why: String| Message::new(Code::Stopped, format!("The certificates cannot be written: {why}."));
        let output = Output::new(self.instance.certificates(), Format::Tws { additional_cas: None })
            .map_err(failed)?;
        // The group as well: the agent's user has to be able to make the next set like this one.
        let output = output.owned_by(self.user(), self.user().and(Some(self.group.to_string()))).replacing();
        outputs::write(&output, parts).map_err(|error| failed(whole(&error)))?;
        let files = output.files(parts).map_err(|error| failed(whole(&error)))?;
        let archive = archive(&files).map_err(|error| failed(error.to_string()))?;
        fs::create_dir_all(work_dir).map_err(|error| failed(error.to_string()))?;
        let path = work_dir.join("waCertificates.zip");
        write_atomically(&path, &archive, 0o600).map_err(|error| failed(error.to_string()))?;
        Ok(path)
    }
}

fn has_certificates(config: &toml::Table, instance: &Instance) -> bool {
    let dir = instance.certificates().to_string_lossy().into_owned();
    let outputs = config.get("output").and_then(toml::Value::as_array).into_iter().flatten();
    outputs.into_iter().any(|output| output.get("dir").and_then(toml::Value::as_str) == Some(dir.as_str()))
}

/// Stored, not compressed: keys and certificates do not shrink.
fn archive(files: &[outputs::NamedFile]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        let mode = if file.is_secret { 0o600 } else { 0o644 };
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(mode);
        zip.start_file(file.name.as_str(), options)?;
        zip.write_all(&file.content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The configuration of an enrolment, in the state directory that it fills.
const ENROLLING: &str = "enrolling.toml";

const PATIENCE: Duration = Duration::from_mins(2);
