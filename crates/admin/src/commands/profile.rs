//! Profiles. No master is asked.

use gatepass_contract::digest::Sha256;
use gatepass_contract::wire::admin::Expiry;
use serde::Serialize;

use super::login::profiles;
use super::session::width;
use crate::access;
use crate::cli::{AccessArguments, ProfileCommand};
use crate::environment::Environment;
use crate::error::CtlError;
use crate::output;
use crate::profile::{Profile, ProfileName, Profiles};
use crate::table;

pub(super) fn run(command: &ProfileCommand, access: &AccessArguments) -> Result<(), CtlError> {
    let environment = Environment::read();
    let profiles = profiles(&environment)?;
    match command {
        ProfileCommand::List => list(&profiles, access),
        ProfileCommand::Use { name } => choose(name, &profiles, access),
        ProfileCommand::Show { name } => {
            let (name, profile) = match name {
                Some(name) => (name.clone(), existing(name, &profiles)?),
                None => {
                    access::chosen(access, &environment, Some(&profiles))?.ok_or(CtlError::NoProfileInUse)?
                }
            };
            show(&name, &profile, &profiles, access)
        }
    }
}

/// A profile for machines; never its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    name: String,
    in_use: bool,
    master: Option<String>,
    user: Option<String>,
    credential: Option<&'static str>,
    expires: Option<Expiry>,
    ca_fingerprints: Vec<Sha256>,
}

impl View {
    fn of(name: &ProfileName, in_use: bool, profile: Option<&Profile>) -> Self {
        Self {
            name: name.to_string(),
            in_use,
            master: profile.map(|profile| profile.master.to_string()),
            user: profile.map(|profile| profile.user.to_string()),
            credential: profile.map(|profile| profile.kind.as_str()),
            expires: profile.map(|profile| profile.expires),
            ca_fingerprints: profile.map(Profile::fingerprints).unwrap_or_default(),
        }
    }
}

/// One that cannot be read is listed all the same: it is there.
fn list(profiles: &Profiles, access: &AccessArguments) -> Result<(), CtlError> {
    let in_use = profiles.in_use();
    let all: Vec<_> = profiles
        .names()?
        .into_iter()
        .map(|name| {
            let profile = profiles.load(&name).unwrap_or(None);
            let used = in_use.as_ref() == Some(&name);
            (name, used, profile)
        })
        .collect();
    let views: Vec<_> =
        all.iter().map(|(name, used, profile)| View::of(name, *used, profile.as_ref())).collect();
    let text = access.form().machine(&serde_json::json!({ "items": views }));
    output::print(&text.unwrap_or_else(|| table::profiles(&all, width())))
}

fn choose(name: &ProfileName, profiles: &Profiles, access: &AccessArguments) -> Result<(), CtlError> {
    let profile = existing(name, profiles)?;
    profiles.choose(name)?;
    let text = access.form().machine(&View::of(name, true, Some(&profile)));
    output::print(
        &text.unwrap_or_else(|| format!("profile {name} is in use: {} at {}", profile.user, profile.master)),
    )
}

fn show(
    name: &ProfileName,
    profile: &Profile,
    profiles: &Profiles,
    access: &AccessArguments,
) -> Result<(), CtlError> {
    let in_use = profiles.in_use().as_ref() == Some(name);
    let text = access.form().machine(&View::of(name, in_use, Some(profile)));
    output::print(&text.unwrap_or_else(|| table::profile(name, profile, &profiles.file(name), width())))
}

fn existing(name: &ProfileName, profiles: &Profiles) -> Result<Profile, CtlError> {
    profiles.load(name)?.ok_or_else(|| CtlError::NoProfile(name.clone()))
}
