//! The support archive: what somebody who helps needs to see of this host, and no secret.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Cursor, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Redaction, service, units};
use crate::durable::write_durably;

/// Texts by name, each without what must not leave the host. No file of this host is ever copied into it.
#[derive(Debug, Default)]
pub struct Archive {
    redaction: Redaction,
    texts: Vec<(&'static str, String)>,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum BadArchive {
    /// It cannot be put together.
    #[error("the archive cannot be put together")]
    Zip(#[from] ZipError),
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Archive {
    /// Empty.
    #[must_use]
    pub fn new(redaction: Redaction) -> Self {
        Self { redaction, texts: Vec::new() }
    }

    /// One more text.
    pub fn add(&mut self, name: &'static str, text: &str) {
        self.texts.push((name, self.redaction.clean(text)));
    }

    /// The program and the system under it.
    pub fn add_versions(&mut self) {
        let system = rustix::system::uname();
        let words = [system.sysname(), system.release(), system.machine()].map(|word| word.to_string_lossy());
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        self.add("versions.txt", &format!("gatepass {version}\n{}\n\n{release}", words.join(" ")));
    }

    /// Names, owners, modes, sizes: of each of these and all that is in it.
    pub fn add_listing(&mut self, places: &[&Path]) {
        let mut listing = String::new();
        for place in places {
            list(place, DEPTH, &mut listing);
        }
        self.add("files.txt", &listing);
    }

    /// What systemd says of the agent's unit, and the last of its journal, where they can be read.
    pub async fn add_unit(&mut self, config_file: Option<&Path>, state_dir: &Path) {
        let unit = service::unit_of(config_file, state_dir);
        if let Some(status) = units::status(&unit).await {
            self.add("unit.txt", &status);
        }
        if let Some(journal) = units::journal(&unit).await.filter(|journal| !journal.is_empty()) {
            self.add("journal.txt", &journal);
        }
    }

    /// Writes it, for its owner alone.
    pub fn write(&self, path: &Path) -> Result<(), BadArchive> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(0o600);
        for (name, text) in &self.texts {
            zip.start_file(format!("gatepass-support/{name}"), options)?;
            zip.write_all(text.as_bytes()).map_err(ZipError::from)?;
        }
        let bytes = zip.finish()?.into_inner();
        write_durably(path, &bytes, 0o600, || {})
            .map_err(|source| BadArchive::Io { path: path.to_owned(), source })
    }
}

fn list(path: &Path, depth: u32, listing: &mut String) {
    let shown = path.display();
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) => {
            let _ = writeln!(listing, "?         {shown}: {error}");
            return;
        }
    };
    let (mode, uid, gid, size) = (meta.permissions().mode(), meta.uid(), meta.gid(), meta.size());
    let target = fs::read_link(path).map(|target| format!(" -> {}", target.display())).unwrap_or_default();
    let _ = writeln!(listing, "{mode:06o} {uid:>6} {gid:>6} {size:>9} {shown}{target}");
    if !meta.is_dir() || depth == 0 {
        return;
    }
    let mut inside: Vec<_> =
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    inside.sort();
    for path in inside.iter().take(MOST) {
        list(path, depth - 1, listing);
    }
}

/// As deep as a generation's files lie.
const DEPTH: u32 = 3;
/// Of one directory: somebody else's may hold anything.
const MOST: usize = 200;
