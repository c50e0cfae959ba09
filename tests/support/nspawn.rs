//! Hosts with an init of their own: Debian, booted by systemd-nspawn, in a network that the story has for itself.
//!
//! The system they boot is made once, by mmdebstrap, and kept beside the build results; each host changes only a layer
//! of its own, in memory. Hosts, layers and networks live in namespaces and end with the processes that hold them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use super::{Output, Program, eventually, program, tool};

/// What the hosts have besides the packages every Debian has: an init, what a fleet is reached and managed by (sshd,
/// Python, cloud-init), what lets a service reload a neighbour (polkit), what gives one a wrong clock (faketime).
const PACKAGES: &str = "adduser,ca-certificates,cloud-init,dbus,faketime,iproute2,openssh-server,polkitd,procps,python3,python3-apt,\
                        systemd,systemd-sysv";

/// How long a host may take to boot, or to go.
const BOOT: Duration = Duration::from_mins(1);

/// Where the story itself is in its network: a master listens there.
pub const HERE: &str = "10.77.0.1";

/// A network that nothing else is in, and the hosts of it that were booted.
pub struct Lab {
    root: &'static Path,
}

impl Lab {
    /// Runs a story on a thread that is in a network of its own, with everything it starts. Where this machine cannot
    /// boot hosts, one line says so and the story is left out.
    pub fn run(story: impl FnOnce(&Self) + Send) {
        let root = match root() {
            Ok(root) => root,
            Err(why) => return skip(why),
        };
        let outcome = std::thread::scope(|scope| scope.spawn(|| enter(|| story(&Self { root }))).join());
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    }

    /// Boots a host; its place in the network is its number, 2 to 254.
    #[track_caller]
    pub fn boot(&self, name: &str, number: u8) -> Machine {
        let machine = Machine::begin(self.root, name, &format!("10.77.0.{number}"));
        machine.wait();
        machine
    }

    /// Boots several at once, numbered from 11.
    #[track_caller]
    pub fn boot_all<const N: usize>(&self, names: [&str; N]) -> [Machine; N] {
        let mut number = 10;
        let machines = names.map(|name| {
            number += 1;
            Machine::begin(self.root, name, &format!("10.77.0.{number}"))
        });
        machines.iter().for_each(Machine::wait);
        machines
    }
}

#[expect(clippy::print_stdout, reason = "who reads the tests' output has to know what was not tried")]
fn skip(why: &str) {
    println!("SKIPPED: no host can be booted here: {why}");
}

/// The network is the one of a process that does nothing else; the hosts are on its bridge.
fn enter(story: impl FnOnce()) {
    let mut hold = tool("unshare");
    hold.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let holder = Program(hold.spawn().expect("unshare runs"));
    let (ours, theirs) = (PathBuf::from("/proc/self/ns/net"), format!("/proc/{}/ns/net", holder.0.id()));
    eventually("the network is made", BOOT, || fs::read_link(&ours).ok() != fs::read_link(&theirs).ok());
    let network = File::open(theirs).expect("the holder runs");
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
    ip("link set lo up");
    ip("link add lab type bridge");
    ip(&format!("addr add {HERE}/24 dev lab"));
    ip("link set lab up");
    story();
}

fn ip(args: &str) {
    Output::of(tool("ip").args(args.split(' '))).expect(0);
}

/// A host that is up. Gone with the test, with all it holds.
pub struct Machine {
    name: String,
    address: String,
    nspawn: Program,
    leader: u32,
    groups: Vec<PathBuf>,
    dir: TempDir,
}

impl Machine {
    fn begin(root: &Path, name: &str, address: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // Names are the whole machine's: that of the directory is nobody else's.
        let unique = dir.path().file_name().and_then(OsStr::to_str).expect("letters").replace('.', "gp");
        let groups = groups(&unique).expect("control groups can be made");
        let mut nspawn = nspawn(root, name, &unique, &groups, dir.path());
        let nspawn = Program(nspawn.spawn().expect("setpriv runs"));
        Self { name: name.to_owned(), address: address.to_owned(), nspawn, leader: 0, groups, dir }.led()
    }

    /// Finds its init, and gives it its address.
    fn led(mut self) -> Self {
        let log = self.dir.path().join("console");
        let said = || fs::read_to_string(&log).unwrap_or_default();
        eventually("an init runs", BOOT, || {
            let ended = self.nspawn.0.try_wait().expect("it is our child");
            assert!(ended.is_none(), "{} did not boot: {ended:?}\n{}", self.name, said());
            self.leader = init(self.nspawn.0.id()).unwrap_or(0);
            self.leader != 0
        });
        self.net(&["addr", "add", &format!("{}/24", self.address), "dev", "host0"]);
        self.net(&["link", "set", "host0", "up"]);
        self
    }

    fn net(&self, args: &[&str]) {
        let leader = self.leader.to_string();
        Output::of(tool("nsenter").args(["--target", &leader, "--net", "ip"]).args(args)).expect(0);
    }

    /// Until everything that is started at boot has been.
    #[track_caller]
    fn wait(&self) {
        eventually("systemd can be asked", BOOT, || {
            let state = self.run(&["systemctl", "is-system-running", "--wait"]).stdout;
            assert!(state != "degraded\n", "{}", self.run(&["systemctl", "--failed"]).stdout);
            state == "running\n"
        });
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is reached.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// One of its files, as seen from here. Absolute links lead astray.
    pub fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{file}", self.leader))
    }

    /// Writes a file of root's, with that mode; its directory is made.
    pub fn write(&self, file: &str, mode: u32, content: impl AsRef<[u8]>) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory");
        let mut written = File::create(&path).expect("a file");
        written.set_permissions(fs::Permissions::from_mode(mode)).expect("it is root's");
        written.write_all(content.as_ref()).expect("room for it");
    }

    /// Copies a file there, with its mode.
    pub fn copy(&self, from: &Path, to: &str) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().expect("it is in a directory")).expect("a directory");
        fs::copy(from, to).expect("it is there, and there is room");
    }

    /// A command on it, as root.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = tool("nsenter");
        command.args(["--target", &self.leader.to_string(), "--all", "--", "env", "--ignore-environment"]);
        command.args([
            "HOME=/root",
            "LANG=C.UTF-8",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        ]);
        command.args(["timeout", "60"]).args(args);
        command
    }

    /// Runs it to its end, at most a minute.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.command(args))
    }

    /// Lines of shell that must all succeed; what they print.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.run(&["sh", "-euc", script]).expect(0).stdout
    }

    /// A property of a unit.
    #[track_caller]
    pub fn show(&self, unit: &str, property: &str) -> String {
        self.run(&["systemctl", "show", "--value", "-p", property, unit]).expect(0).stdout.trim().to_owned()
    }

    /// What a unit has said.
    pub fn journal(&self, unit: &str) -> String {
        self.run(&["journalctl", "--no-pager", "-o", "cat", "-u", unit]).stdout
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its init is killed, and with it everything; nspawn ends by itself then.
        self.nspawn.signal("TERM");
        self.nspawn.ended(BOOT);
        for group in &self.groups {
            remove_group(group);
        }
    }
}

/// The first argument of `$0` is where it boots; the changes are kept in memory, where nothing waits for a disk.
const BOOT_SCRIPT: &str = r#"
    dir=$1 root=$2; shift 2
    mount -t tmpfs -o mode=0755 tmpfs "$dir/layer"
    mkdir "$dir/layer/changes" "$dir/layer/work"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/layer/changes,workdir=$dir/layer/work" "$dir/root"
    echo "$1" >"$dir/root/etc/hostname"; shift
    while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done
    shift
    exec "$@"
"#;

fn nspawn(root: &Path, name: &str, unique: &str, groups: &[PathBuf], dir: &Path) -> Command {
    for part in ["layer", "root"] {
        fs::create_dir(dir.join(part)).expect("a directory of ours");
    }
    let console = File::create(dir.join("console")).expect("a file");
    let mut command = tool("setpriv");
    // Whatever becomes of the test, nothing is left running.
    command.args(["--pdeathsig", "TERM", "unshare", "--mount", "sh", "-euc", BOOT_SCRIPT, "sh"]);
    command.args([dir, root]).arg(name).args(groups).arg("--");
    command.args([
        "systemd-nspawn",
        "--register=no",
        "--keep-unit",
        "--kill-signal=SIGKILL",
        "--console=pipe",
    ]);
    command.args([
        "--network-bridge=lab",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--boot",
    ]);
    command.arg(format!("--machine={unique}")).arg(format!("--hostname={name}"));
    command.arg(format!("--uuid={}", uuid())).arg("--directory").arg(dir.join("root"));
    command.stdin(Stdio::null()).stdout(console.try_clone().expect("a descriptor")).stderr(console);
    command
}

/// What the host's machine id becomes.
fn uuid() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux has it").trim().to_owned()
}

/// The init that an nspawn has started, when it has come that far.
fn init(nspawn: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let child = children.trim().parse().ok()?;
    let comm = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (comm == "systemd\n").then_some(child)
}

/// A control group for one host in each hierarchy that systemd keeps its units in: without, two would share one.
fn groups(name: &str) -> io::Result<Vec<PathBuf>> {
    let hierarchies = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let found =
        hierarchies.map(PathBuf::from).into_iter().filter(|place| place.join("cgroup.procs").exists());
    let groups: Vec<_> = found.map(|place| place.join(name)).collect();
    groups.iter().try_for_each(fs::create_dir)?;
    Ok(groups)
}

fn remove_group(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().filter_map(Result::ok);
    inner.filter(|entry| entry.path().is_dir()).for_each(|entry| remove_group(&entry.path()));
    // Left where something of it still runs; it is empty and harms nobody.
    let _ = fs::remove_dir(group);
}

/// The system that all hosts boot, made when it is first wanted; or why none can be booted.
fn root() -> Result<&'static Path, &'static str> {
    static ROOT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let root = ROOT.get_or_init(|| able().and_then(|suite| made(&suite)));
    root.as_deref().map_err(String::as_str)
}

/// Whether this machine can do it; the Debian that its programs run on.
fn able() -> Result<String, String> {
    if !geteuid().is_root() {
        return Err("only root may".to_owned());
    }
    for name in ["systemd-nspawn", "mmdebstrap", "nsenter", "setpriv", "ip"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|directory| directory.join(name).exists());
        if !found {
            return Err(format!(
                "`{name}` is missing (Debian: systemd-container, mmdebstrap, util-linux, iproute2)"
            ));
        }
    }
    let trial =
        Output::of(tool("unshare").args(["--mount", "--net", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]));
    if trial.code != Some(0) {
        return Err(format!("namespaces are not allowed: {}", trial.stderr.trim()));
    }
    let trial = groups(&format!("gatepass-trial-{}", std::process::id()))
        .map(|groups| groups.iter().for_each(|group| remove_group(group)));
    trial.map_err(|error| format!("control groups cannot be made: {error}"))?;
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| release.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
    match (value("ID=").as_deref(), value("VERSION_CODENAME=")) {
        (Some("debian"), Some(suite)) => Ok(suite),
        _ => {
            Err("the programs that were built here may only run on this kind of system, which is not Debian"
                .to_owned())
        }
    }
}

/// Kept beside the other build results, by what is in it.
fn made(suite: &str) -> Result<PathBuf, String> {
    let mut hash = DefaultHasher::new();
    (PACKAGES, TUNING).hash(&mut hash);
    let tools =
        program("gatepass").ancestors().nth(2).expect("it lies in the target directory").join("tools");
    fs::create_dir_all(&tools).expect("a directory among the build results");
    let root = tools.join(format!("debian-{suite}-{:016x}", hash.finish()));
    if !root.exists() {
        make(suite, &root)?;
    }
    Ok(root)
}

/// Nothing that starts by itself and is none of the stories' business.
const TUNING: &str = r#"
    rm -f "$1"/etc/systemd/system/timers.target.wants/*
    : >"$1"/etc/machine-id
    touch "$1"/etc/cloud/cloud-init.disabled
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$1"/etc/hosts
"#;

/// Made under another name first: one that is there is whole.
fn make(suite: &str, root: &Path) -> Result<(), String> {
    let begun = root.with_extension(std::process::id().to_string());
    let mut mmdebstrap = tool("unshare");
    // What it mounts there is nobody else's to see, and gone with it.
    mmdebstrap.args([
        "--mount",
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        &format!("--include={PACKAGES}"),
    ]);
    mmdebstrap.arg(format!("--customize-hook={TUNING}")).arg(suite).arg(&begun);
    let made = Output::of(&mut mmdebstrap);
    let away = ["Could not resolve", "Could not connect", "Temporary failure", "Unable to connect"];
    if made.code != Some(0) && away.iter().any(|sign| made.stderr.contains(sign)) {
        return Err("Debian's packages are out of reach".to_owned());
    }
    made.expect(0);
    // Somebody else may have been faster; theirs is as good.
    if fs::rename(&begun, root).is_err() {
        fs::remove_dir_all(&begun).expect("it is ours");
    }
    Ok(())
}
