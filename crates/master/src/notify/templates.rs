//! Templates: ours, and those an operator puts in their place.
//!
//! Invariant: a [`Templates`] has rendered every one of them for every event it is for, with all that can be known and
//! with next to nothing, before the first notice needs it.
//!
//! # Why a template engine, with other brackets
//! Operators bring templates from another product, whose names stand in `${…}`. Values are put in when a template is
//! rendered and never read again, and in HTML they are escaped; search and replace would give neither. It can do more than
//! notices need, so its work and its output are bounded.

use std::io::{self, Read, Write};
use std::path::Path;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::id::{KeyId, TokenId};
use gatepass_contract::time::UnixTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::values::{self, Links};
use crate::domain::notice::{About, Facts, NoticeEvent};

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For readers without HTML.
    pub text: String,
    /// For the others.
    pub html: String,
}

/// Why templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There, but not readable, or not text in UTF-8.
    #[error("the template {path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It would never be used: mistyped, most likely.
    #[error("{path} is no template that is used; there are: {known}", known = names().join(", "))]
    Unknown {
        /// The file.
        path: String,
    },
    /// It cannot be understood, or names something that there is not.
    #[error("the template {name} cannot be used for {event}")]
    Broken {
        /// The template.
        name: String,
        /// What it was rendered for.
        event: NoticeEvent,
        /// With the line.
        #[source]
        source: minijinja::Error,
    },
}

/// Steps that one template may take: a hundred times what ours do.
const FUEL: u64 = 50_000;
/// Of one template, and of what becomes of it.
const MOST_BYTES: u64 = 256 * 1024;
/// As much of a subject as a mail program shows.
const LONGEST_SUBJECT: usize = 200;

/// All templates.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    links: Links,
}

impl Templates {
    /// Ours, with those in `dir` in their places; `dir` need not exist. Every one is tried out.
    pub fn load(dir: &Path, base_url: &MasterUrl) -> Result<Self, TemplateError> {
        let mut environment = environment();
        for &(name, source) in BUILT_IN {
            add(&mut environment, name, source.to_owned())?;
        }
        for (name, source) in own(dir)? {
            add(&mut environment, &name, source)?;
        }
        let templates = Self { environment, links: Links(base_url.clone()) };
        for &event in NoticeEvent::ALL {
            templates.render(&everything(event))?;
            templates.render(&Facts::new(event, UnixTime(0), about(event), "name"))?;
        }
        Ok(templates)
    }

    /// Puts the facts into the templates of their event.
    pub fn render(&self, facts: &Facts) -> Result<Rendered, TemplateError> {
        let subject = values::one_line(&self.part(facts, "subject")?);
        Ok(Rendered {
            subject: subject.chars().take(LONGEST_SUBJECT).collect(),
            text: self.part(facts, "txt")?,
            html: self.part(facts, "html")?,
        })
    }

    fn part(&self, facts: &Facts, kind: &str) -> Result<String, TemplateError> {
        let name = format!("{}.{kind}", base_name(facts.event));
        let mut out = Bounded(Vec::new());
        let values = values::names(facts, &self.links);
        let rendered = self.environment.get_template(&name).and_then(|template| {
            template.render_captured_to(values, &mut out)?;
            String::from_utf8(out.0).map_err(|_| minijinja::ErrorKind::BadSerialization.into())
        });
        rendered.map_err(|source| TemplateError::Broken { name, event: facts.event, source })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().variable_delimiters("${", "}").build();
    environment.set_syntax(syntax.expect("the brackets are three different ones"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        if name.rsplit_once('.').is_some_and(|(_, kind)| kind == "html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.set_fuel(Some(FUEL));
    environment
}

fn add(environment: &mut Environment<'static>, name: &str, source: String) -> Result<(), TemplateError> {
    environment.add_template_owned(name.to_owned(), source).map_err(|source| {
        let event = NoticeEvent::ALL.iter().copied().find(|&event| name.starts_with(base_name(event)));
        TemplateError::Broken { name: name.to_owned(), event: event.unwrap_or(NoticeEvent::Test), source }
    })
}

/// The operator's own, with their names.
fn own(dir: &Path) -> Result<Vec<(String, String)>, TemplateError> {
    let cannot = |path: &Path, source| TemplateError::Read { path: path.display().to_string(), source };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(dir, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot(dir, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !["html", "txt", "subject"].iter().any(|kind| path.extension().is_some_and(|end| end == *kind)) {
            continue;
        }
        if !names().contains(&name.as_str()) {
            return Err(TemplateError::Unknown { path: path.display().to_string() });
        }
        let source = read(&path).map_err(|error| cannot(&path, error))?;
        found.push((name, source));
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > MOST_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn about(event: NoticeEvent) -> About {
    match event.as_str().split_once('.') {
        Some(("key", _)) => About::ApiKey(KeyId([0; 10])),
        Some(("token", _)) => About::Token(TokenId([0; 10])),
        _ => About::Nothing,
    }
}

/// Facts in which nothing is missing.
fn everything(event: NoticeEvent) -> Facts {
    let somebody = || Some("somebody".to_owned());
    Facts {
        owner: somebody(),
        requester: somebody(),
        requested: Some(UnixTime(0)),
        decided_by: somebody(),
        reason: Some("because".to_owned()),
        expires: Some(UnixTime(0)),
        ..Facts::new(event, UnixTime(0), about(event), "name")
    }
}

fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|&(name, _)| name).collect()
}

/// The files' names without `.html`, `.txt` and `.subject`; those that begin with `APIKey`, and the first two, are known
/// from the product whose templates can be brought along.
const fn base_name(event: NoticeEvent) -> &'static str {
    match event {
        NoticeEvent::KeyCreationPending => "PendingApprovalNotification",
        NoticeEvent::KeyCreationRejected
        | NoticeEvent::KeyRenewalRejected
        | NoticeEvent::KeyRotationRejected => "RejectionNotification",
        NoticeEvent::KeyCreated | NoticeEvent::KeyCreationApproved => "APIKeyGenerationSuccess",
        NoticeEvent::KeyRenewalPending => "APIKeyRenewalPendingNotification",
        NoticeEvent::KeyRenewed | NoticeEvent::KeyRenewalApproved => "APIKeyRenewalSuccess",
        NoticeEvent::KeyRotationPending => "RotationPendingNotification",
        NoticeEvent::KeyRotated | NoticeEvent::KeyRotationApproved => "RotationSuccess",
        NoticeEvent::KeySuspended => "SuspensionNotification",
        NoticeEvent::KeyResumed => "ResumptionNotification",
        NoticeEvent::KeyRevoked => "APIKeyRevocationSuccess",
        NoticeEvent::KeyExpiresSoon => "APIKeyExpirationNotification",
        NoticeEvent::KeyExpired => "APIKeyExpiredNotification",
        NoticeEvent::TokenExpiresSoon => "TokenExpirationNotification",
        NoticeEvent::TokenExpired => "TokenExpiredNotification",
        NoticeEvent::Test => "TestNotification",
    }
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The three parts of each, and what they share.
        const BUILT_IN: &[(&str, &str)] = &[
            ("layout.html", include_str!("../../templates/layout.html")),
            ("footer.txt", include_str!("../../templates/footer.txt")),
            $(
                (concat!($name, ".subject"), include_str!(concat!("../../templates/", $name, ".subject"))),
                (concat!($name, ".txt"), include_str!(concat!("../../templates/", $name, ".txt"))),
                (concat!($name, ".html"), include_str!(concat!("../../templates/", $name, ".html"))),
            )*
        ];
    };
}

built_in![
    "PendingApprovalNotification",
    "RejectionNotification",
    "APIKeyGenerationSuccess",
    "APIKeyRenewalPendingNotification",
    "APIKeyRenewalSuccess",
    "RotationPendingNotification",
    "RotationSuccess",
    "SuspensionNotification",
    "ResumptionNotification",
    "APIKeyRevocationSuccess",
    "APIKeyExpirationNotification",
    "APIKeyExpiredNotification",
    "TokenExpirationNotification",
    "TokenExpiredNotification",
    "TestNotification",
];
