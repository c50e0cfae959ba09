//! Python programs that the stories use as others do, from `PyPI`, in exactly the versions listed beside the story.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Output, program, tool};

/// The directory with the programs of those requirements; installed once beside the other results of the build, under the
/// name of what is wanted.
pub fn from_pypi(name: &str, requirements: &Path) -> PathBuf {
    let wanted = std::fs::read(requirements).expect("they are committed");
    let digest = gatepass_contract::digest::Sha256::of(&wanted).to_string();
    let built = program("gatepass-master");
    let target = built.ancestors().nth(2).expect("it lies in the target directory");
    let home = target.join("tools").join(format!("{name}-{}", &digest[..12]));
    let bin = home.join("bin");
    if !home.join("complete").exists() {
        // Without the package `python3-venv` it says so.
        Output::of(tool("python3").args(["-m", "venv", "--clear"]).arg(&home)).expect(0);
        let mut pip = Command::new(bin.join("pip"));
        pip.args(["install", "--quiet", "--no-deps", "--requirement"]).arg(requirements);
        Output::of(&mut pip).expect(0);
        File::create(home.join("complete")).expect("a mark");
    }
    bin
}
