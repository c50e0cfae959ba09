//! `-new`: an instance comes to be.

use std::fs;
use std::path::Path;

use super::codes::{Code, Ending, Message};
use super::folder;
use super::host;
use super::layout::Instance;
use super::plan::Ingredients;
use super::registry;
use super::request::{self, Ca, New, Shown};
use super::say::Speaker;
use super::trade;
use super::words::Given;
use crate::bundle::Bundle;
use crate::clock::{Clock as _, SystemClock};
use crate::credential::{ENVIRONMENT, Source};
use crate::disguise;
use crate::install::{self, Did, Event, Failure, InstallError, Plan};
use crate::store::Store;

/// Makes the instance, or goes on where an earlier run stopped.
pub async fn new(given: &Given, speaker: &mut Speaker) -> Result<Ending, Message> {
    let asked = request::new(given, disguise::variable(ENVIRONMENT))?;
    let account = host::account(&asked.user, !given.has("skip_usercheck"))?;
    let instance = host::instance(&asked, &account);
    let facts = host::names(&asked)?;
    let registry = host::registry_dir();
    let known = registry::instances(&registry, given.truth("recovInstReg") == Some(true))?;
    host::place_is_free(&instance, &known)?;
    let is_known = known.contains(&instance);
    if !is_known && !given.has("skipcheckprereq") {
        host::prerequisites(&instance, Some(&asked))?;
    }
    let ingredients = Ingredients {
        local: local(&asked, &instance)?,
        ca: ca(&asked)?,
        key: key(&asked, &instance, &facts.name).await?,
        asked: &asked,
        facts: &facts,
        instance: &instance,
        registry,
        is_root: host::is_root(),
    };
    let plan = ingredients.plan();
    if is_known && is_as_asked(&plan, &instance).await? {
        speaker.say(&Message::new(
            Code::Unchanged,
            format!("{} is installed like that already: nothing was changed.", instance.inst.display()),
        ));
        return Ok(Ending::Done);
    }
    carry_out(&plan, speaker).await?;
    speaker.say(&Message::new(
        Code::Installed,
        format!(
            "The agent `{}` of `{}` is installed in {} and runs.",
            facts.name,
            instance.user,
            instance.inst.display()
        ),
    ));
    speaker.keep(&instance.install_log(env!("CARGO_PKG_VERSION")));
    Ok(Ending::Done)
}

/// What a complete instance differs in may only be that its agent does not run: that is put right.
async fn is_as_asked(plan: &Plan, instance: &Instance) -> Result<bool, Message> {
    let mut wanting = Vec::new();
    let mut tell = |event| {
        if let Event::Step { did: Did::Would, what, .. } = event {
            wanting.push(what);
        }
    };
    let outcome = install::dry_run(plan, &mut tell).await.map_err(|error| failed(&error))?;
    let lifeless = |what: &String| what.starts_with("start ") || what.starts_with("enable ");
    if outcome.resumed || wanting.iter().all(lifeless) {
        return Ok(wanting.is_empty() && !outcome.resumed);
    }
    let text =
        format!("{} is an instance already, and differs: {}.", instance.inst.display(), wanting.join(", "));
    Err(Message::new(Code::PreviousInstance, text).hint(
        "`-update` brings the program up to date; `-uninst` removes the instance, then `-new` makes it anew.",
    ))
}

async fn carry_out(plan: &Plan, speaker: &mut Speaker) -> Result<(), Message> {
    let applied = install::apply(plan, &mut |event| speaker.tell(&event)).await;
    match applied {
        Ok(_) => Ok(()),
        Err(error) => {
            if let InstallError::Step { left, .. } = &error
                && left.is_empty()
            {
                speaker.say(&Message::new(
                    Code::Undone,
                    "What had been done was undone: this host is as it was.",
                ));
            }
            Err(failed(&error))
        }
    }
}

/// What the engine's error comes to.
#[must_use]
pub fn failed(error: &InstallError) -> Message {
    let code = match error {
        InstallError::Step { failure: Failure::Nobody { .. }, .. } => Code::NoUser,
        InstallError::Step { failure: Failure::Enrolment { .. } | Failure::ApiKey(_), .. } => Code::Master,
        InstallError::Step { .. }
        | InstallError::Journal { .. }
        | InstallError::Newer(_)
        | InstallError::Removal { .. } => Code::Stopped,
    };
    let message = Message::new(code, format!("{}.", sentence(&crate::trouble::whole(error))));
    let again = "Then run the same command again (AWSFAB057I).";
    message
        .hint(error.hint().map_or_else(|| again.to_owned(), |hint| format!("{}. {again}", sentence(&hint))))
}

/// With a capital letter in front, for messages that others read as sentences.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn local(asked: &New, instance: &Instance) -> Result<Option<folder::LocalCertificates>, Message> {
    let Shown::Folder { folder, password } = &asked.credentials else { return Ok(None) };
    if folder.starts_with(&instance.inst) {
        return Err(request::wrong("sslkeysfolder", "it does not lie in the instance that is to be made"));
    }
    folder::read(folder, password, SystemClock.wall()).map(Some)
}

fn ca(asked: &New) -> Result<Option<String>, Message> {
    let Some(Ca::File(file)) = &asked.ca else { return Ok(None) };
    let text = fs::read_to_string(file);
    text.map(Some)
        .map_err(|error| request::wrong("cafile", &format!("{} cannot be read ({error})", file.display())))
}

/// The key to enrol with. A password is traded only where there is no identity yet.
async fn key(
    asked: &New,
    instance: &Instance,
    name: &gatepass_contract::name::DisplayName,
) -> Result<Option<Source>, Message> {
    match (&asked.credentials, &asked.way) {
        (Shown::Key(key), _) => Ok(Some(Source::held(key.clone()))),
        (Shown::User { name: user, password }, Some(way)) if !holds_identity(&instance.state()) => {
            let key = trade::key(user, password, name, way, asked.ca.as_ref()).await?;
            Ok(Some(Source::held(key)))
        }
        (Shown::User { .. } | Shown::Folder { .. }, _) => Ok(None),
    }
}

/// Whether there is an identity that can be read, good or not.
#[must_use]
pub fn holds_identity(state: &Path) -> bool {
    let held = Store::open(state).and_then(|store| store.current());
    held.is_ok_and(|held| held.is_some_and(|(_, parts)| Bundle::recall(parts).is_ok()))
}
