//! `gatepassctl` as administrators use it: profiles, people who approve, keys and tokens from their first to their last
//! day, and what it does when the network or somebody else gets in between.

mod administrator;
mod profiles;
mod rescue;
mod tokens;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Master, Output, program};

/// Somebody with a home of their own, and nothing else that `gatepassctl` would listen to.
struct Person {
    home: TempDir,
}

impl Person {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a directory") }
    }

    /// Signed in to that master with its first key.
    fn administrator(master: &Master) -> Self {
        let person = Self::new();
        let key = master.dir().join("admin.key");
        person.ctl(&["login", "--master", master.url(), "--apikey-file", text(&key)]).expect(0);
        person
    }

    /// Signed in to that master with a password.
    fn signed_in(master: &Master, name: &str, password: &str) -> Self {
        let person = Self::new();
        person.sign_in(master, name, password).expect(0);
        person
    }

    fn sign_in(&self, master: &Master, name: &str, password: &str) -> Output {
        let file = self.file("password", password);
        let ca = master.dir().join("root-ca.crt");
        let who = ["login", "--master", master.url(), "--user", name, "--password-file", text(&file)];
        self.ctl(&[&who, &["--ca-file", text(&ca)][..]].concat())
    }

    /// Runs a command to its end.
    #[track_caller]
    fn ctl(&self, args: &[&str]) -> Output {
        self.ctl_with(&[], args)
    }

    #[track_caller]
    fn ctl_with(&self, env: &[(&str, &str)], args: &[&str]) -> Output {
        Output::of(self.command(args).envs(env.iter().copied()))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("gatepassctl"));
        command.args(args).env_clear().env("HOME", self.home.path());
        command
    }

    /// A file in their home.
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A file in their home with that content.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        File::create(&path).and_then(|mut file| file.write_all(content.as_bytes())).expect("a file");
        path
    }

    /// A new user with those roles and the password that all of them have here.
    fn creates(&self, name: &str, roles: &str) {
        let password = self.file("new-password", PASSWORD);
        let create = ["user", "create", name, "--role", roles, "--password-file", text(&password)];
        self.ctl(&create).expect(0);
    }
}

const PASSWORD: &str = "correct horse battery";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}
