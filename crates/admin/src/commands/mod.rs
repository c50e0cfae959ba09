//! What each command does.

mod agent;
mod audit;
mod handing;
mod key;
mod key_end;
mod login;
mod notice;
mod people;
mod profile;
mod session;
mod token;
mod user;

use clap_complete::Shell;

use crate::cli::{AccessArguments, ApprovalCommand, Arguments, AuditCommand, Command};
use crate::error::CtlError;
use crate::output;
use session::Session;

/// Carries out what the command line says.
pub fn run(arguments: Arguments) -> Result<(), CtlError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CtlError::Start(Box::new(error)))?;
    runtime.block_on(carry_out(arguments.command, &arguments.access))
}

/// A master is asked for only by what needs one.
async fn carry_out(command: Command, access: &AccessArguments) -> Result<(), CtlError> {
    let session = async || Session::open(access).await;
    match command {
        Command::Completions { shell } => completions(shell),
        Command::Profile(command) => profile::run(&command, access),
        Command::Login(arguments) => login::login(&arguments, access).await,
        Command::Logout => login::logout(access).await,
        Command::Audit(AuditCommand::Verify { files }) => audit::verify(&files, access.form()),
        Command::Audit(command) => audit::run(command, &session().await?).await,
        Command::Whoami => login::whoami(&session().await?).await,
        Command::Key(command) => key::run(command, &session().await?).await,
        Command::Approval(ApprovalCommand::List(list)) => key::approvals(list, &session().await?).await,
        Command::Token(command) => token::run(command, &session().await?).await,
        Command::User(command) => user::run(command, &session().await?).await,
        Command::Group(command) => people::group(command, &session().await?).await,
        Command::Role(command) => people::role(command, &session().await?).await,
        Command::Capability(command) => people::capability(&command, &session().await?).await,
        Command::Agent(command) => agent::run(command, &session().await?).await,
        Command::Notice(command) => notice::run(command, &session().await?).await,
    }
}

fn completions(shell: Shell) -> Result<(), CtlError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command(), "gatepassctl", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}
