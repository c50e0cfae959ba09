//! Sets a master up: its directory with keys, certificates, database, configuration and the first API key.
//!
//! Invariant: the directory appears whole or not at all: everything is made beside it, synced, and renamed into place.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gatepass_contract::id::RequestId;
use gatepass_contract::pki::{self, Anchors, PkiError};
use gatepass_contract::secret::ApiKey;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Capability, CreateApiKey, KeyKind};
use zeroize::Zeroizing;

use crate::ca::{self, CaError};
use crate::config::Config;
use crate::domain::apikey::{ApiKeyRecord, Creator, ExpiryPolicy, NewApiKey};
use crate::domain::audit::{Actor, Cause};
use crate::random;
use crate::sealed::KeyEncryptionKey;
use crate::store::{Foundation, Store, StoreError};

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
    #[error("{} cannot be written", .path.display())]
    Write {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Keys or certificates cannot be made.
    #[error("the master's keys cannot be made")]
    Ca(#[from] CaError),
    /// The root just made cannot be read.
    #[error("the master's root cannot be read")]
    Pki(#[from] PkiError),
    /// The database cannot be made.
    #[error("the database cannot be made")]
    Store(#[from] StoreError),
}

/// Sets up a master in `dir`; returns the first administrator's API key.
pub async fn init(dir: &Path, config: &Config, now: UnixTime) -> Result<ApiKey, InitError> {
    if fs::read_dir(dir).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(InitError::Exists(dir.to_owned()));
    }
    let making = Making::beside(dir)?;
    let key = fill(&making.0, config, now).await?;
    making.publish(dir)?;
    Ok(key)
}

/// A directory on its way; removed again unless it is published.
struct Making(PathBuf);

impl Making {
    fn beside(dir: &Path) -> Result<Self, InitError> {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let path = dir.with_file_name(format!(".{name}.{}", random::token_id()));
        let made = fs::create_dir_all(parent(dir)).and_then(|()| DirBuilder::new().mode(0o700).create(&path));
        made.map_err(failed(&path))?;
        Ok(Self(path))
    }

    fn publish(self, dir: &Path) -> Result<(), InitError> {
        let sync = |path: &Path| File::open(path).and_then(|opened| opened.sync_all());
        sync(&self.0).map_err(failed(&self.0))?;
        // An empty directory may be there: systemd makes one for a service.
        fs::rename(&self.0, dir).map_err(failed(dir))?;
        sync(parent(dir)).map_err(failed(dir))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Gone already once it was published; else there is nothing more to do about it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> InitError {
    let path = path.to_owned();
    move |source| InitError::Write { path, source }
}

async fn fill(dir: &Path, config: &Config, now: UnixTime) -> Result<ApiKey, InitError> {
    let kek = KeyEncryptionKey::generate();
    let created = ca::create(&config.trust_domain, config.profile.jwt_algorithm.into(), &kek, now)?;
    let root = created.anchor.certificate.clone();
    let key = ApiKey::new(random::key_id(), random::secret(), pki::spki_digest(&root)?);
    let foundation =
        Foundation { anchor: created.anchor, keys: created.keys, administrator: administrator(&key, now) };
    let store = Store::open(&dir.join(file::DATABASE))?;
    store.found(cause(now), foundation).await?;
    store.close().await;
    let anchors = Anchors::new(vec![root]).expect("one certificate is not none").to_pem();
    write(dir, file::KEY, 0o600, kek.to_file_content().as_bytes())?;
    write(dir, file::ROOT_KEY, 0o600, created.root_key.as_bytes())?;
    write(dir, file::ROOT, 0o644, anchors.as_bytes())?;
    write(dir, file::CONFIG, 0o600, config.to_file_content().as_bytes())?;
    write(dir, file::ADMIN_KEY, 0o600, line(&key).as_bytes())?;
    Ok(key)
}

fn line(key: &ApiKey) -> Zeroizing<String> {
    let mut line = key.reveal();
    line.push('\n');
    line
}

fn write(dir: &Path, name: &str, mode: u32, content: &[u8]) -> Result<(), InitError> {
    let path = dir.join(name);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
    written.map_err(failed(&path))
}

/// The key all others come from: it may do everything, everywhere, for a year.
fn administrator(key: &ApiKey, now: UnixTime) -> ApiKeyRecord {
    let name = || ADMINISTRATOR.parse().expect("a display name");
    let request = CreateApiKey {
        kind: KeyKind::Personal,
        name: name(),
        description: "made when the master was set up".to_owned(),
        groups: Vec::new(),
        capabilities: Capability::ALL.to_vec(),
        expires: None,
        networks: Vec::new(),
        uses: None,
    };
    let creator = Creator { owner: &name(), capabilities: Capability::ALL };
    NewApiKey::new(request, creator, ExpiryPolicy::default(), now)
        .expect("everything is within the rules")
        .into_record(key.id(), key.secret().digest(), now)
}

const ADMINISTRATOR: &str = "administrator";

fn cause(now: UnixTime) -> Cause {
    let request: RequestId = random::request_id();
    Cause { request, actor: Actor::Master, from: IpAddr::V4(Ipv4Addr::LOCALHOST), at: now }
}

#[cfg(test)]
mod tests {
    use super::*;
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
