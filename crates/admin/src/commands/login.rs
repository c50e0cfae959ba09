//! Signing in and out, and who one is.

use gatepass_contract::address::MasterUrl;
use gatepass_contract::secret::PREFIX;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{CallerSelf, CredentialKind, SignIn};

use super::session::Session;
use crate::access::{self, Trust, Voucher};
use crate::cli::{AccessArguments, LoginArguments};
use crate::confirm::{hidden, password, somebody_is_there};
use crate::credential::Credential;
use crate::environment::Environment;
use crate::error::CtlError;
use crate::master::{Connection, Master};
use crate::output;
use crate::profile::{Profile, ProfileName, Profiles};
use crate::table;

/// Where profiles are, for who must have them.
pub(super) fn profiles(environment: &Environment) -> Result<Profiles, CtlError> {
    environment.config.as_deref().map(Profiles::within).ok_or(CtlError::NoHome)
}

pub(super) async fn login(arguments: &LoginArguments, access: &AccessArguments) -> Result<(), CtlError> {
    let environment = Environment::read();
    let profiles = profiles(&environment)?;
    let named = access::named(access, &environment)?;
    let name = named.clone().or_else(|| profiles.in_use()).unwrap_or_default();
    let former = profiles.load(&name).unwrap_or(None);
    let given = access::given_url(access, &environment)?;
    let url = given.or_else(|| former.as_ref().map(|former| former.master.clone())).ok_or(CtlError::NoUrl)?;
    let former = same_master(former, &url, named.is_none(), &name)?;
    let (master, caller) = sign_in(arguments, access, &environment, url, former).await?;
    profiles.save(&name, &profile(&master, &caller))?;
    profiles.choose(&name)?;
    output::talk(format_args!("gatepassctl: signed in; profile {name} is in use"));
    say(&caller, &Session { master, form: access.form() }).await
}

/// The profile as it was, if it is of the same master. One that nobody named is not given away to another.
fn same_master(
    former: Option<Profile>,
    url: &MasterUrl,
    by_default: bool,
    name: &ProfileName,
) -> Result<Option<Profile>, CtlError> {
    match former {
        Some(former) if former.master != *url && by_default => {
            Err(CtlError::OtherMaster { name: name.clone(), master: former.master.to_string() })
        }
        former => Ok(former.filter(|former| former.master == *url)),
    }
}

/// Shows the credential to the master: what it does not accept is not kept.
async fn sign_in(
    arguments: &LoginArguments,
    access: &AccessArguments,
    environment: &Environment,
    url: MasterUrl,
    former: Option<Profile>,
) -> Result<(Master, CallerSelf), CtlError> {
    let given = access::given_trust(access, environment)?;
    let kept =
        former.and_then(|former| former.anchors).map(|anchors| Trust::Anchors(anchors, Voucher::Profile));
    if let Some(user) = &arguments.user {
        let connection = Connection::open(url, given.or(kept).unwrap_or(Trust::System)).await?;
        let password = password(arguments.password_file.as_deref(), "password")?;
        let session = connection.sign_in(&SignIn { user: user.clone(), password }).await?;
        let credential = Credential::token(session.token.reveal()).map_err(|source| {
            CtlError::NotACredential { origin: "the master's answer".to_owned(), source }
        })?;
        return Ok((Master::new(connection, credential), session.caller));
    }
    let credential = match access::given_credential(access, environment)? {
        Some(credential) => credential,
        None => typed()?,
    };
    let pinned = Some(access::pinned(Some(&credential))).filter(|trust| *trust != Trust::System);
    let trust = given.or(pinned).or(kept).unwrap_or(Trust::System);
    let master = Master::new(Connection::open(url, trust).await?, credential);
    let caller = master.caller().await?;
    Ok((master, caller))
}

/// An API key or token that a person pastes.
fn typed() -> Result<Credential, CtlError> {
    if !somebody_is_there() {
        return Err(CtlError::NoCredential);
    }
    let text = hidden("API key or token")?;
    let is_key = text.trim().starts_with(PREFIX) || !text.contains('.');
    let read = if is_key { Credential::key(&text) } else { Credential::token(&text) };
    read.map_err(|source| CtlError::NotACredential { origin: "what was typed".to_owned(), source })
}

fn profile(master: &Master, caller: &CallerSelf) -> Profile {
    let connection = master.connection();
    Profile {
        master: connection.url().clone(),
        anchors: connection.anchors().cloned(),
        credential: master.credential().clone(),
        kind: caller.credential,
        user: caller.user.clone(),
        expires: caller.expires,
    }
}

pub(super) async fn whoami(session: &Session) -> Result<(), CtlError> {
    say(&session.master.caller().await?, session).await
}

async fn say(caller: &CallerSelf, session: &Session) -> Result<(), CtlError> {
    let url = session.master.connection().url();
    session.print(caller, |caller, now, width| table::caller(caller, url, now, width)).await
}

pub(super) async fn logout(access: &AccessArguments) -> Result<(), CtlError> {
    let environment = Environment::read();
    let profiles = profiles(&environment)?;
    let (name, profile) =
        access::chosen(access, &environment, Some(&profiles))?.ok_or(CtlError::NoProfileInUse)?;
    let ended = if profile.kind == CredentialKind::Session { end(profile.clone()).await } else { Ok(()) };
    profiles.remove(&name)?;
    ended.map_err(|error| CtlError::SessionLeft(Box::new(error)))?;
    let done = serde_json::json!({ "profile": name.to_string(), "master": profile.master });
    let text = access.form().machine(&done);
    output::print(
        &text.unwrap_or_else(|| format!("signed out of {}; profile {name} is removed", profile.master)),
    )
}

/// Ends the session at the master; one that is over already is just as good.
async fn end(profile: Profile) -> Result<(), CtlError> {
    let trust = profile.anchors.map_or(Trust::System, |anchors| Trust::Anchors(anchors, Voucher::Profile));
    let connection = Connection::open(profile.master, trust).await?;
    match Master::new(connection, profile.credential).sign_out().await {
        Err(CtlError::Refused(problem)) if problem.code == Code::Unauthenticated => Ok(()),
        outcome => outcome,
    }
}
