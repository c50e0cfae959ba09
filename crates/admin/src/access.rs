//! Which master, what vouches for it, and what it is shown. Nothing here touches the network.
//!
//! What stands on the command line comes first, a profile that it names included; then the environment; then the profile
//! that the environment names or that is in use.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::pki::Anchors;
use zeroize::Zeroizing;

use crate::cli::AccessArguments;
use crate::credential::{Credential, NotACredential};
use crate::environment::Environment;
use crate::error::CtlError;
use crate::profile::{Profile, ProfileName, Profiles};

/// A key has about 111 characters, a token some hundred; more than this is another file.
const MAX_SECRET_BYTES: u64 = 16 * 1024;

/// All that is needed to be let in.
#[derive(Debug)]
pub struct Access {
    /// Where the master is.
    pub url: MasterUrl,
    /// What is shown to it.
    pub credential: Credential,
    /// What has to vouch for it.
    pub trust: Trust,
}

/// What has to vouch for a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Certificates at hand.
    Anchors(Anchors, Voucher),
    /// Those of its own anchors that have this fingerprint.
    Pin(Sha256, Voucher),
    /// The system's roots.
    System,
}

/// What authenticates the master, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voucher {
    /// The pin in the API key.
    Key,
    /// A file of certificates.
    CaFile,
    /// A fingerprint that was given.
    Fingerprint,
    /// The profile.
    Profile,
    /// The system's roots.
    System,
}

impl std::fmt::Display for Voucher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Key => "pin in the API key",
            Self::CaFile => "CA file",
            Self::Fingerprint => "CA fingerprint",
            Self::Profile => "profile's CA",
            Self::System => "system's list of CAs",
        })
    }
}

impl Access {
    /// Gathers it from arguments, files, environment and profile. A profile is read only where the rest leaves a gap.
    pub fn gather(
        arguments: &AccessArguments,
        environment: &Environment,
        profiles: Option<&Profiles>,
    ) -> Result<Self, CtlError> {
        let given = given_url(arguments, environment)?;
        let by_name = arguments.profile.is_some();
        let secret = credential(arguments, environment, by_name)?;
        let profile = match (&given, &secret) {
            (Some(_), Some(_)) if !by_name => None,
            _ => chosen(arguments, environment, profiles)?.map(|(_, profile)| profile),
        };
        let explicit = by_name && arguments.url.is_none();
        let held = profile.as_ref().map(|profile| profile.master.clone());
        let url = if explicit { held.or(given) } else { given.or(held) }.ok_or(CtlError::NoUrl)?;
        let trust = trust(arguments, environment, by_name, profile.as_ref(), (&url, secret.as_ref()))?;
        let credential =
            secret.or_else(|| profile.map(|profile| profile.credential)).ok_or(CtlError::NoCredential)?;
        Ok(Self { url, credential, trust })
    }
}

/// The address outside of profiles.
pub fn given_url(
    arguments: &AccessArguments,
    environment: &Environment,
) -> Result<Option<MasterUrl>, CtlError> {
    match (&arguments.url, &environment.master) {
        (Some(url), _) => Ok(Some(url.clone())),
        (None, Some(text)) => text.parse().map(Some).map_err(CtlError::BadMaster),
        (None, None) => Ok(None),
    }
}

/// The profile that is meant, if any: one that is named has to exist.
pub fn chosen(
    arguments: &AccessArguments,
    environment: &Environment,
    profiles: Option<&Profiles>,
) -> Result<Option<(ProfileName, Profile)>, CtlError> {
    let named = named(arguments, environment)?;
    let Some(profiles) = profiles else {
        return named.map_or(Ok(None), |name| Err(CtlError::NoProfile(name)));
    };
    let must_exist = named.is_some();
    let Some(name) = named.or_else(|| profiles.in_use()) else { return Ok(None) };
    match profiles.load(&name)? {
        Some(profile) => Ok(Some((name, profile))),
        None if must_exist => Err(CtlError::NoProfile(name)),
        None => Ok(None),
    }
}

/// The name of a profile on the command line or in the environment.
pub fn named(
    arguments: &AccessArguments,
    environment: &Environment,
) -> Result<Option<ProfileName>, CtlError> {
    match (&arguments.profile, &environment.profile) {
        (Some(name), _) => Ok(Some(name.clone())),
        (None, Some(text)) => text.parse().map(Some).map_err(CtlError::BadProfileName),
        (None, None) => Ok(None),
    }
}

/// The credential outside of profiles. A profile named on the command line leaves no say to the environment.
fn credential(
    arguments: &AccessArguments,
    environment: &Environment,
    by_name: bool,
) -> Result<Option<Credential>, CtlError> {
    let from_arguments = from_files(arguments.apikey_file.as_deref(), arguments.token_file.as_deref())?;
    if from_arguments.is_some() || by_name { Ok(from_arguments) } else { from_environment(environment) }
}

/// The credential that the command line or the environment gives, whatever profiles say.
pub fn given_credential(
    arguments: &AccessArguments,
    environment: &Environment,
) -> Result<Option<Credential>, CtlError> {
    credential(arguments, environment, false)
}

fn from_environment(environment: &Environment) -> Result<Option<Credential>, CtlError> {
    let from_file = from_files(environment.apikey_file.as_deref(), environment.token_file.as_deref())?;
    if from_file.is_some() {
        return Ok(from_file);
    }
    let bad = |origin: &str| {
        let origin = origin.to_owned();
        move |source| CtlError::NotACredential { origin, source }
    };
    match (&environment.apikey, &environment.token) {
        (Some(text), _) => Credential::key(text).map(Some).map_err(bad("GATEPASS_APIKEY")),
        (None, Some(text)) => Credential::token(text).map(Some).map_err(bad("GATEPASS_TOKEN")),
        (None, None) => Ok(None),
    }
}

fn from_files(apikey: Option<&Path>, token: Option<&Path>) -> Result<Option<Credential>, CtlError> {
    let read = |file: &Path, parse: fn(&str) -> Result<Credential, NotACredential>| {
        let (text, origin) = secret_text(file)?;
        parse(&text).map(Some).map_err(|source| CtlError::NotACredential { origin, source })
    };
    match (apikey, token) {
        (Some(file), _) => read(file, Credential::key),
        (None, Some(file)) => read(file, Credential::token),
        (None, None) => Ok(None),
    }
}

/// What a file (`-`: standard input) holds, and its name in words.
pub fn secret_text(file: &Path) -> Result<(Zeroizing<String>, String), CtlError> {
    if file == Path::new("-") {
        let text = read_secret(io::stdin().lock()).map_err(CtlError::StandardInput)?;
        return Ok((text, "standard input".to_owned()));
    }
    let text = fs::File::open(file).and_then(read_secret);
    Ok((text.map_err(|source| CtlError::unreadable(file, source))?, file.display().to_string()))
}

fn read_secret(from: impl io::Read) -> io::Result<Zeroizing<String>> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(32 * 1024));
    from.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// What vouches for the master: what was given for that, the profile where the address or the credential is its own, the
/// key's pin, the system.
fn trust(
    arguments: &AccessArguments,
    environment: &Environment,
    by_name: bool,
    profile: Option<&Profile>,
    (url, secret): (&MasterUrl, Option<&Credential>),
) -> Result<Trust, CtlError> {
    let environment = if by_name { &Environment::default() } else { environment };
    if let Some(trust) = given_trust(arguments, environment)? {
        return Ok(trust);
    }
    let its_own = profile.filter(|profile| secret.is_none() || profile.master == *url);
    Ok(match (its_own.and_then(|profile| profile.anchors.clone()), secret) {
        (Some(anchors), _) => Trust::Anchors(anchors, Voucher::Profile),
        (None, secret) => pinned(secret.or_else(|| profile.map(|profile| &profile.credential))),
    })
}

/// What was given to vouch for the master, by argument or environment.
pub fn given_trust(
    arguments: &AccessArguments,
    environment: &Environment,
) -> Result<Option<Trust>, CtlError> {
    if let Some(file) = &arguments.ca_file {
        return Ok(Some(Trust::Anchors(anchors(file)?, Voucher::CaFile)));
    }
    if let Some(fingerprint) = arguments.ca_fingerprint {
        return Ok(Some(Trust::Pin(fingerprint, Voucher::Fingerprint)));
    }
    let file = environment.ca_file.as_deref();
    Ok(file.map(anchors).transpose()?.map(|anchors| Trust::Anchors(anchors, Voucher::CaFile)))
}

/// What a credential itself says about its master.
#[must_use]
pub fn pinned(credential: Option<&Credential>) -> Trust {
    match credential {
        Some(Credential::Key(key)) => Trust::Pin(key.pin(), Voucher::Key),
        Some(Credential::Token(_)) | None => Trust::System,
    }
}

fn anchors(file: &Path) -> Result<Anchors, CtlError> {
    let text = fs::read_to_string(file).map_err(|source| CtlError::unreadable(file, source))?;
    Anchors::from_pem(&text).map_err(|source| CtlError::BadCaFile { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use gatepass_contract::id::KeyId;
    use gatepass_contract::secret::{ApiKey, Secret};
    use gatepass_contract::wire::admin::{CredentialKind, Expiry};

    use super::*;

    fn key(byte: u8) -> ApiKey {
        ApiKey::new(KeyId([byte; 10]), Secret::new([byte; 32]), Sha256([byte; 32]))
    }

    fn url(text: &str) -> MasterUrl {
        text.parse().expect("a URL")
    }

    struct Case {
        config: tempfile::TempDir,
        arguments: AccessArguments,
        environment: Environment,
    }

    impl Case {
        /// Profiles `one` (in use) and `two`, each with a master and a key of its own.
        fn new() -> Self {
            let config = tempfile::tempdir().expect("a directory");
            let profiles = Profiles::within(config.path());
            for (name, byte) in [("one", 1), ("two", 2)] {
                let profile = Profile {
                    master: url(&format!("https://{name}:1")),
                    anchors: None,
                    credential: Credential::Key(key(byte)),
                    kind: CredentialKind::ApiKey,
                    user: "ann".parse().expect("a name"),
                    expires: Expiry::Never,
                };
                profiles.save(&name.parse().expect("a name"), &profile).expect("saved");
            }
            profiles.choose(&"one".parse().expect("a name")).expect("chosen");
            Self { config, arguments: AccessArguments::default(), environment: Environment::default() }
        }

        fn gather(&self) -> Result<(String, Credential), CtlError> {
            let profiles = Profiles::within(self.config.path());
            let access = Access::gather(&self.arguments, &self.environment, Some(&profiles))?;
            Ok((access.url.to_string(), access.credential))
        }

        fn comes_to(&self, url: &str, byte: u8) {
            let (found, credential) = self.gather().expect("access");
            assert_eq!((found.as_str(), credential), (url, Credential::Key(key(byte))));
        }
    }

    #[test]
    fn arguments_come_before_the_environment_and_that_before_the_profile_in_use() {
        let mut case = Case::new();
        case.comes_to("https://one:1", 1);
        case.environment.profile = Some("two".to_owned());
        case.comes_to("https://two:1", 2);
        case.environment.master = Some("https://env:1".to_owned());
        case.comes_to("https://env:1", 2);
        case.environment.apikey = Some(key(3).reveal());
        case.comes_to("https://env:1", 3);
        let file = case.config.path().join("key");
        replace_for_test(&file, &key(4).reveal());
        case.arguments.apikey_file = Some(file);
        case.comes_to("https://env:1", 4);
        case.arguments.url = Some(url("https://flag:1"));
        case.comes_to("https://flag:1", 4);
    }

    #[test]
    fn a_profile_named_as_an_argument_leaves_no_say_to_the_environment() {
        let mut case = Case::new();
        case.environment.master = Some("https://env:1".to_owned());
        case.environment.apikey = Some(key(3).reveal());
        case.comes_to("https://env:1", 3);
        case.arguments.profile = Some("two".parse().expect("a name"));
        case.comes_to("https://two:1", 2);
        case.arguments.url = Some(url("https://flag:1"));
        case.comes_to("https://flag:1", 2);
    }

    #[test]
    fn a_profile_that_is_named_has_to_exist_and_one_that_is_not_needed_is_not_read() {
        let mut case = Case::new();
        case.environment.profile = Some("three".to_owned());
        assert!(matches!(case.gather(), Err(CtlError::NoProfile(_))));
        case.environment.master = Some("https://env:1".to_owned());
        case.environment.apikey = Some(key(3).reveal());
        case.comes_to("https://env:1", 3);
        case.environment = Environment::default();
        let nowhere = Access::gather(&case.arguments, &case.environment, None).expect_err("nothing there");
        assert!(matches!(nowhere, CtlError::NoUrl));
    }

    #[test]
    fn a_key_vouches_by_its_pin_and_a_token_not_at_all() {
        assert_eq!(pinned(Some(&Credential::Key(key(7)))), Trust::Pin(Sha256([7; 32]), Voucher::Key));
        assert_eq!(pinned(Some(&Credential::token("a.b.c").expect("a token"))), Trust::System);
    }

    #[test]
    fn a_foreign_key_at_the_profiles_own_address_is_vouched_for_by_itself_without_anchors() {
        let mut case = Case::new();
        case.environment.apikey = Some(key(3).reveal());
        let profiles = Profiles::within(case.config.path());
        let access = Access::gather(&case.arguments, &case.environment, Some(&profiles)).expect("access");
        assert_eq!(access.trust, Trust::Pin(Sha256([3; 32]), Voucher::Key));
    }

    fn replace_for_test(path: &Path, text: &str) {
        use std::io::Write as _;
        fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
    }
}
