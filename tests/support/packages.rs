//! Debian packages of the programs that the stories run, as `scripts/package` makes them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Output, program, tool};

/// The version that hosts begin with, and one that comes after it.
pub const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];

/// The package of that name; both versions are made when one is first wanted.
pub fn package(name: &str, version: &str) -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let dir = MADE.get_or_init(make);
    let entries = std::fs::read_dir(dir).expect("they were made").filter_map(Result::ok);
    let start = format!("{name}_{version}_");
    let found = entries.map(|entry| entry.path()).find(|file| {
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&start) && Path::new(&*file).extension().is_some_and(|kind| kind == "deb")
    });
    found.unwrap_or_else(|| panic!("no {start}*.deb in {}", dir.display()))
}

/// Beside the programs, in a directory of this process's own: neighbours may be at it too.
fn make() -> PathBuf {
    let built = program("gatepass");
    let bin = built.parent().expect("it lies in a directory");
    let out = bin.parent().expect("the target directory").join("test-packages");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
    for version in VERSIONS {
        let mut command = tool(&script);
        command
            .args(["--quick", "--version", version, "--bin-dir"])
            .arg(bin)
            .arg("--out")
            .arg(&out)
            .arg("deb");
        Output::of(&mut command).expect(0);
    }
    out
}
