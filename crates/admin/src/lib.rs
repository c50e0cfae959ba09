//! The administrator's command line: everything an administrator may do, over the master's REST interface only.
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | the commands and their arguments |
//! | [`access`] | which master, and the API key to show it |
//! | [`master`] | the master as seen from here: one verified connection, typed calls |
//! | [`commands`] | what each command does |
//! | [`expires`] | `90d`, an instant or `never` |
//! | [`find`] | which key or agent a person means |
//! | [`confirm`] | asking before what cannot be undone |
//! | [`secret_file`] | a new secret, stored before it can be lost |
//! | [`table`] | answers for people |
//! | [`output`] | stdout is the answer, stderr is talk |
//! | [`error`] | what went wrong, what to do, how the program ends |
//!
//! Invariant: the API key leaves this process only inside TLS to a master that was authenticated, by the key's own pin
//! or by `--ca-file`.

pub mod access;
pub mod cli;
pub mod commands;
pub mod confirm;
pub mod error;
pub mod expires;
pub mod find;
pub mod master;
pub mod output;
pub mod secret_file;
pub mod table;

pub use commands::run;

/// The whole command line, for completions and manual pages.
#[must_use]
pub fn command() -> clap::Command {
    <cli::Arguments as clap::CommandFactory>::command()
}
