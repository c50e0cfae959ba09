//! Sets a master up: its directory with keys, certificates, database, configuration and the first API key.
//!
//! Invariant: the directory appears whole or not at all: everything is made beside it, synced, and renamed into place.

use std::io;
use std::path::{Path, PathBuf};

use gatepass_contract::pki::{self, Anchors, PkiError};
use gatepass_contract::secret::ApiKey;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, CreateApiKey, KeyKind, UserState};
use zeroize::Zeroizing;

use crate::ca::{self, CaError};
use crate::config::{Config, NoPassword};
use crate::domain::apikey::{ApiKeyRecord, Creator, ExpiryPolicy, NewApiKey, Owner, Rights};
use crate::domain::audit::Cause;
use crate::domain::people;
use crate::making::{Making, NotWritten, is_taken};
use crate::random;
use crate::sealed::KeyEncryptionKey;
use crate::store::{Foundation, Founded, PostgresUrl, Store, StoreError};

/// What lies in a master's directory.
pub mod file {
    /// Its configuration.
    pub const CONFIG: &str = "master.toml";
    /// The key that seals all others; also the name of the systemd credential that may stand for it.
    pub const KEY: &str = "master.key";
    /// The root's key, sealed; may be taken away.
    pub const ROOT_KEY: &str = "root-ca.key";
    /// The root's certificate.
    pub const ROOT: &str = "root-ca.crt";
    /// Everything else.
    pub const DATABASE: &str = "gatepass.db";
    /// The password for the server it is on, if it is; also the name of the systemd credential that may stand for it.
    pub const DATABASE_PASSWORD: &str = "database.password";
    /// The first administrator's API key.
    pub const ADMIN_KEY: &str = "admin.key";
}

/// Why no master was set up. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// It would replace something.
    #[error("{} is there already and is not empty", .0.display())]
    Exists(PathBuf),
    /// Full disk, no right to.
    #[error(transparent)]
    Write(#[from] NotWritten),
    /// Keys or certificates cannot be made.
    #[error("the master's keys cannot be made")]
    Ca(#[from] CaError),
    /// The root just made cannot be read.
    #[error("the master's root cannot be read")]
    Pki(#[from] PkiError),
    /// The database cannot be made.
    #[error("the database cannot be made")]
    Store(#[from] StoreError),
    /// The database's password cannot be had.
    #[error(transparent)]
    Password(#[from] NoPassword),
    /// The database belongs to another master.
    #[error("there is a master in that database already")]
    Founded,
    /// The database was filled, but the directory is not where it belongs.
    #[error("the database is filled, but {} cannot be renamed to {}", made.display(), dir.display())]
    Misplaced {
        /// What holds the keys.
        made: PathBuf,
        /// Where it belongs.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Sets up a master in `dir`; returns the first administrator's API key.
pub async fn init(dir: &Path, config: &Config, now: UnixTime) -> Result<ApiKey, InitError> {
    if is_taken(dir) {
        return Err(InitError::Exists(dir.to_owned()));
    }
    let making = Making::beside(dir)?;
    let key = fill(&making, config, now).await?;
    publish(making, dir, config)?;
    Ok(key)
}

fn publish(making: Making, dir: &Path, config: &Config) -> Result<(), InitError> {
    match making.publish(dir) {
        // A database elsewhere is useless without the keys in here.
        Err(NotWritten { source, .. }) if config.database.url.is_some() => {
            Err(InitError::Misplaced { made: making.keep(), dir: dir.to_owned(), source })
        }
        published => Ok(published?),
    }
}

async fn fill(making: &Making, config: &Config, now: UnixTime) -> Result<ApiKey, InitError> {
    let kek = KeyEncryptionKey::generate();
    let created = ca::create(&config.trust_domain, config.profile.jwt_algorithm.into(), &kek, now)?;
    let root = created.anchor.certificate.clone();
    let key = ApiKey::new(random::key_id(), random::secret(), pki::spki_digest(&root)?);
    let foundation =
        Foundation { anchor: created.anchor, keys: created.keys, administrator: administrator(&key, now) };
    let anchors = Anchors::new(vec![root]).expect("one certificate is not none").to_pem();
    making.write(file::KEY, 0o600, kek.to_file_content().as_bytes())?;
    making.write(file::ROOT_KEY, 0o600, created.root_key.as_bytes())?;
    making.write(file::ROOT, 0o644, anchors.as_bytes())?;
    making.write(file::ADMIN_KEY, 0o600, line(&key).as_bytes())?;
    let config = with_its_password(making, config)?;
    making.write(file::CONFIG, 0o600, config.to_file_content().as_bytes())?;
    // Last: what is founded on a server cannot be taken back.
    let store = Store::open(&config.database.of(making.path())?)?;
    let founded = store.found(Cause::of_the_master(random::request_id(), now), foundation).await?;
    store.close().await;
    match founded {
        Founded::New => Ok(key),
        Founded::Already => Err(InitError::Founded),
    }
}

/// A password that came in the URL goes to a file of its own: the configuration is shown to people.
fn with_its_password(making: &Making, config: &Config) -> Result<Config, NotWritten> {
    let mut config = config.clone();
    let database = &mut config.database;
    if let Some(password) = database.url.as_ref().and_then(PostgresUrl::password) {
        making.write(file::DATABASE_PASSWORD, 0o600, password)?;
        database.password_file = Some(file::DATABASE_PASSWORD.into());
    }
    Ok(config)
}

fn line(key: &ApiKey) -> Zeroizing<String> {
    let mut line = key.reveal();
    line.push('\n');
    line
}

/// The key all others come from: it may do everything, everywhere, for a year.
fn administrator(key: &ApiKey, now: UnixTime) -> ApiKeyRecord {
    let request = CreateApiKey {
        kind: KeyKind::Personal,
        name: people::ADMINISTRATOR.parse().expect("a display name"),
        description: "made when the master was set up".to_owned(),
        owner: None,
        groups: Vec::new(),
        capabilities: Capability::ALL.to_vec(),
        roles: Vec::new(),
        expires: None,
        networks: Vec::new(),
        uses: None,
        annotation: None,
    };
    let owner = people::administrator();
    let creator = Creator { user: &owner, capabilities: Capability::ALL };
    let owner = Owner { user: &owner, state: UserState::Active, capabilities: Capability::ALL };
    let rights = Rights { creator, owner: Some(owner), roles: &[] };
    NewApiKey::new(request, rights, ExpiryPolicy::default(), now)
        .expect("everything is within the rules")
        .into_record(key.id(), key.secret().digest(), now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn a_master_is_set_up_once_and_whole() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = temp.path().join("below").join("master");
        let config = Config::default();
        let key = init(&dir, &config, crate::clock::now()).await.expect("a fresh directory");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for (name, want) in
            [(file::KEY, 0o600), (file::ROOT_KEY, 0o600), (file::ADMIN_KEY, 0o600), (file::ROOT, 0o644)]
        {
            assert_eq!(mode(&dir.join(name)), want, "{name}");
        }
        let stored = fs::read_to_string(dir.join(file::ADMIN_KEY)).expect("a key");
        assert_eq!(stored.trim(), key.reveal().as_str());
        let read = Config::from_file(&dir.join(file::CONFIG)).expect("valid");
        assert_eq!(Config { issuer: None, ..read }, config);
        let again = init(&dir, &config, crate::clock::now()).await;
        assert!(matches!(again, Err(InitError::Exists(_))));
        assert_eq!(
            fs::read_dir(dir.parent().expect("a parent")).expect("readable").count(),
            1,
            "nothing beside it"
        );
    }
}
