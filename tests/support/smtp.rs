//! A real mail server, a process of its own: see `smtp_server.py` beside this.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use super::fake::{Ca, days};
use super::program::{Program, eventually};

/// What the server lets in.
pub const LOGIN: (&str, &str) = ("gatepass", "correct horse battery staple");

/// How one speaks to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Plainly, and whoever comes.
    Plain,
    /// TLS on request, then a login with AUTH PLAIN.
    Starttls,
    /// TLS at once, then a login with AUTH LOGIN.
    Tls,
}

impl Way {
    /// As the master's configuration calls it.
    pub const fn security(self) -> &'static str {
        match self {
            Self::Plain => "none",
            Self::Starttls => "starttls",
            Self::Tls => "tls",
        }
    }

    const fn mechanism(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Starttls => Some("PLAIN"),
            Self::Tls => Some("LOGIN"),
        }
    }
}

/// A mail as it arrived, taken apart by Python.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// Of the envelope.
    pub sender: String,
    /// Of the envelope.
    pub receivers: Vec<String>,
    /// Mechanism and user.
    pub login: Option<String>,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Names and decoded values, in order.
    pub headers: Vec<(String, String)>,
    /// The part for readers without HTML.
    pub text: String,
    /// The other part.
    pub html: String,
    /// Every byte.
    pub raw: String,
}

impl Mail {
    /// The one header of that name.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let (_, value) = found.next().unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert_eq!(found.next(), None, "a second {name}");
        value
    }
}

/// A running mail server. Ended with the test.
pub struct Smtp {
    dir: TempDir,
    way: Way,
    port: u16,
    program: Program,
}

impl Smtp {
    /// On a free port, with a certificate for `localhost`.
    pub fn start(way: Way) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let ca = Ca::new();
        let (chain, key) = ca.certificate("localhost", days(1, 10));
        let keep = |name: &str, text: &str| write(&dir.path().join(name), text);
        keep("ca.crt", &ca.anchors());
        keep("server.crt", &chain);
        keep("server.key", &key);
        keep("password", LOGIN.1);
        let (program, port) = run(dir.path(), way, 0);
        Self { dir, way, port, program }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who vouches for it.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// The password for it.
    pub fn password_file(&self) -> PathBuf {
        self.dir.path().join("password")
    }

    /// Every mail it has kept, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        let entries = std::fs::read_dir(self.dir.path()).expect("its directory");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
        files.sort();
        let read =
            |path: PathBuf| serde_json::from_slice(&std::fs::read(path).expect("kept")).expect("a mail");
        files.into_iter().map(read).collect()
    }

    /// Waits for so many mails in all.
    #[track_caller]
    pub fn expect(&self, count: usize) -> Vec<Mail> {
        let mut mails = Vec::new();
        eventually(&format!("{count} mails"), Duration::from_secs(40), || {
            mails = self.mails();
            mails.len() >= count
        });
        assert_eq!(mails.len(), count, "more than that: {mails:#?}");
        mails
    }

    /// From now on it does what the file of that name stands for (`busy`, `stall`), or no longer.
    pub fn set(&self, name: &str, on: bool) {
        let path = self.dir.path().join(name);
        if on { write(&path, "") } else { std::fs::remove_file(path).expect("it was on") }
    }

    /// Nobody listens any more.
    pub fn stop(&mut self) {
        self.program.signal("KILL");
        self.program.ended(Duration::from_secs(10));
    }

    /// On the same port, with the same mails.
    pub fn restart(&mut self) {
        (self.program, self.port) = run(self.dir.path(), self.way, self.port);
    }

    /// Its part of a master's configuration.
    pub fn config(&self) -> String {
        let (port, security) = (self.port, self.way.security());
        let mut text =
            format!("[notices.smtp]\nhost = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\n");
        if self.way != Way::Plain {
            let (user, password) = (LOGIN.0, self.password_file());
            let (password, ca) = (password.display(), self.ca_file());
            let ca = ca.display();
            writeln!(text, "username = \"{user}\"\npassword_file = \"{password}\"\nca_file = \"{ca}\"")
                .expect("text has room");
        }
        text
    }
}

fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.expect("a file").write_all(text.as_bytes()).expect("room for a few lines");
}

fn run(dir: &Path, way: Way, port: u16) -> (Program, u16) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp_server.py");
    // Debian's own: another one in the path does not see Debian's packages.
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).arg("--dir").arg(dir).args([
        "--security",
        way.security(),
        "--port",
        &port.to_string(),
    ]);
    if let Some(mechanism) = way.mechanism() {
        command.args(["--mechanism", mechanism]);
    }
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("a file");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut program = Program(command.spawn().expect("python3 starts"));
    let mut line = String::new();
    BufReader::new(program.0.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it can be read");
    let port = line.trim().strip_prefix("listening on ").and_then(|port| port.parse().ok());
    let said = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    (program, port.unwrap_or_else(|| panic!("it said {line:?}\n{}", said())))
}
