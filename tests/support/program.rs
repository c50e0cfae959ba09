//! Processes: built programs and system tools.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program of this workspace, built beside the tests.
pub fn program(name: &str) -> PathBuf {
    let mut dir = std::env::current_exe().expect("the test has a file");
    dir.pop();
    dir.pop();
    let file = dir.join(name);
    assert!(
        file.exists(),
        "{} is not built: cargo build --workspace --features gatepass/faults,gatepass-master/faults",
        file.display()
    );
    file
}

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Runs it to its end, at most a minute.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = child.wait_with_output().expect("its output can be read");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test unless it ended with that code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A system tool.
pub fn tool(name: impl AsRef<OsStr>) -> Command {
    Command::new(name)
}

/// A process of ours; killed with the test if it still runs.
#[derive(Debug)]
pub struct Program(pub Child);

impl Program {
    /// Sends a signal by number or name, as kill(1) knows it.
    pub fn signal(&self, signal: &str) {
        Output::of(tool("kill").args([&format!("-{signal}"), &self.0.id().to_string()])).expect(0);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self, within: Duration) -> Option<i32> {
        let mut code = None;
        eventually("the process ends", within, || {
            let status = self.0.try_wait().expect("it is our child");
            code = status.map(|status| status.code());
            code.is_some()
        });
        code.flatten()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a file of the test's own, whatever was there.
#[expect(clippy::disallowed_methods, reason = "no test needs what it writes to outlive a crash")]
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    std::fs::write(path, content).expect("room for a file");
}

/// Waits until something is true: the one way a test waits for another process.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "another process is waited for; there is nothing to step")]
pub fn eventually(what: &str, within: Duration, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + within;
    while !is_true() {
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
