//! The administrator's command line: everything an administrator may do, over the master's REST interface only.
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | the commands and their arguments |
//! | [`environment`] | what the environment says |
//! | [`profile`] | masters one has signed in to, each a file that only its owner can read |
//! | [`credential`] | an API key or a token |
//! | [`access`] | which master, what vouches for it, what it is shown |
//! | [`master`] | the master as seen from here: one verified connection, typed calls |
//! | [`commands`] | what each command does |
//! | [`wait`] | until somebody has decided |
//! | [`plan`] | what would stop working when |
//! | [`expires`], [`moment`] | `90d`, an instant or `never`; an instant or how long ago |
//! | [`find`] | which key, token or agent a person means |
//! | [`confirm`] | asking a person |
//! | [`secret_file`] | a new secret, stored before it can be lost |
//! | [`table`] | answers for people |
//! | [`output`] | stdout is the answer, stderr is talk |
//! | [`error`] | what went wrong, what to do, how the program ends |
//! | [`clock`] | the one place that waits |
//!
//! Invariant: a credential leaves this process only inside TLS to a master that was authenticated, by an API key's own
//! pin, by what was given to vouch for it, or by what the profile kept.

pub mod access;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod confirm;
pub mod credential;
pub mod environment;
pub mod error;
pub mod expires;
pub mod find;
pub mod master;
pub mod moment;
pub mod output;
pub mod plan;
pub mod profile;
pub mod secret_file;
pub mod table;
pub mod wait;

pub use commands::run;

/// The whole command line, for completions and manual pages.
#[must_use]
pub fn command() -> clap::Command {
    <cli::Arguments as clap::CommandFactory>::command()
}
