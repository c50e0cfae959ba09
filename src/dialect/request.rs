//! What is asked for, as values that cannot be wrong any more.

use std::path::PathBuf;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::digest::Sha256;
use gatepass_contract::name::DisplayName;
use gatepass_contract::secret::ApiKey;

use super::codes::{Code, Message};
use super::credentials::{Credentials, credentials, missing};
use super::parameters::Mode;
use super::words::Given;
use crate::disguise::Secret;
use crate::net::Place;

/// The agent's part of a network of gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// None.
    No,
    /// It is one.
    Local,
    /// It goes through one.
    Remote,
}

/// Where the way to the master begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// At the master itself.
    Master(MasterUrl),
    /// At a gateway; what is behind it is not known.
    Gateway(Place),
}

impl Way {
    /// The address that stands in `JobManager.ini`.
    #[must_use]
    pub fn resource_url(&self) -> String {
        match self {
            Self::Master(url) => format!("{url}{RESOURCE}"),
            Self::Gateway(place) => format!("https://{place}/ita/JobManagerGW{RESOURCE}"),
        }
    }
}

const RESOURCE: &str = "/JobManagerRESTWeb/JobScheduler/resource";

/// Who vouches for the master, where no API key does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ca {
    /// PEM certificates.
    File(PathBuf),
    /// SHA-256 of one.
    Fingerprint(Sha256),
}

/// `-new`.
#[derive(Debug, Clone)]
pub struct New {
    /// As whom the agent runs.
    pub user: String,
    /// Where the instance is to be.
    pub inst_dir: Option<PathBuf>,
    /// Where its data is to be.
    pub data_dir: Option<PathBuf>,
    /// With local certificates only.
    pub agent_id: Option<String>,
    /// What it is to be called.
    pub display_name: Option<DisplayName>,
    /// How the master reaches this host.
    pub host_name: Option<String>,
    /// The agent's port.
    pub port: u16,
    /// Whether that is for TLS.
    pub is_tls: bool,
    /// Its part among gateways.
    pub gateway: Gateway,
    /// The gateway's id.
    pub gateway_id: String,
    /// For readers of `JobManagerGW.ini`.
    pub event_port: u16,
    /// What it shows to become an agent.
    pub credentials: Shown,
    /// Whether readers of `ita.ini` are led to the JWT, or to certificates.
    pub jwt: bool,
    /// The way to the master; none is needed with local certificates.
    pub way: Option<Way>,
    /// Who vouches for the master.
    pub ca: Option<Ca>,
}

/// Credentials, looked at as far as this host can.
#[derive(Debug, Clone)]
pub enum Shown {
    /// An API key, without typing errors.
    Key(ApiKey),
    /// A user of the master.
    User {
        /// The user.
        name: String,
        /// Its password.
        password: Secret,
    },
    /// Certificates that somebody else made.
    Folder {
        /// Where they are.
        folder: PathBuf,
        /// The password of their key.
        password: Secret,
    },
}

/// What the agent listens on, by the manual.
const PORT: u16 = 31114;
const EVENT_PORT: u16 = 31132;
/// A workstation's name is no longer, by the manual.
const LONGEST_NAME: usize = 16;

/// Reads `-new`. `key` is one that came in by the environment.
pub fn new(given: &Given, key: Option<&Secret>) -> Result<New, Message> {
    let user = instance_user(given)?;
    agent_type(given)?;
    let credentials = credentials(given, key)?;
    let mut gateway = gateway(given)?;
    let way = match credentials {
        // Nor is there one to pass anybody on to.
        Credentials::Folder { .. } => {
            gateway = Gateway::No;
            None
        }
        Credentials::Key(_) => Some(way(given, gateway, "apikey", None)?),
        Credentials::User { .. } => Some(way(given, gateway, "wauser", None)?),
    };
    let jwt = way.is_some() && given.truth("jwt").unwrap_or(true);
    Ok(New {
        user,
        inst_dir: place(given, "inst_dir")?,
        data_dir: place(given, "data_dir")?,
        agent_id: given.text("agentid").map(str::to_owned),
        display_name: display_name(given)?,
        host_name: given.text("hostname").map(str::to_owned),
        port: given.number("jmport").unwrap_or(PORT),
        is_tls: given.truth("jmportssl").unwrap_or(true),
        gateway,
        gateway_id: gateway_id(given)?,
        event_port: given.number("gweifport").unwrap_or(EVENT_PORT),
        credentials: shown(credentials)?,
        jwt,
        way,
        ca: ca(given)?,
    })
}

/// Reads what the downloader shows and where it asks; `-jwt` left out means certificates there.
pub fn download(given: &Given, key: Option<&Secret>) -> Result<(Shown, Way, bool), Message> {
    let credentials = credentials(given, key)?;
    let default = (MASTER_HOST, gatepass_contract::address::DEFAULT_PORT);
    let way = way(given, gateway(given)?, "apikey", Some(default))?;
    Ok((shown(credentials)?, way, given.truth("jwt").unwrap_or(false)))
}

/// The manual's, for the downloader.
const MASTER_HOST: &str = "localhost";

/// The licence must be accepted wherever something is installed.
pub fn licence(given: &Given, mode: Mode) -> Result<(), Message> {
    let is_wanted = matches!(mode, Mode::New | Mode::Update | Mode::Modify);
    if is_wanted && given.text("acceptlicense") != Some("yes") {
        return Err(Message::new(Code::Licence, "The licence is not accepted.")
            .hint("Say `-acceptlicense yes`; Gatepass itself is under the Apache License 2.0."));
    }
    Ok(())
}

/// What two parameters of agents that are not made here may not say, by the manual.
pub fn names_differ(given: &Given) -> Result<(), Message> {
    let same = |one, other| given.text(one).is_some_and(|name| given.text(other) == Some(name));
    if same("thiscpu", "master") {
        return Err(Message::new(Code::SameAsMaster, "`-thiscpu` and `-master` are one name."));
    }
    if same("thiscpu", "displayname") {
        return Err(Message::new(Code::SameAsDisplay, "`-thiscpu` and `-displayname` are one name."));
    }
    Ok(())
}

/// The user of an instance.
pub fn instance_user(given: &Given) -> Result<String, Message> {
    let user = given
        .text("uname")
        .ok_or_else(|| Message::new(Code::Missing, "`-uname` is missing: as whom is the agent to run?"))?;
    if user == "root" {
        return Err(Message::new(
            Code::RootRefused,
            "An agent does not run as root: `-uname root` is refused.",
        )
        .hint("Make a user for it, for example `useradd --system --create-home twsuser`."));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-$".contains(c);
    if user.contains('.') || user.starts_with('-') || !user.chars().all(fits) {
        return Err(wrong("uname", "a user name has letters, digits, `_` and `-`, and no period"));
    }
    Ok(user.to_owned())
}

fn agent_type(given: &Given) -> Result<(), Message> {
    match given.text("agent") {
        None | Some("dynamic") => {}
        Some(other) => {
            return Err(Message::new(
                Code::Refused,
                format!("`-agent {other}` is refused: Gatepass makes dynamic agents."),
            )
            .hint("`-agent dynamic`, or leave it out."));
        }
    }
    if given.truth("enablefips") == Some(true) {
        return Err(Message::new(
            Code::Refused,
            "`-enablefips true` is refused: this program's cryptography is not a validated FIPS 140 module.",
        ));
    }
    names_differ(given)
}

fn gateway(given: &Given) -> Result<Gateway, Message> {
    let gateway = match given.text("gateway") {
        Some("local") => Gateway::Local,
        Some("remote") => Gateway::Remote,
        _ => Gateway::No,
    };
    if gateway == Gateway::Local && given.truth("jmportssl") == Some(false) {
        return Err(wrong("jmportssl", "a gateway passes on TLS: `-gateway local` needs `-jmportssl true`"));
    }
    if gateway == Gateway::Local && given.number("jmport") == Some(0_u16) {
        return Err(wrong("jmport", "a gateway listens there: it cannot be 0"));
    }
    Ok(gateway)
}

fn gateway_id(given: &Given) -> Result<String, Message> {
    let id = given.text("gwid").unwrap_or("GW1");
    let begins = id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !id.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) || id.len() > 64 {
        return Err(wrong(
            "gwid",
            "it begins with a letter or `_`, and goes on with letters, digits and `_-.`",
        ));
    }
    Ok(id.to_owned())
}

fn way(given: &Given, gateway: Gateway, because: &str, default: Option<(&str, u16)>) -> Result<Way, Message> {
    let host = given.text("tdwbhostname").or(default.map(|(host, _)| host));
    let host = host.ok_or_else(|| missing("tdwbhostname", because))?;
    let port = given.number("tdwbport").or(default.map(|(_, port)| port));
    let port = port.ok_or_else(|| missing("tdwbport", because))?;
    if port == 0_u16 {
        return Err(wrong("tdwbport", "0 means that there is no master, and a dynamic agent needs one"));
    }
    let no_host = || wrong("tdwbhostname", "it is neither a host name nor an address");
    let bracketed =
        if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    let place = Place::new(&bracketed, port).ok_or_else(no_host)?;
    match gateway {
        Gateway::Remote => Ok(Way::Gateway(place)),
        Gateway::No | Gateway::Local => {
            format!("https://{place}").parse().map(Way::Master).map_err(|_| no_host())
        }
    }
}

fn display_name(given: &Given) -> Result<Option<DisplayName>, Message> {
    let Some(name) = given.text("displayname") else { return Ok(None) };
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong("displayname", "it does not begin with a digit"));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(wrong("displayname", &format!("it has at most {LONGEST_NAME} characters")));
    }
    let fits = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    match name.parse() {
        Ok(parsed) if name.chars().all(fits) => Ok(Some(parsed)),
        Ok(_) | Err(_) => Err(wrong("displayname", "it has letters, digits and `_-.`")),
    }
}

/// Who vouches for the master.
pub fn ca(given: &Given) -> Result<Option<Ca>, Message> {
    match (absolute(given, "cafile")?, given.text("cafingerprint")) {
        (Some(_), Some(_)) => Err(wrong("cafile", "either `-cafile` or `-cafingerprint`")),
        (Some(file), None) => Ok(Some(Ca::File(file))),
        (None, Some(text)) => {
            let parsed = text.parse().map(Ca::Fingerprint);
            parsed.map(Some).map_err(|_| wrong("cafingerprint", "it is a SHA-256: 64 hexadecimal digits"))
        }
        (None, None) => Ok(None),
    }
}

fn shown(credentials: Credentials) -> Result<Shown, Message> {
    Ok(match credentials {
        Credentials::Key(text) => Shown::Key(key(&text)?),
        Credentials::User { name, password } => Shown::User { name, password },
        Credentials::Folder { folder, password } => Shown::Folder { folder: folder.into(), password },
    })
}

/// The key itself, or `@FILE` where it is.
fn key(text: &Secret) -> Result<ApiKey, Message> {
    let read;
    let text = match text.reveal().strip_prefix('@') {
        None => text.reveal(),
        Some(file) => {
            read = std::fs::read_to_string(file).map(Secret::new);
            let read = read
                .as_ref()
                .map_err(|error| wrong("apikey", &format!("{file} cannot be read ({error})")))?;
            read.reveal()
        }
    };
    ApiKey::parse(text).map_err(|error| {
        wrong("apikey", &error.to_string())
            .hint("Gatepass has keys of its own: `gatepassctl key create` makes one.")
    })
}

/// A path that means the same from everywhere.
pub fn absolute(given: &Given, name: &str) -> Result<Option<PathBuf>, Message> {
    let Some(text) = given.text(name) else { return Ok(None) };
    let path = PathBuf::from(text);
    let plain = !path.components().any(|part| matches!(part, std::path::Component::ParentDir));
    if path.is_absolute() && plain && !text.contains(char::is_control) {
        // Without `.` and a slash at the end, so that one place has one name.
        Ok(Some(path.components().collect()))
    } else {
        Err(wrong(name, "it is an absolute path without `..`"))
    }
}

/// A path that can stand in the unit of an instance.
fn place(given: &Given, name: &str) -> Result<Option<PathBuf>, Message> {
    if given.text(name).is_some_and(|text| text.contains(['"', '\\', '$'])) {
        return Err(wrong(name, "it has none of `\"`, `\\` and `$` in it"));
    }
    absolute(given, name)
}

/// A value that cannot be.
#[must_use]
pub fn wrong(name: &str, why: &str) -> Message {
    Message::new(Code::BadValue, format!("`-{name}` cannot be so: {why}."))
}

#[cfg(test)]
mod tests {
    use super::super::parameters::TWSINST;
    use super::*;
    use crate::disguise::Word;

    const FOLDER: &str = "-sslkeysfolder /k -sslpassword p";
    const USER: &str = "-wauser u -wapassword p -tdwbhostname m -tdwbport 31116";

    fn read(line: &str) -> Result<New, Message> {
        let words = line.split_whitespace().map(|word| Word::Plain(word.into())).collect();
        new(&Given::parse(words, TWSINST).expect(line), None)
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let new = read(&format!("-uname u {USER}")).expect("complete");
        assert_eq!((new.port, new.is_tls, new.event_port, new.jwt), (31114, true, 31132, true));
        assert_eq!((new.gateway, new.gateway_id.as_str()), (Gateway::No, "GW1"));
        assert_eq!(
            new.way.expect("a master").resource_url(),
            "https://m:31116/JobManagerRESTWeb/JobScheduler/resource"
        );
        assert!(!read(&format!("-uname u {FOLDER}")).expect("complete").jwt);
    }

    #[test]
    fn a_remote_gateway_is_where_the_way_begins() {
        let new = read(&format!("-uname u {USER} -gateway remote")).expect("complete");
        let url = new.way.expect("a gateway").resource_url();
        assert_eq!(url, "https://m:31116/ita/JobManagerGW/JobManagerRESTWeb/JobScheduler/resource");
        let six =
            read("-uname u -wauser u -wapassword p -tdwbhostname 2001:db8::1 -tdwbport 1").expect("complete");
        assert_eq!(six.way.map(|way| way.resource_url().contains("[2001:db8::1]:1/")), Some(true));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (line, want) in [
            (FOLDER.to_owned(), "AWSFAB905E"),
            (format!("-uname root {FOLDER}"), "AWSFAB404E"),
            (format!("-uname a.b {FOLDER}"), "AWSFAB903E"),
            (format!("-uname ../u {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -agent fta {FOLDER}"), "AWSFAB906E"),
            (format!("-uname u -enablefips true {FOLDER}"), "AWSFAB906E"),
            (format!("-uname u -thiscpu A -master A {FOLDER}"), "AWSFAB098E"),
            (format!("-uname u -thiscpu A -displayname A {FOLDER}"), "AWSFAB164E"),
            (format!("-uname u -displayname 1A {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -displayname ABCDEFGHIJKLMNOPQ {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -displayname A&B {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -inst_dir opt {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -inst_dir /opt/../etc {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -inst_dir /opt/$HOME {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -data_dir /opt/\"a {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -gwid 1 {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -gateway local -jmportssl false {FOLDER}"), "AWSFAB903E"),
            (format!("-uname u -cafingerprint 12 {FOLDER}"), "AWSFAB903E"),
            ("-uname u -apikey gpk_1 -tdwbhostname m -tdwbport 1".to_owned(), "AWSFAB903E"),
            ("-uname u -wauser u -wapassword p -tdwbport 1".to_owned(), "AWSFAB905E"),
            ("-uname u -wauser u -wapassword p -tdwbhostname m".to_owned(), "AWSFAB905E"),
            ("-uname u -wauser u -wapassword p -tdwbhostname m -tdwbport 0".to_owned(), "AWSFAB903E"),
            ("-uname u -wauser u -wapassword p -tdwbhostname a/b -tdwbport 1".to_owned(), "AWSFAB903E"),
            ("-uname u -wauser u -wapassword p -tdwbhostname a@b -tdwbport 1".to_owned(), "AWSFAB903E"),
        ] {
            assert_eq!(read(&line).expect_err(&line).code.as_str(), want, "{line}");
        }
    }
}
