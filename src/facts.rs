//! What this host can say about itself without asking anybody: no DNS, no network.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use aws_lc_rs::hmac;
use gatepass_contract::digest::Sha256;
use gatepass_contract::name::HostName;
use gatepass_contract::wire::agent::Facts;

/// What this host says about itself. `root` is `/` but in tests.
#[must_use]
pub fn gather(root: &Path) -> Facts {
    let node = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let hosts = fs::read_to_string(root.join("etc/hosts")).unwrap_or_default();
    Facts {
        host_names: host_names(&node, &hosts),
        addresses: addresses(),
        machine: fs::read(root.join("etc/machine-id")).ok().and_then(|id| machine(&id)),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The own name, and the full one where `/etc/hosts` has it.
fn host_names(node: &str, hosts: &str) -> Vec<HostName> {
    let dotted = format!("{node}.");
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let listed = lines.flat_map(|line| line.split_whitespace().skip(1)).map(str::to_ascii_lowercase);
    let full = listed.filter(|name| name.starts_with(&dotted) && !name.ends_with(".localdomain"));
    let mut names = Vec::new();
    for name in std::iter::once(node.to_owned()).chain(full) {
        let name = name.parse().ok().filter(|name: &HostName| name.as_str() != "localhost");
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names.truncate(MOST_NAMES);
    names
}

/// Of every interface that is up, those that others could reach.
fn addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let all = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    worth_telling(all)
}

/// In order, so that the same host says the same twice.
fn worth_telling(all: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let local = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    };
    let mut addresses: Vec<_> = all.filter(|address| !local(address)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

/// machine-id(5) asks not to let the id itself out, and to derive one with a keyed hash.
fn machine(id: &[u8]) -> Option<Sha256> {
    let id = id.trim_ascii();
    // A fresh image says `uninitialized`: all of its copies would look alike.
    if id.len() != 32 || !id.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, id), PURPOSE);
    tag.as_ref().try_into().ok().map(Sha256)
}

/// Never changes: every enrolled host would look like another one.
const PURPOSE: &[u8] = b"gatepass facts: machine";
/// As the wire allows.
const MOST_NAMES: usize = 8;
const MOST_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_host_itself() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 DB7.eu.example.com db7 # db7.comment\n::1 db7.localdomain db70.x\n";
        for (node, want) in [
            ("db7", vec!["db7", "db7.eu.example.com"]),
            ("db7.eu.example.com", vec!["db7.eu.example.com"]),
            ("other", vec!["other"]),
            ("localhost", vec![]),
            ("not_a_name", vec![]),
        ] {
            let names: Vec<_> = host_names(node, hosts).iter().map(ToString::to_string).collect();
            assert_eq!(names, want, "{node}");
        }
    }

    #[test]
    fn only_addresses_others_could_reach_are_told() {
        let all = ["127.0.0.1", "10.0.0.5", "::1", "fe80::1", "169.254.1.1", "2001:db8::5", "10.0.0.5"];
        let told = worth_telling(all.iter().map(|text| text.parse().expect("an address")));
        assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.5", "2001:db8::5"]);
    }

    #[test]
    fn the_machine_id_leaves_as_a_digest_or_not_at_all() {
        let id = b"0123456789abcdef0123456789abcdef\n";
        let digest = machine(id).expect("a digest");
        // printf 'gatepass facts: machine' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(digest.to_string(), "041c7d1649f33311f743c84ae9c3871e49cebc8549582d182db4d22115eaf358");
        assert_eq!(machine(b"uninitialized\n"), None);
        assert_eq!(machine(b""), None);
    }

    #[test]
    fn a_host_without_files_still_has_facts() {
        let empty = tempfile::tempdir().expect("a directory");
        let facts = gather(empty.path());
        assert_eq!((facts.machine, facts.version.as_str()), (None, env!("CARGO_PKG_VERSION")));
        assert!(facts.host_names.len() <= 1);
    }
}
