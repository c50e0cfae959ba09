//! A wall clock of a process's own, set while it runs: libfaketime (Debian: `faketime`), told by a file.
//!
//! Only what asks libc for the wall clock sees it. The clocks that nobody can set stay the kernel's.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use gatepass::clock::{Clock as _, SystemClock};
use gatepass_contract::time::UnixTime;
use tempfile::TempDir;

/// A wall clock that is off, for every process that is given its environment.
#[derive(Debug)]
pub struct FakeClock(TempDir);

impl FakeClock {
    /// One that is that many seconds ahead of the kernel's.
    pub fn ahead_by(seconds: i64) -> Self {
        let clock = Self(tempfile::tempdir().expect("a directory"));
        clock.set(seconds);
        clock
    }

    /// Sets it, for the processes that run too. In one rename: a half-written file would be no clock at all.
    pub fn set(&self, seconds_ahead: i64) {
        let (next, file) = (self.0.path().join("next"), self.file());
        write!(File::create(&next).expect("a file"), "{seconds_ahead:+}").expect("room for a number");
        fs::rename(next, file).expect("both are ours");
    }

    /// What makes a process see it.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let file = self.file().to_str().expect("a path of ours").to_owned();
        let on = || "1".to_owned();
        vec![
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", on()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", on()),
            ("NO_FAKE_STAT", on()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("offset")
    }
}

/// The real time, as the kernel has it.
pub fn real_now() -> UnixTime {
    SystemClock.wall()
}

/// Where each architecture keeps it.
fn library() -> String {
    let places = fs::read_dir("/usr/lib").expect("every system has one");
    let files = places.filter_map(Result::ok).map(|place| place.path().join("faketime/libfaketimeMT.so.1"));
    let found = files.into_iter().find(|file| file.exists());
    found
        .expect("libfaketime is installed (Debian: apt-get install faketime)")
        .to_str()
        .expect("plain letters")
        .to_owned()
}
