//! A real master in a directory of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::program::{Output, Program, eventually, program};

/// A running master. Ended with the test.
pub struct Master {
    dir: TempDir,
    program: Program,
    url: String,
    options: MasterOptions,
}

/// What is special about a master.
#[derive(Debug, Clone)]
pub struct MasterOptions {
    /// How long certificates live.
    pub lifetime: &'static str,
    /// How long tokens live.
    pub token_lifetime: &'static str,
    /// Environment of the process: a fault point, a false clock.
    pub env: Vec<(&'static str, String)>,
    /// More arguments of `init`.
    pub init: &'static [&'static str],
    /// More for `master.toml`, appended when the directory is made.
    pub config: &'static str,
    /// The server its database is on; a file in its directory where absent.
    pub database: Option<String>,
    /// The address it listens on, where `address` says no other; its names stay as they are.
    pub listen: &'static str,
    /// Where its directory is made; the system's place for temporary files where absent.
    pub within: Option<PathBuf>,
    /// The address it listens on and is called by; `None` is the loopback's, and the name `localhost`.
    pub address: Option<&'static str>,
}

impl Default for MasterOptions {
    fn default() -> Self {
        Self {
            lifetime: "7d",
            token_lifetime: "1h",
            env: Vec::new(),
            init: &[],
            config: "",
            database: None,
            listen: "127.0.0.1",
            within: None,
            address: None,
        }
    }
}

impl Master {
    /// A master with defaults.
    pub fn start() -> Self {
        Self::with(MasterOptions::default())
    }

    /// A master that is special.
    pub fn with(options: MasterOptions) -> Self {
        let dir = match &options.within {
            Some(place) => tempfile::tempdir_in(place).expect("a directory"),
            None => tempfile::tempdir().expect("a directory"),
        };
        let state = dir.path().join("master");
        let init = Output::of(
            Command::new(program("gatepass-master"))
                .args([
                    "init",
                    "--name",
                    "localhost",
                    "--name",
                    "127.0.0.1",
                    "--listen",
                    "127.0.0.1:0",
                    "--dir",
                ])
                .arg(&state)
                .args(["--lifetime", options.lifetime, "--token-lifetime", options.token_lifetime])
                .args(options.address.iter().flat_map(|address| ["--name", address]))
                .args(options.init)
                .args(options.database.iter().flat_map(|url| ["--database-url", url]))
                .envs(options.env.iter().filter(|(name, _)| !name.starts_with("GATEPASS")).cloned()),
        );
        init.expect(0);
        append(&state.join("master.toml"), options.config);
        let (program, url) = serve(&state, &options, 0);
        Self { dir, program, url, options }
    }

    /// One more master of the same database, with the same keys and configuration.
    pub fn another(&self) -> Self {
        let options = self.options.clone();
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("master");
        Output::of(Command::new("cp").arg("-a").arg(self.dir()).arg(&state)).expect(0);
        let (program, url) = serve(&state, &options, 0);
        Self { dir, program, url, options }
    }

    /// `https://localhost:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        port_of(&self.url)
    }

    /// Where it keeps everything.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().join("master")
    }

    /// A file beside that, for whatever a test needs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.program.0.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_file(&self.dir())).unwrap_or_default()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.program.signal("KILL");
        self.program.ended(Duration::from_secs(10));
    }

    /// Starts it again on the same port with that environment, after it was killed or stopped.
    pub fn restart(&mut self, env: Vec<(&'static str, String)>) {
        let port = port_of(&self.url);
        self.options.env = env;
        (self.program, self.url) = serve(&self.dir(), &self.options, port);
    }

    /// Runs `gatepassctl` as the first administrator, on the master's own host: with its clock.
    pub fn ctl(&self, args: &[&str]) -> Output {
        self.ctl_with(&self.dir().join("admin.key"), args)
    }

    /// The same with another key.
    pub fn ctl_with(&self, key: &Path, args: &[&str]) -> Output {
        let clock = self.options.env.iter().filter(|(name, _)| !name.starts_with("GATEPASS"));
        let mut command = Command::new(program("gatepassctl"));
        command.args(["--master", &self.url, "--apikey-file"]).arg(key).args(args);
        Output::of(command.envs(clock.cloned()))
    }

    /// A new key that may enrol agents, in a file.
    pub fn api_key(&self, name: &str, more: &[&str]) -> PathBuf {
        let file = self.path(&format!("{name}.key"));
        let path = file.to_str().expect("a path of ours");
        let mut args = vec!["key", "create", name, "--kind", "service", "--group", "hosts"];
        args.extend(["--capability", "agent.enrol", "--out", path]);
        args.extend(more);
        self.ctl(&args).expect(0);
        file
    }
}

fn append(file: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().append(true).open(file).expect("init wrote it");
    file.write_all(text.as_bytes()).expect("room for a few lines");
}

fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').expect("a port").1.parse().expect("a number")
}

fn serve(dir: &Path, options: &MasterOptions, port: u16) -> (Program, String) {
    let listen = format!("{}:{port}", options.address.unwrap_or(options.listen));
    let log = File::options().create(true).append(true).open(log_file(dir)).expect("a file");
    let mut command = Command::new(program("gatepass-master"));
    command.args(["serve", "--listen", &listen, "--dir"]).arg(dir).envs(options.env.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut program = Program(command.spawn().expect("the master starts"));
    let mut line = String::new();
    let mut out = BufReader::new(program.0.stdout.take().expect("it is piped"));
    eventually("the master says where it listens", Duration::from_secs(20), || {
        out.read_line(&mut line).expect("it can be read") > 0
    });
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it said {line:?}"));
    let url = match options.address {
        Some(address) => format!("https://{address}:{}", port_of(url)),
        None => url.to_owned(),
    };
    (program, url)
}

/// Beside the directory: what is in there is the master's own.
fn log_file(dir: &Path) -> PathBuf {
    dir.with_extension("log")
}
