//! A real agent on a host of its own: a directory with a configuration and a state.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gatepass_contract::pki::Chain;
use tempfile::TempDir;

use super::program::{Output, Program, program};

/// A host.
pub struct Agent {
    dir: TempDir,
    env: Vec<(&'static str, String)>,
}

/// What lies in `current/`, read as a consumer would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `tls.key`
    pub key: String,
    /// `tls.crt`
    pub certificate: String,
    /// `ca.crt`
    pub anchors: String,
    /// `agent.jwt`
    pub token: String,
}

impl Agent {
    /// A host whose configuration names those masters and that key, with a floor of a second.
    pub fn new(masters: &[&str], api_key: &Path) -> Self {
        Self::with(masters, api_key, "")
    }

    /// The same with more lines at the end of the configuration.
    pub fn with(masters: &[&str], api_key: &Path, more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let agent = Self { dir, env: Vec::new() };
        agent.configure(masters, api_key, more);
        agent
    }

    /// Writes the configuration anew.
    pub fn configure(&self, masters: &[&str], api_key: &Path, more: &str) {
        let mut file = File::create(self.config()).expect("a file");
        write!(
            file,
            "masters = {masters:?}\nname = 'test-host'\nstate_dir = '{}'\napikey_file = '{}'\n\
             renewal = {{ floor = '1s' }}\n{more}\n",
            self.state().display(),
            api_key.display()
        )
        .expect("room for a few lines");
    }

    /// Environment for every command from now on: a fault point, a false clock.
    pub fn set_env(&mut self, name: &'static str, value: impl Into<String>) {
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.into()));
    }

    /// Where the configuration is.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    /// The host's own directory, for whatever else it needs.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A command of `gatepass` with this host's configuration, not yet run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("gatepass"));
        // What stands between whoever tests and the internet is not between agent and master.
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
            command.env_remove(name);
        }
        command.arg("--config").arg(self.config()).args(args).envs(self.env.iter().cloned());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.command(args))
    }

    /// Starts the daemon; its log goes to `log` in the host's directory.
    pub fn daemon(&self) -> Program {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a file");
        let mut command = self.command(&["run"]);
        Program(command.stdin(Stdio::null()).stderr(log).spawn().expect("the agent starts"))
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// `gatepass status --json`, whatever its exit code.
    pub fn status(&self) -> serde_json::Value {
        self.run(&["status", "--json"]).json()
    }

    /// What a consumer finds; `None` before the first identity.
    pub fn identity(&self) -> Option<Identity> {
        Identity::find(&self.state())
    }
}

impl Identity {
    /// The certificate, parsed.
    pub fn chain(&self) -> Chain {
        Chain::from_pem(&self.certificate).expect("a chain")
    }
}
