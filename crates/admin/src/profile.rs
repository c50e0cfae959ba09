//! Profiles: masters one has signed in to, each a file that only its owner can read.
//!
//! `gatepass/profiles/NAME.toml` in the user's configuration, and `gatepass/profile` with the name of the one in use.
//! Invariant: a profile that others can read or change is not used; one that is written replaces the former by a rename.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::name::UserName;
use gatepass_contract::pki::Anchors;
use gatepass_contract::wire::admin::{CredentialKind, Expiry};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::credential::Credential;
use crate::error::CtlError;

/// What a profile is called: 1 to 64 of letters, digits and `._-`, not beginning with a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileName(String);

/// Not the name of a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a profile: 1 to 64 letters, digits or ._-, not beginning with a dot")]
pub struct NotAProfileName(String);

impl Default for ProfileName {
    /// What `login` calls a profile that was given no name.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for ProfileName {
    type Err = NotAProfileName;
    fn from_str(text: &str) -> Result<Self, NotAProfileName> {
        let sound = (1..=64).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if sound { Ok(Self(text.to_owned())) } else { Err(NotAProfileName(text.chars().take(80).collect())) }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A master one has signed in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Where it is.
    pub master: MasterUrl,
    /// Who vouches for it; without, the system's roots.
    pub anchors: Option<Anchors>,
    /// What it is shown.
    pub credential: Credential,
    /// What that is.
    pub kind: CredentialKind,
    /// Whose it is.
    pub user: UserName,
    /// When it ended, as far as was known.
    pub expires: Expiry,
}

impl Profile {
    /// The fingerprints of those who vouch for the master: what others need to sign in to it for the first time.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Sha256> {
        let certificates = self.anchors.iter().flat_map(Anchors::certificates);
        certificates.map(|der| Sha256::of(der)).collect()
    }
}

/// A profile's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnDisk {
    master: MasterUrl,
    user: UserName,
    kind: CredentialKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<gatepass_contract::time::UnixTime>,
    secret: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchors: Option<String>,
}

impl From<&Profile> for OnDisk {
    fn from(profile: &Profile) -> Self {
        Self {
            master: profile.master.clone(),
            user: profile.user.clone(),
            kind: profile.kind,
            expires: match profile.expires {
                Expiry::At(at) => Some(at),
                Expiry::Never => None,
            },
            secret: profile.credential.reveal(),
            anchors: profile.anchors.as_ref().map(Anchors::to_pem),
        }
    }
}

impl OnDisk {
    /// `None` where what it holds is no credential or no certificate.
    fn profile(self) -> Option<Profile> {
        let credential = match self.kind {
            CredentialKind::ApiKey => Credential::key(&self.secret),
            CredentialKind::Token | CredentialKind::Session => Credential::token(&self.secret),
        };
        Some(Profile {
            master: self.master,
            anchors: self.anchors.map(|pem| Anchors::from_pem(&pem)).transpose().ok()?,
            credential: credential.ok()?,
            kind: self.kind,
            user: self.user,
            expires: self.expires.map_or(Expiry::Never, Expiry::At),
        })
    }
}

/// Where profiles are kept.
#[derive(Debug, Clone)]
pub struct Profiles {
    root: PathBuf,
}

impl Profiles {
    /// In the user's configuration directory.
    #[must_use]
    pub fn within(config: &Path) -> Self {
        Self { root: config.join("gatepass") }
    }

    /// Where one is, or would be.
    #[must_use]
    pub fn file(&self, name: &ProfileName) -> PathBuf {
        self.directory().join(format!("{name}.toml"))
    }

    fn directory(&self) -> PathBuf {
        self.root.join("profiles")
    }

    /// Every one there is, in order.
    pub fn names(&self) -> Result<Vec<ProfileName>, CtlError> {
        let directory = self.directory();
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| CtlError::unreadable(&directory, source))?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<ProfileName> =
            names.filter_map(|name| name.strip_suffix(".toml")?.parse().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// The one in use where none is named.
    #[must_use]
    pub fn in_use(&self) -> Option<ProfileName> {
        fs::read_to_string(self.root.join("profile")).ok()?.trim().parse().ok()
    }

    /// Uses it from now on.
    pub fn choose(&self, name: &ProfileName) -> Result<(), CtlError> {
        let file = self.root.join("profile");
        let made = make_private(&self.root).and_then(|()| replace(&file, format!("{name}\n").as_bytes()));
        made.map_err(|source| CtlError::Unwritable { file, source })
    }

    /// Reads one; `None` when there is none of that name.
    pub fn load(&self, name: &ProfileName) -> Result<Option<Profile>, CtlError> {
        let path = self.file(name);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|source| CtlError::unreadable(&path, source))?,
        };
        refuse_shared(&path, &file)?;
        refuse_shared(
            &self.directory(),
            &File::open(self.directory()).map_err(|source| CtlError::unreadable(&path, source))?,
        )?;
        let mut text = Zeroizing::new(String::with_capacity(64 * 1024));
        file.read_to_string(&mut text).map_err(|source| CtlError::unreadable(&path, source))?;
        let read = toml::from_str::<OnDisk>(&text).ok().and_then(OnDisk::profile);
        read.map(Some).ok_or(CtlError::BadProfile { file: path })
    }

    /// Writes one, instead of a former one of the same name.
    pub fn save(&self, name: &ProfileName, profile: &Profile) -> Result<(), CtlError> {
        let file = self.file(name);
        let text = Zeroizing::new(
            toml::to_string(&OnDisk::from(profile)).expect("tables of plain values serialize"),
        );
        let made = make_private(&self.directory()).and_then(|()| replace(&file, text.as_bytes()));
        made.map_err(|source| CtlError::Unwritable { file, source })
    }

    /// Removes one.
    pub fn remove(&self, name: &ProfileName) -> Result<(), CtlError> {
        let file = self.file(name);
        fs::remove_file(&file).map_err(|source| CtlError::Unwritable { file, source })
    }
}

/// Anybody else who can read a credential has it; anybody else who can write it chooses the master.
fn refuse_shared(path: &Path, open: &File) -> Result<(), CtlError> {
    const OTHERS: u32 = 0o077;
    let mode = open.metadata().map_err(|source| CtlError::unreadable(path, source))?.mode() & 0o777;
    if mode & OTHERS == 0 { Ok(()) } else { Err(CtlError::Shared { file: path.to_owned(), mode }) }
}

fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// All of it or nothing: a file beside it (0600, synced), renamed over it.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().expect("every file of ours lies in a directory of ours");
    let mut beside = tempfile::Builder::new().prefix(".").tempfile_in(directory)?;
    beside.write_all(content)?;
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn some_profile() -> Profile {
        Profile {
            master: "https://m.example.com:8443".parse().expect("a URL"),
            anchors: None,
            credential: Credential::token("a.b.c").expect("a token"),
            kind: CredentialKind::Session,
            user: "ann".parse().expect("a name"),
            expires: Expiry::At(gatepass_contract::time::UnixTime(0)),
        }
    }

    fn name(text: &str) -> ProfileName {
        text.parse().expect("a name")
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").mode() & 0o777
    }

    #[test]
    fn a_profile_comes_back_as_it_was_and_only_its_owner_reads_it() {
        let config = tempfile::tempdir().expect("a directory");
        let profiles = Profiles::within(config.path());
        assert_eq!(profiles.names().expect("none"), []);
        assert!(profiles.load(&name("prod")).expect("none").is_none());
        profiles.save(&name("prod"), &some_profile()).expect("saved");
        profiles.save(&name("dev"), &some_profile()).expect("saved");
        assert_eq!(profiles.load(&name("prod")).expect("readable"), Some(some_profile()));
        assert_eq!(profiles.names().expect("two"), [name("dev"), name("prod")]);
        assert_eq!(mode(&profiles.file(&name("prod"))), 0o600);
        assert_eq!(mode(&profiles.directory()), 0o700);
        assert_eq!(profiles.in_use(), None);
        profiles.choose(&name("prod")).expect("chosen");
        assert_eq!(profiles.in_use(), Some(name("prod")));
        profiles.remove(&name("prod")).expect("removed");
        assert_eq!(profiles.names().expect("one"), [name("dev")]);
    }

    #[test]
    fn what_others_can_read_or_change_is_not_used() {
        let config = tempfile::tempdir().expect("a directory");
        let profiles = Profiles::within(config.path());
        profiles.save(&name("prod"), &some_profile()).expect("saved");
        for (path, loose, right) in
            [(profiles.file(&name("prod")), 0o640, 0o600), (profiles.directory(), 0o755, 0o700)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(loose)).expect("changed");
            let refused = profiles.load(&name("prod")).expect_err("refused");
            assert!(matches!(refused, CtlError::Shared { mode, .. } if mode == loose), "{refused}");
            fs::set_permissions(&path, fs::Permissions::from_mode(right)).expect("changed");
        }
        assert!(profiles.load(&name("prod")).is_ok());
    }

    #[test]
    fn a_file_that_is_no_profile_is_said_and_not_quoted() {
        let config = tempfile::tempdir().expect("a directory");
        let profiles = Profiles::within(config.path());
        make_private(&profiles.directory()).expect("made");
        replace(&profiles.file(&name("bad")), b"secret = \"hunter2\"").expect("written");
        let refused = profiles.load(&name("bad")).expect_err("refused");
        assert!(
            matches!(refused, CtlError::BadProfile { .. }) && !format!("{refused:?}").contains("hunter2")
        );
    }

    #[test]
    fn names_stay_in_their_directory() {
        for bad in ["", ".", "..", "../x", "a/b", ".hidden", "a b"] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad}");
        }
    }
}
