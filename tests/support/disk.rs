//! A small disk of the test's own: it can be filled, and made read-only where somebody looks at it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Output, eventually, tool};

/// How long a neighbour may take to let go.
const SOON: Duration = Duration::from_secs(20);

/// Unmounted with the test.
pub struct Disk(TempDir);

impl Disk {
    /// Of that many KiB; `None`, with a line that says so, where nobody may mount one.
    pub fn new(kib: u32) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let options = format!("size={kib}k,mode=0700");
        let mounted =
            Output::of(tool("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()));
        if mounted.code == Some(0) {
            return Some(Self(dir));
        }
        skip(&mounted);
        None
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.ballast()).expect("opened");
        for size in [64 * 1024, 4096, 1] {
            let block = vec![1; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// Writes until only that many KiB are left.
    pub fn leave(&self, kib: u64) {
        self.fill();
        let file = OpenOptions::new().write(true).open(self.ballast()).expect("opened");
        let size = file.metadata().expect("it is there").len();
        file.set_len(size - kib * 1024).expect("shorter");
    }

    /// Makes room again.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Output::of(tool("umount").arg("--lazy").arg(self.0.path()));
    }
}

#[expect(clippy::print_stdout, reason = "who reads the tests' output has to know what was not tried")]
fn skip(mount: &Output) {
    println!("SKIPPED: nothing can be mounted here: {}", mount.stderr.trim());
}

/// Read-only for everybody who comes by that path, until dropped; files that are open stay writable.
pub struct ReadOnly(PathBuf);

impl ReadOnly {
    /// From now on; `None` where nobody may mount.
    pub fn make(path: &Path) -> Option<Self> {
        let mount = |args: &[&str], paths: &[&Path]| Output::of(tool("mount").args(args).args(paths));
        let bound = mount(&["--bind"], &[path, path]);
        if bound.code != Some(0) {
            skip(&bound);
            return None;
        }
        let made = Self(path.to_owned());
        // Busy for the moment in which a child that was just forked still holds what a neighbour's story is writing there.
        eventually("nobody writes there just now", SOON, || {
            mount(&["-o", "remount,bind,ro"], &[path]).code == Some(0)
        });
        File::create(path.join("proof")).expect_err("nothing can be written");
        Some(made)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        Output::of(tool("umount").arg("--lazy").arg(&self.0));
    }
}
