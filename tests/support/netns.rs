//! Networks of the test's own: namespaces with links between them, gone with the test.

use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

use super::{Output, tool};

/// Network namespaces with names of their own; each has a loopback device and nothing else until it is linked.
pub struct Net {
    id: String,
    spaces: Vec<&'static str>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Net {
    /// One namespace for each name; `None`, with a line that says so, where nobody may make one.
    pub fn new(spaces: &[&'static str]) -> Option<Self> {
        let id = format!("gp{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let mut net = Self { id, spaces: Vec::new() };
        for &space in spaces {
            let made = Output::of(tool("ip").args(["netns", "add", &net.name(space)]));
            if made.code != Some(0) {
                skip(&made);
                return None;
            }
            net.spaces.push(space);
            net.ip(space, &["link", "set", "lo", "up"]);
        }
        Some(net)
    }

    fn name(&self, space: &str) -> String {
        format!("{}{space}", self.id)
    }

    /// `ip` in that namespace.
    #[track_caller]
    pub fn ip(&self, space: &str, args: &[&str]) {
        Output::of(tool("ip").args(["-n", &self.name(space)]).args(args)).expect(0);
    }

    /// A wire between two namespaces, with these addresses at its ends.
    #[track_caller]
    pub fn link(&self, one: (&str, &[&str]), other: (&str, &[&str])) {
        let (near, far) = (format!("to-{}", other.0), format!("to-{}", one.0));
        self.ip(
            one.0,
            &["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &self.name(other.0)],
        );
        for (space, device, addresses) in [(one.0, &near, one.1), (other.0, &far, other.1)] {
            for address in addresses {
                // Nobody else is on the wire: an IPv6 address need not wait until that is known.
                let nodad = if address.contains(':') { &["nodad"][..] } else { &[] };
                self.ip(space, &[&["addr", "add", address, "dev", device][..], nodad].concat());
            }
            self.ip(space, &["link", "set", device, "up"]);
        }
    }

    /// Does something on a host that has that network and no other. Programs that it starts stay there, and so do threads.
    pub fn within<T>(&self, space: &str, what: impl FnOnce() -> T) -> T {
        let here = File::open("/proc/thread-self/ns/net").expect("this thread has a network");
        let there = File::open(format!("/run/netns/{}", self.name(space))).expect("it was made");
        setns(there, CloneFlags::CLONE_NEWNET).expect("who made it may enter");
        let done = what();
        setns(here, CloneFlags::CLONE_NEWNET).expect("back again");
        done
    }

    /// From now on what goes to that address leaves and never arrives; `family` is `ip` or `ip6`.
    #[track_caller]
    pub fn swallow(&self, space: &str, family: &str, address: &str) {
        let rules = format!(
            "table inet gone {{\nchain out {{\ntype filter hook output priority 0;\n{family} daddr {address} drop\n}}\n}}"
        );
        self.within(space, || Output::of(tool("nft").arg(rules)).expect(0));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for space in &self.spaces {
            Output::of(tool("ip").args(["netns", "del", &self.name(space)]));
        }
    }
}

#[expect(clippy::print_stdout, reason = "who reads the tests' output has to know what was not tried")]
fn skip(made: &Output) {
    println!("SKIPPED: no network can be made here: {}", made.stderr.trim());
}

/// The same command on a host whose `/etc/hosts` says only that.
pub fn with_hosts(hosts: &std::path::Path, command: &Command) -> Command {
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "sh", "-c", "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"", "sh"]);
    inside.arg(hosts).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}
