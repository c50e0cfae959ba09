//! A fresh host: a view of this one on which whatever is installed is written elsewhere and can be listed.
//!
//! An overlay of `/` on a disk in memory, in a mount namespace of its own that a process of ours keeps; commands run
//! chrooted into it. No systemd runs there. The network is this host's: a master on loopback can be reached.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::program::{Output, Program, program, tool, write};

/// A host that has just been set up. Gone with the test, with every process on it that holds its files open.
pub struct Host {
    dir: TempDir,
    keeper: Program,
}

/// Makes the mounts, says so, and keeps them for as long as its standard input is open.
const KEEP: &str = r#"
set -e
mount -t tmpfs -o mode=0755 tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
mount --rbind /proc "$0/root/proc"
mount --rbind /dev "$0/root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$0/root/run"
echo ready
exec cat >/dev/null
"#;

/// What the host's own tools leave behind when an account was made and removed again.
const RESIDUE: [&str; 7] = [
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    "/etc/.pwd.lock",
];

impl Host {
    /// `None`, with a line that says so, where nobody may mount.
    pub fn fresh() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = tool("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", KEEP]).arg(dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = Program(command.spawn().expect("util-linux is installed"));
        let mut line = String::new();
        let out = keeper.0.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it can be read");
        if line.trim() == "ready" {
            return Some(Self { dir, keeper });
        }
        let mut why = String::new();
        let err = keeper.0.stderr.take().expect("it is piped");
        BufReader::new(err).read_line(&mut why).expect("it can be read");
        skip(why.trim());
        None
    }

    /// A command to be run there, as root. Its programs are those of this workspace and the system's.
    pub fn command(&self, name: impl AsRef<Path>) -> Command {
        let name = name.as_ref();
        let built = name.components().count() == 1 && name.to_string_lossy().starts_with("gatepass");
        let file = if built { program(&name.to_string_lossy()) } else { name.to_owned() };
        let mut command = tool("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.0.id()));
        command.arg("chroot").arg(self.dir.path().join("root")).arg(file);
        for name in ["GATEPASS_APIKEY", "GATEPASS_MASTER", "GATEPASS_CONFIG", "GATEPASS_APIKEY_FILE"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs `gatepass` there.
    #[track_caller]
    pub fn gatepass(&self, args: &[&str]) -> Output {
        Output::of(self.command("gatepass").args(args))
    }

    /// Runs a shell line there.
    #[track_caller]
    pub fn sh(&self, line: &str) -> Output {
        Output::of(self.command("/bin/sh").args(["-c", line]))
    }

    /// Where a file of the host is to be found from outside.
    pub fn path(&self, path: &str) -> PathBuf {
        self.seen().join("root").join(path.trim_start_matches('/'))
    }

    /// The disk in memory, through the namespace of its keeper.
    fn seen(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.0.id()));
        root.join(self.dir.path().strip_prefix("/").expect("an absolute path"))
    }

    /// Puts a file there; its directory is made.
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().expect("a file")).expect("room for a directory");
        write(file, content);
    }

    /// What a file there holds; `None` when there is none.
    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// Makes a directory there read-only, for good.
    pub fn read_only(&self, path: &str) {
        self.mount(&["--bind", path, path]);
        self.mount(&["-o", "remount,bind,ro", path]);
    }

    /// Puts a small disk over a directory there, and fills it up.
    pub fn full(&self, path: &str) {
        self.mount(&["-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", path]);
        let ballast = self.path(path).join("ballast");
        let file = fs::File::create(ballast).expect("an empty disk");
        let mut file = std::io::BufWriter::with_capacity(512, file);
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    }

    fn mount(&self, args: &[&str]) {
        Output::of(self.command("/bin/mount").args(args)).expect(0);
    }

    /// Every file, link and directory that is not as on this host, by its path there. What the host's own account tools
    /// leave behind is not listed, nor what a test has put under `/root`.
    pub fn changes(&self) -> Vec<String> {
        let upper = self.seen().join("upper");
        let mut found = BTreeMap::new();
        walk(&upper, Path::new("/"), &mut found);
        let differs = |(path, is_dir): &(String, bool)| {
            let (here, there) = (Path::new(path), upper.join(path.trim_start_matches('/')));
            if *is_dir { !here.is_dir() } else { !is_same(here, &there) }
        };
        let listed = found.into_iter().filter(differs).map(|(path, _)| path);
        listed.filter(|path| !RESIDUE.contains(&path.as_str()) && !path.starts_with("/root/")).collect()
    }
}

impl Drop for Host {
    /// Ends what was left running there: whatever shares the keeper's mounts.
    fn drop(&mut self) {
        let mounts = |id: &str| fs::read_link(format!("/proc/{id}/ns/mnt")).ok();
        let keeper = self.keeper.0.id().to_string();
        let Some(own) = mounts(&keeper) else { return };
        let processes = fs::read_dir("/proc").expect("every system has one").filter_map(Result::ok);
        let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let there = names.filter(|id| id.parse::<u32>().is_ok() && *id != keeper);
        for id in there.filter(|id| mounts(id).as_ref() == Some(&own)) {
            Output::of(tool("kill").args(["-KILL", &id]));
        }
    }
}

fn walk(upper: &Path, dir: &Path, found: &mut BTreeMap<String, bool>) {
    let inside = upper.join(dir.strip_prefix("/").expect("absolute"));
    for entry in fs::read_dir(inside).expect("readable by root") {
        let entry = entry.expect("an entry");
        let path = dir.join(entry.file_name());
        let is_dir = entry.file_type().expect("a type").is_dir();
        found.insert(path.to_string_lossy().into_owned(), is_dir);
        if is_dir {
            walk(upper, &path, found);
        }
    }
}

/// The same content, owner and mode. A character device in the upper directory says that the file was removed.
fn is_same(here: &Path, there: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs::symlink_metadata(here), fs::symlink_metadata(there)) else {
        let removed = fs::symlink_metadata(there).is_ok_and(|found| found.file_type().is_char_device());
        return removed && !here.exists();
    };
    let access = (a.mode(), a.uid(), a.gid()) == (b.mode(), b.uid(), b.gid());
    access
        && if a.is_symlink() {
            fs::read_link(here).ok() == fs::read_link(there).ok()
        } else {
            fs::read(here).ok() == fs::read(there).ok()
        }
}

#[expect(clippy::print_stdout, reason = "who reads the tests' output has to know what was not tried")]
fn skip(why: &str) {
    println!("SKIPPED: there can be no fresh host here: {why}");
}
