//! Every parameter of the two commands, and what becomes of it: the one table that the parser obeys and the
//! documentation is compared with.

use Takes::{Choice, Flag, Id32, Nothing, Number, Path, Port, Secret, Text, TrueFalse};
use Treatment::{Noticed, Refused, Used};

/// What `twsinst` is asked to do, and the downloader's one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `-u`
    Usage,
    /// `-v`
    Version,
    /// `-new`
    New,
    /// `-update`
    Update,
    /// `-modify`
    Modify,
    /// `-restore`
    Restore,
    /// `-uninst`
    Uninst,
    /// What `AgentCertificateDownloader` does.
    Download,
}

/// What stands behind a parameter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it says what to do.
    Nothing,
    /// Nothing: it is on when it is there. A `true` or `false` behind it is obeyed.
    Flag,
    /// `true` or `false`.
    TrueFalse,
    /// One of these.
    Choice(&'static [&'static str]),
    /// 0 to 65535.
    Port,
    /// A whole number, possibly negative.
    Number,
    /// A path.
    Path,
    /// 32 letters and digits.
    Id32,
    /// Anything.
    Text,
    /// Anything, and nobody is to see it.
    Secret,
}

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It does what the manual says.
    Used,
    /// Nothing is lost by doing nothing; one line says why.
    Noticed(&'static str),
    /// To go on without it would not be what was asked for.
    Refused(&'static str),
}

/// Which other parameters decide whether a parameter has anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// That one is given.
    Given(&'static str),
    /// That one is not given.
    NotGiven(&'static str),
    /// That one is given with this value.
    Is(&'static str, &'static str),
    /// That one is not given with this value.
    IsNot(&'static str, &'static str),
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Without dashes.
    pub name: &'static str,
    /// What stands behind it.
    pub takes: Takes,
    /// Where `treatment` holds.
    pub modes: &'static [Mode],
    /// What becomes of it there.
    pub treatment: Treatment,
    /// What becomes of it in every other mode.
    pub elsewhere: Treatment,
    /// When it changes nothing although it is used otherwise, and why.
    pub idle: Option<(When, &'static str)>,
    /// What is done, in a line.
    pub does: &'static str,
}

impl Parameter {
    /// What becomes of it in that mode.
    #[must_use]
    pub fn treatment_in(&self, mode: Mode) -> Treatment {
        if self.modes.contains(&mode) { self.treatment } else { self.elsewhere }
    }

    const fn idle(self, when: When, why: &'static str) -> Self {
        Self { idle: Some((when, why)), ..self }
    }
}

const NEW: &[Mode] = &[Mode::New];
const ALL: &[Mode] = &[Mode::New, Mode::Update, Mode::Modify, Mode::Restore, Mode::Uninst];
const CHANGES: &[Mode] = &[Mode::New, Mode::Update, Mode::Modify];
const IDLE: Treatment = Noticed("it changes nothing in what is done now");
const KEPT: Treatment = Noticed("the credentials and the master of the instance stay as they are");
const FIXED: Treatment = Refused(
    "it is settled when the instance is made: change the instance's configuration and restart the agent",
);
const FTA: Treatment = Noticed("it belongs to fault-tolerant agents, and this is a dynamic one");
const WINDOWS: Treatment = Noticed("it belongs to Windows");
const Z: Treatment = Refused("z-centric agents are not made by Gatepass");
/// With local certificates no master is asked for anything.
const LOCAL: When = When::Given("sslkeysfolder");
const NO_MASTER: &str = "with local certificates no master is asked";
const NO_GATEWAY: When = When::IsNot("gateway", "local");
const NOT_ITSELF: &str = "only an agent that is a gateway itself, `-gateway local`, has use for it";
const INTERNAL: Treatment = Refused("it is the product's own and no part of its documented interface");

const fn used(
    name: &'static str,
    takes: Takes,
    modes: &'static [Mode],
    elsewhere: Treatment,
    does: &'static str,
) -> Parameter {
    Parameter { name, takes, modes, treatment: Used, elsewhere, idle: None, does }
}

const fn other(name: &'static str, takes: Takes, treatment: Treatment, does: &'static str) -> Parameter {
    Parameter { name, takes, modes: ALL, treatment, elsewhere: treatment, idle: None, does }
}

const fn noticed(name: &'static str, takes: Takes, why: &'static str) -> Parameter {
    other(name, takes, Noticed(why), "notice")
}

/// Those of `twsinst`.
pub const TWSINST: &[Parameter] = &[
    used("u", Nothing, &[Mode::Usage], IDLE, "prints the usage"),
    used("v", Nothing, &[Mode::Version], IDLE, "prints the version"),
    used("new", Nothing, NEW, IDLE, "makes an instance"),
    used("update", Nothing, &[Mode::Update], IDLE, "puts this version of the program into an instance"),
    used("modify", Nothing, &[Mode::Modify], IDLE, "accepted: there is nothing to add to an instance"),
    used("restore", Nothing, &[Mode::Restore], IDLE, "goes back to the program that -update replaced"),
    used("uninst", Nothing, &[Mode::Uninst], IDLE, "removes an instance and tells the master"),
    used("acceptlicense", Choice(&["yes", "no"]), CHANGES, IDLE, "must be yes"),
    used("uname", Text, ALL, IDLE, "the user the agent runs as; must exist, not root"),
    used(
        "agent",
        Choice(&["dynamic", "fta", "both", "zcentric"]),
        NEW,
        IDLE,
        "dynamic; all others are refused",
    ),
    used(
        "apikey",
        Secret,
        NEW,
        KEPT,
        "an API key, @FILE to read it from a file; leaves the process's arguments at once",
    ),
    used("wauser", Text, NEW, KEPT, "a user of the master with `agent.enrol`"),
    used("wapassword", Secret, NEW, KEPT, "its password; used once, kept nowhere"),
    used("tdwbhostname", Text, NEW, KEPT, "the master's host; with `-gateway remote` the gateway's")
        .idle(LOCAL, NO_MASTER),
    used("tdwbport", Port, NEW, KEPT, "the master's port; with `-gateway remote` the gateway's")
        .idle(LOCAL, NO_MASTER),
    used(
        "jwt",
        TrueFalse,
        NEW,
        FIXED,
        "true: ita.ini names the agent's JWT; false: certificates in ssl/certs",
    ),
    used("sslkeysfolder", Path, NEW, FIXED, "local certificates: checked, copied, watched; no network"),
    used("sslpassword", Secret, NEW, KEPT, "the password of the key in it"),
    used("agentid", Id32, NEW, FIXED, "with local certificates; otherwise the master gives the id")
        .idle(When::NotGiven("sslkeysfolder"), "the master gives the agent its id"),
    used("displayname", Text, NEW, FIXED, "what the agent is called: 1 to 16 characters, no digit in front"),
    used("hostname", Text, NEW, FIXED, "how the master reaches this host"),
    used("inst_dir", Path, ALL, IDLE, "where the instance is"),
    used("data_dir", Path, NEW, FIXED, "where its configuration, logs and certificates are"),
    used("jmport", Port, NEW, FIXED, "the agent's port; a gateway listens there"),
    used("jmportssl", TrueFalse, NEW, FIXED, "whether it goes to ssl_port or tcp_port of ita.ini"),
    used(
        "gateway",
        Choice(&["local", "remote", "none"]),
        NEW,
        FIXED,
        "be a gateway, go through one, or neither",
    )
    .idle(LOCAL, NO_MASTER),
    used("gwid", Text, NEW, FIXED, "the gateway's id; those with one id back each other up")
        .idle(NO_GATEWAY, NOT_ITSELF),
    used("gweifport", Port, NEW, FIXED, "written to JobManagerGW.ini; nothing listens there")
        .idle(NO_GATEWAY, NOT_ITSELF),
    used("skip_usercheck", Flag, NEW, IDLE, "does not look for the home directory of the user"),
    used(
        "skipcheckprereq",
        Flag,
        &[Mode::New, Mode::Update],
        IDLE,
        "does not look for room and needed files",
    ),
    used("recovInstReg", TrueFalse, ALL, IDLE, "makes the registry of instances anew when it is corrupt"),
    used(
        "wait",
        Number,
        &[Mode::Update, Mode::Restore, Mode::Uninst],
        IDLE,
        "minutes to wait for hooks and open command lines; -1: for ever",
    ),
    used("cafile", Path, NEW, KEPT, "Gatepass's own: PEM certificates that vouch for the master")
        .idle(LOCAL, NO_MASTER),
    used(
        "cafingerprint",
        Text,
        NEW,
        KEPT,
        "Gatepass's own: SHA-256 of the certificate that vouches for the master",
    )
    .idle(LOCAL, NO_MASTER),
    other("addjruntime", TrueFalse, Noticed("no Java runtime is needed"), "notice"),
    other("allObjAuth", Flag, Refused("it belongs to IBM i"), "refused with AWSFAB288E, as by the product"),
    other("caller", Text, INTERNAL, "refused"),
    other("company", Text, FTA, "notice"),
    other("create_link", Flag, Noticed("the commands it would link to do not exist here"), "notice"),
    other("domain", Text, WINDOWS, "notice"),
    used(
        "enablefips",
        TrueFalse,
        NEW,
        IDLE,
        "true is refused: this program's cryptography is not a validated module",
    ),
    other("encryptionpassword", Secret, Noticed("nothing is kept that it would encrypt"), "notice"),
    other("lang", Text, Noticed("messages are in English"), "notice"),
    other("master", Text, FTA, "notice"),
    other("netmansslport", Port, FTA, "notice"),
    other("password", Secret, WINDOWS, "notice"),
    other("patch", Flag, Noticed("every update is a whole program"), "notice"),
    other("port", Port, FTA, "notice"),
    other("reset_perm", Flag, Noticed("no shared libraries are installed"), "notice"),
    other("skip_check_ssl_parms", Flag, INTERNAL, "refused"),
    other("skipbackup", Flag, Noticed("the program before it is kept all the same, it is small"), "notice"),
    other("skipconfig", Flag, INTERNAL, "refused"),
    other("thiscpu", Text, FTA, "notice"),
    other("useencryption", TrueFalse, Noticed("nothing is kept that it would encrypt"), "notice"),
    other("work_dir", Path, Noticed("no working directory is needed"), "notice"),
    other("zhostname", Text, Z, "refused"),
    other("zport", Port, Z, "refused"),
];

const GET: &[Mode] = &[Mode::Download];
const USAGE: &[Mode] = &[Mode::Usage];

/// Those of `AgentCertificateDownloader`.
pub const DOWNLOADER: &[Parameter] = &[
    used("?", Nothing, USAGE, IDLE, "prints the usage"),
    used("usage", Nothing, USAGE, IDLE, "prints the usage"),
    used("help", Nothing, USAGE, IDLE, "prints the usage"),
    used("file", Path, GET, IDLE, "a properties file; the command line wins"),
    used("propfile", Path, GET, IDLE, "the same"),
    used("f", Path, GET, IDLE, "the same"),
    used("wauser", Text, GET, IDLE, "a user of the master with `agent.enrol`"),
    used("wapassword", Secret, GET, IDLE, "its password; used once, kept nowhere"),
    used("apikey", Secret, GET, IDLE, "an API key, @FILE to read it from a file"),
    used("jwt", TrueFalse, GET, IDLE, "true: JWT and agent id; false or left out: certificates"),
    used("tdwbhostname", Text, GET, IDLE, "the master's host"),
    used("tdwbport", Port, GET, IDLE, "the master's port"),
    used("work_dir", Path, GET, IDLE, "where waCertificates.zip goes"),
    used(
        "gateway",
        Choice(&["local", "remote", "none"]),
        GET,
        IDLE,
        "be a gateway, go through one, or neither",
    )
    .idle(
        When::Is("gateway", "local"),
        "an instance becomes a gateway when it is made; this asks the master itself",
    ),
    noticed("gwid", Text, "the instance keeps the id that it was made with"),
    noticed("displayname", Text, "the instance keeps the name that it was made with"),
    used("uname", Text, GET, IDLE, "Gatepass's own: which instance, where the host has several"),
    used("cafile", Path, GET, IDLE, "Gatepass's own: PEM certificates that vouch for the master")
        .idle(When::NotGiven("wauser"), "an API key says itself who vouches for the master"),
    used(
        "cafingerprint",
        Text,
        GET,
        IDLE,
        "Gatepass's own: SHA-256 of the certificate that vouches for the master",
    )
    .idle(When::NotGiven("wauser"), "an API key says itself who vouches for the master"),
    Parameter {
        name: "sslkeysfolder",
        takes: Path,
        modes: GET,
        treatment: Refused(
            "there is nothing to download then: `twsinst -new -sslkeysfolder` installs local certificates",
        ),
        elsewhere: IDLE,
        idle: None,
        does: "refused",
    },
    Parameter {
        name: "sslpassword",
        takes: Secret,
        modes: GET,
        treatment: Refused(
            "there is nothing to download then: `twsinst -new -sslkeysfolder` installs local certificates",
        ),
        elsewhere: IDLE,
        idle: None,
        does: "refused",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice_and_every_one_says_what_it_does() {
        for table in [TWSINST, DOWNLOADER] {
            for (at, parameter) in table.iter().enumerate() {
                assert!(!parameter.does.is_empty(), "{}", parameter.name);
                if let Some((
                    When::Given(named) | When::NotGiven(named) | When::Is(named, _) | When::IsNot(named, _),
                    _,
                )) = parameter.idle
                {
                    assert!(table.iter().any(|other| other.name == named), "{}", parameter.name);
                }
                assert!(!table[..at].iter().any(|other| other.name == parameter.name), "{}", parameter.name);
            }
        }
    }
}
