//! Generations on disk.
//!
//! Invariant: a reader that follows `current` sees the files of exactly one generation, at every instant, through kill
//! -9 and full disks. One rename is the commit point; what stands before it is complete and synced.
//!
//! ```text
//! generations/000007/   tls.key tls.crt ca.crt agent.jwt meta.json
//! current               -> generations/000007
//! pending.key           made for a request whose answer is not stored yet
//! state.json  lock      what the daemon knows beyond the bundle; one writer at a time
//! format                the number of this layout
//! ```

mod error;
mod format;
mod generations;
mod lock;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub use crate::durable::{Generation, write_atomically};
pub use error::StoreError;
pub use format::FORMAT;
pub use lock::Lock;

use crate::durable::{absent, beside, make_private_dir, write_durably};
use crate::faults;
use error::{At, unless_private};

/// The state directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Looks at the directory; one that is missing holds nothing and is made by the first write. One that a newer program
    /// has changed is refused.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { root: root.into() };
        if let Some(found) = absent(fs::metadata(&store.root)).at("read", &store.root)? {
            unless_private(&store.root, found.permissions().mode())?;
            store.known_format()?;
        }
        Ok(store)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What consumers follow: it always leads to one whole generation.
    #[must_use]
    pub fn current_dir(&self) -> PathBuf {
        self.root.join("current")
    }

    /// Makes this process the only writer for as long as the lock lives.
    pub fn lock(&self) -> Result<Lock, StoreError> {
        self.make_root()?;
        let lock = Lock::take(&self.root)?;
        self.mark_format()?;
        Ok(lock)
    }

    /// Keeps a key pair (PKCS#8 PEM) before it is used, so that a lost answer can be asked for again with it.
    pub fn save_pending_key(&self, pem: &str) -> Result<(), StoreError> {
        self.make_root()?;
        let path = self.pending_path();
        write_durably(&path, pem.as_bytes(), 0o600, || faults::point("pending-key.before-rename"))
            .at("write", &path)?;
        faults::point("pending-key.saved");
        Ok(())
    }

    /// The key pair kept for a request whose answer is not stored yet.
    pub fn pending_key(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        error::private_text(&self.pending_path())
    }

    /// The answer is stored. Not synced: should a power cut bring the key back, it is that of the stored generation.
    pub fn clear_pending_key(&self) -> Result<(), StoreError> {
        let path = self.pending_path();
        absent(fs::remove_file(&path)).at("remove", &path)?;
        faults::point("pending-key.cleared");
        Ok(())
    }

    /// Keeps what the daemon knows beyond the bundle. Not synced: nothing in it is needed to hold or renew an identity.
    pub fn save_state(&self, state: &impl Serialize) -> Result<(), StoreError> {
        self.make_root()?;
        let path = self.state_path();
        let text = serde_json::to_vec_pretty(state).expect("state is plain data");
        write_atomically(&path, &text, 0o600).at("write", &path)?;
        faults::point("state.saved");
        Ok(())
    }

    /// What [`Store::save_state`] kept. What cannot be understood counts as none, so that it cannot stop an agent.
    pub fn load_state<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        let path = self.state_path();
        let Some(text) = absent(fs::read(&path)).at("read", &path)? else { return Ok(None) };
        Ok(serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(%error, file = %path.display(), "left aside"))
            .ok())
    }

    /// Who writes here now: the process it left in the lock, where somebody holds it. Changes nothing.
    #[must_use]
    pub fn writer(&self) -> Option<String> {
        lock::holder(&self.root)
    }

    /// Forgets who this host is: every generation, the pending key, what was known beside them. Nobody may write here
    /// meanwhile.
    pub fn forget(&self) -> Result<(), StoreError> {
        let link = self.current_dir();
        absent(fs::remove_file(&link)).at("remove", &link)?;
        let generations = self.root.join("generations");
        absent(fs::remove_dir_all(&generations)).at("remove", &generations)?;
        let pending = self.pending_path();
        let [format, lock] = ["format", "lock"].map(|name| self.root.join(name));
        for path in [&self.state_path(), &pending, &beside(&pending, ".new"), &format, &lock] {
            absent(fs::remove_file(path)).at("remove", path)?;
        }
        Ok(())
    }

    fn pending_path(&self) -> PathBuf {
        self.root.join("pending.key")
    }

    fn state_path(&self) -> PathBuf {
        self.root.join("state.json")
    }

    fn make_root(&self) -> Result<(), StoreError> {
        make_private_dir(&self.root).at("make", &self.root)
    }
}

#[cfg(test)]
mod tests;
