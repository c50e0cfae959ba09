//! A `PostgreSQL` server of the tests' own, from the system's packages, in a directory of its own.
//!
//! A shell starts it and waits until its standard input is closed: that happens when the test's process ends, however it
//! ends. Then the shell stops the server by its process id and removes the directory.

use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server.
pub struct Cluster {
    place: PathBuf,
    port: u16,
    shell: Child,
}

/// What the tests log in as.
const USER: &str = "gatepass";
/// Over TCP it asks for it; on its socket it does not.
pub const PASSWORD: &str = "a pass/word: @home";

static SHARED: OnceLock<Cluster> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Cluster {
    /// The one that all tests of a program share.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    /// One of a test's own, which may be stopped. It forgets what it has written if its machine stops.
    pub fn start() -> Self {
        Self::start_with("off")
    }

    /// One that writes to the disk before it answers, as real ones do.
    pub fn durable() -> Self {
        Self::start_with("on")
    }

    fn start_with(fsync: &str) -> Self {
        let place = tempfile::Builder::new().prefix("gatepass-pg").tempdir().expect("a directory").keep();
        std::fs::set_permissions(&place, Permissions::from_mode(0o711)).expect("it is ours");
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        for (name, text) in [
            ("server.key", pair.signing_key.serialize_pem()),
            ("server.crt", pair.cert.pem()),
            ("password", format!("{PASSWORD}\n")),
        ] {
            File::create(place.join(name))
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .expect("written");
        }
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&place)
            .args([&port.to_string(), USER, fsync])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut said = String::new();
        let output = shell.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut said).expect("it can be read");
        let log = || std::fs::read_to_string(place.join("log")).unwrap_or_default();
        assert_eq!(said.trim(), "ready", "is the package `postgresql` there?\n{}", log());
        Self { place, port, shell }
    }

    /// A new, empty database; its URL, by way of the server's socket.
    pub fn database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        let socket = self.place.display().to_string().replace('/', "%2F");
        format!("postgresql://{USER}@{socket}:{}/{name}", self.port)
    }

    /// The same database by way of TCP, without a password.
    pub fn over_tcp(&self, url: &str, parameters: &str) -> String {
        format!("postgresql://{USER}@localhost:{}/{}?{parameters}", self.port, name(url))
    }

    /// What signed the server's certificate.
    pub fn root(&self) -> PathBuf {
        self.place.join("server.crt")
    }

    /// Has the server carry something out, in the database of that name or URL; what it answers, a line for each row.
    #[track_caller]
    pub fn sql(&self, database: &str, text: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", name(database), "-c", text]);
        let said =
            psql.arg("-h").arg(&self.place).args(["-p", &self.port.to_string()]).output().expect("psql");
        assert!(said.status.success(), "{text}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Stops the server at once, as a failing host does; it is not started again.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.shell.stdin.take());
        // Fails only when it has ended already.
        let _ = self.shell.wait();
    }
}

/// The shared one is never dropped: its shell notices the end of the process.
impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

fn name(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or(url);
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

/// The server refuses to run as root: then it runs as the user that its package made.
const SCRIPT: &str = r#"
place=$1 port=$2 user=$3 fsync=$4
exec 2>>"$place/log"
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as=
if [ "$(id -u)" = 0 ]; then
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown -R postgres: "$place"
fi
chmod 600 "$place/server.key"
cd "$place"
$as "$bin/initdb" -D "$place/data" -U "$user" --pwfile="$place/password" --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync >&2
$as "$bin/postgres" -D "$place/data" -k "$place" -p "$port" -c listen_addresses=127.0.0.1 -c max_connections=200 \
    -c fsync="$fsync" -c full_page_writes="$fsync" -c ssl=on -c ssl_cert_file="$place/server.crt" \
    -c ssl_key_file="$place/server.key" >&2 &
server=$!
until "$bin/pg_isready" -q -h "$place" -p "$port"; do
    kill -0 "$server"
    sleep 0.05
done
echo ready
exec >&-
cat >/dev/null || true
kill -QUIT "$server" || true
wait "$server" || true
cd /
rm -rf "$place"
"#;
