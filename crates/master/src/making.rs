//! Directories that appear whole or not at all: made beside their place, synced, and renamed into it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::mem::ManuallyDrop;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::random;

/// A directory on its way, for its owner alone; removed again unless it is published or kept.
pub(crate) struct Making(PathBuf);

/// Full disk, no right to.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written", .path.display())]
pub struct NotWritten {
    /// Which file or directory.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Making {
    pub(crate) fn beside(dir: &Path) -> Result<Self, NotWritten> {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let path = dir.with_file_name(format!(".{name}.{}", random::token_id()));
        let made = fs::create_dir_all(parent(dir)).and_then(|()| DirBuilder::new().mode(0o700).create(&path));
        made.map_err(failed(&path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a file into it, on disk.
    pub(crate) fn write(&self, name: &str, mode: u32, content: &[u8]) -> Result<(), NotWritten> {
        let path = self.0.join(name);
        let written =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).and_then(|mut file| {
                file.write_all(content)?;
                file.sync_all()
            });
        written.map_err(failed(&path))
    }

    /// Copies a file into it, on disk.
    pub(crate) fn copy(&self, from: &Path, name: &str, mode: u32) -> Result<(), NotWritten> {
        let path = self.0.join(name);
        let copied =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).and_then(|mut file| {
                io::copy(&mut File::open(from)?, &mut file)?;
                file.sync_all()
            });
        copied.map_err(failed(&path))
    }

    /// Puts it where it belongs. An empty directory may be there: systemd makes one for a service.
    pub(crate) fn publish(&self, dir: &Path) -> Result<(), NotWritten> {
        let sync = |path: &Path| File::open(path).and_then(|opened| opened.sync_all());
        sync(&self.0).map_err(failed(&self.0))?;
        fs::rename(&self.0, dir).map_err(failed(dir))?;
        sync(parent(dir)).map_err(failed(dir))
    }

    /// Leaves it where it is.
    pub(crate) fn keep(self) -> PathBuf {
        ManuallyDrop::new(self).0.clone()
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Gone already once it was published; else there is nothing more to do about it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether something lies there already.
pub(crate) fn is_taken(dir: &Path) -> bool {
    match fs::read_dir(dir) {
        Ok(mut inside) => inside.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(crate) fn failed(path: &Path) -> impl FnOnce(io::Error) -> NotWritten {
    let path = path.to_owned();
    move |source| NotWritten { path, source }
}
