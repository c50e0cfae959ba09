//! Every finding there is, in one place: nothing is reported that does not stand here.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! ids {
    ($($name:ident = $text:literal, $about:literal, $remedy:literal;)*) => {
        /// What was found. An id keeps its meaning from version to version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Id {
            $(#[doc = $about] $name,)*
        }

        impl Id {
            /// Every finding there is, in the order of the areas.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As it is printed.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What it means.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about),* }
            }

            /// What to do about it in general; empty where there is nothing to do. A finding's own hint says it of the
            /// case at hand.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy),* }
            }
        }
    };
}

ids! {
    ConfigAccepted = "config.accepted", "The configuration file is read and accepted.", "";
    ConfigDefault = "config.default", "There is no configuration file: everything is as by default.",
        "Write one, or name it with --config.";
    ConfigUnreadable = "config.unreadable", "The configuration file cannot be read.",
        "Mend its place, owner or mode.";
    ConfigWrong = "config.wrong", "The configuration file says something that cannot be.",
        "Correct the line that is named.";
    ConfigExposed = "config.exposed", "Somebody else may write the configuration file, and so run programs as the agent.",
        "Take the right to write from group and others.";
    SecretExposed = "secret.exposed", "A file with a secret can be read by others.",
        "Take all rights from group and others; if anybody may have read it, replace the secret.";
    StateMissing = "state.missing", "The state directory does not exist yet.", "The first enrolment makes it.";
    StatePrivate = "state.private", "The state directory is closed to others, and everything in it is its owner's.", "";
    StateExposed = "state.exposed", "The state directory or a file in it is open to others.",
        "Take all rights from group and others.";
    StateOwner = "state.owner", "Something in the state directory belongs to another user than the directory.",
        "Give it to the directory's owner: the service cannot use it otherwise.";
    StoreUnreadable = "store.unreadable", "What the state directory holds cannot be read.",
        "Look at its owner and mode, or run the check as root.";
    DiskRoom = "disk.room", "How much room the file system of the state or of an output has.", "Make room.";
    DiskInodes = "disk.inodes", "How many files the file system can still take.", "Remove files that nobody needs.";
    DiskReadonly = "disk.readonly", "The file system of the state or of an output is mounted read-only.",
        "Mount it read-write; if it became so by itself, look at the kernel's log.";
    IdentityNone = "identity.none", "This host holds no identity yet.", "Run `gatepass download`, or start the service.";
    IdentityFits = "identity.fits", "Key, certificate chain and token belong together.", "";
    IdentityUnfit = "identity.unfit", "What is stored does not belong together.", "Enrol anew: `gatepass download`.";
    IdentityCertificate = "identity.certificate", "How long the certificate would last if the master were down from now.",
        "Where it has ended: see that the daemon runs and reaches a master.";
    IdentityToken = "identity.token", "How long the token would last if the master were down from now.",
        "Where it has ended: see that the daemon runs and reaches a master.";
    IdentityAccepted = "identity.accepted", "The master knows this agent by the identity it holds.", "";
    IdentityRefused = "identity.refused", "The master does not accept the identity that is held.",
        "Ask the administrator with the request id: `gatepassctl audit list --request ID`.";
    RenewalDue = "renewal.due", "When the identity is renewed next.", "";
    RenewalOverdue = "renewal.overdue", "The renewal is late: it should have been by now.",
        "See that the daemon runs and why its last attempt failed: `gatepass status`.";
    AdoptedWatched = "adopted.watched", "How long the adopted certificates last, that somebody else made.",
        "Give this host an API key, so that it gets an identity of its own in time; or have them made anew.";
    AdoptedUnreadable = "adopted.unreadable", "The adopted certificates cannot be read.",
        "Mend their place, owner or mode.";
    MachineSame = "machine.same", "This is the machine that the identity was issued to.", "";
    MachineChanged = "machine.changed", "The identity was issued to another machine: this one is a copy of it.",
        "On a copy: `gatepass seal`, then enrol. If only the machine id was replaced: `gatepass renew`.";
    ApikeyFormat = "apikey.format", "The API key is spelt correctly.", "";
    ApikeyUnreadable = "apikey.unreadable", "There should be an API key, and it cannot be read or is none.",
        "Mend the file, or have a new key made.";
    ApikeyNone = "apikey.none", "No API key is given.", "Before the first enrolment: name one with `apikey_file`.";
    ApikeyStanding = "apikey.standing", "How the API key stands at the master.",
        "Have it renewed, resumed, approved or replaced there.";
    ApikeyRefused = "apikey.refused", "The master would not enrol this host with the API key.",
        "Do what the master says, or ask its administrator with the request id.";
    ApikeyQuota = "apikey.quota", "How many hosts the API key may still enrol.", "Have its uses raised, or use another key.";
    ApikeyUnchecked = "apikey.unchecked", "The master could not say how the API key stands.", "";
    ProxyNone = "proxy.none", "The masters are called without a proxy.", "";
    ProxyUsed = "proxy.used", "The masters are called through a proxy, and why.", "";
    GatewayUsed = "gateway.used", "The masters are called through gateways.", "";
    NameResolved = "name.resolved", "The addresses of a master, proxy or gateway.", "";
    NameUnresolved = "name.unresolved", "A name cannot be resolved.",
        "Check its spelling, /etc/resolv.conf and /etc/hosts.";
    AddressReached = "address.reached", "A connection to this address stands, and from which address of this host.", "";
    AddressUnreachable = "address.unreachable", "No connection to this address; a warning where others of the name work.",
        "Check the firewall, and that something listens there; or take the address out of the name service.";
    RouteNone = "route.none", "This host has no way to the address: for one kind of addresses, usually, none at all.",
        "Set up a route, or take the address out of the name service.";
    MasterNone = "master.none", "No master is configured.", "Name one: masters = [\"https://host:31116\"].";
    MasterClient = "master.client", "There is nothing to verify the master with, or it cannot be read.",
        "Give an API key, or name a CA with `ca_file` or `ca_fingerprint`.";
    MasterUnreachable = "master.unreachable", "The master does not answer as a master does.",
        "Check that it runs, host, port and firewall.";
    MasterVerified = "master.verified", "The master answers and is who it should be.", "";
    TlsUntrusted = "tls.untrusted", "Another CA than the trusted one vouches for the server.",
        "Something else answers there, or a proxy opens TLS: name its CA only if it is yours.";
    TlsPin = "tls.pin", "None of the server's trust anchors has the pinned fingerprint.",
        "It is another master than the key is for: check the URL, or use a key of this master.";
    TlsName = "tls.name", "The server's certificate is for other names.",
        "Use one of these names, or start the master with the name you use.";
    TlsDates = "tls.dates", "The server's certificate is not good at the master's own time.",
        "Replace the server's certificate, or set the master's clock.";
    TlsBroken = "tls.broken", "TLS with the server fails, or it does not speak TLS 1.3.",
        "Check the port, and what opens TLS on the way.";
    Clock = "clock", "How this host's clock stands to the master's.", "Correct the clock that is wrong.";
    NetworkDelay = "network.delay", "The way to the master and back takes longer than two seconds.",
        "Look for an overloaded line, proxy or gateway.";
    OutputCurrent = "output.current", "An output holds the current identity, with the configured owner and modes.", "";
    OutputStale = "output.stale", "An output does not hold the current identity, or not with its owner and modes.",
        "See that the daemon runs, and that it may write there.";
    OutputImpossible = "output.impossible", "An output cannot be written at all.", "Do what the message says.";
    HookReady = "hook.ready", "What a hook runs is there.", "";
    HookMissing = "hook.missing", "What a hook runs does not exist or cannot be run.", "Install it, or correct the hook.";
    HookUnit = "hook.unit", "A hook is about a unit that systemd does not have.", "Install it, or correct the hook.";
    HookFailed = "hook.failed", "A hook failed after the last change.", "Run it by hand; it runs again at the next renewal.";
    UnitActive = "unit.active", "The service is enabled and runs.", "";
    UnitDisabled = "unit.disabled", "The service runs but does not start with the host.", "systemctl enable UNIT";
    UnitInactive = "unit.inactive", "The service does not run.", "systemctl start UNIT, and look at its journal.";
    UnitNone = "unit.none", "systemd has no unit for this agent, or this host has no systemd.", "";
    DaemonRunning = "daemon.running", "The daemon runs and has said how things are lately.", "";
    DaemonAbsent = "daemon.absent", "No daemon runs for this state directory.",
        "Start the service, or run `gatepass download` often enough.";
    DaemonStale = "daemon.stale", "The daemon runs, and has not said anything for a long time.",
        "Look at its journal; restart it.";
    DaemonTrouble = "daemon.trouble", "The daemon's last attempt failed.", "Do what the message says.";
    InstanceSingle = "instance.single", "No other agent on this host uses this identity.", "";
    InstanceDuplicate = "instance.duplicate", "Another agent on this host uses the same identity.",
        "Stop one of them; give it a state directory and an enrolment of its own.";
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_id_is_one_of_an_area_and_means_something() {
        let ids: BTreeSet<_> = Id::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(ids.len(), Id::ALL.len(), "each once");
        for id in Id::ALL {
            let allowed = |c: char| c.is_ascii_lowercase() || c == '.';
            assert!(id.as_str().chars().all(allowed) && id.about().ends_with('.'), "{id}");
        }
    }
}
