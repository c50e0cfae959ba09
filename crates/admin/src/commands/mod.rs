//! What each command does.

mod agent;
mod key;

use std::io::IsTerminal as _;

use clap_complete::Shell;
use gatepass_contract::time::UnixTime;
use serde::Serialize;

use crate::access::Access;
use crate::cli::{AccessArguments, Arguments, Command};
use crate::error::CtlError;
use crate::master::Master;
use crate::output::{self, Form};
use crate::table::Width;

/// Carries out what the command line says.
pub fn run(arguments: Arguments) -> Result<(), CtlError> {
    let Arguments { access, command } = arguments;
    match command {
        Command::Completions { shell } => completions(shell),
        Command::Key(command) => on_master(async { key::run(command, &Session::open(&access).await?).await }),
        Command::Agent(command) => {
            on_master(async { agent::run(command, &Session::open(&access).await?).await })
        }
    }
}

fn completions(shell: Shell) -> Result<(), CtlError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command(), "gatepassctl", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}

fn on_master(work: impl Future<Output = Result<(), CtlError>>) -> Result<(), CtlError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CtlError::Start(Box::new(error)))?.block_on(work)
}

/// A master to ask, and how to say what it answers.
struct Session {
    master: Master,
    form: Form,
}

impl Session {
    async fn open(arguments: &AccessArguments) -> Result<Self, CtlError> {
        let form = if arguments.json { Form::Json } else { Form::Human };
        Ok(Self { master: Master::connect(Access::gather(arguments)?).await?, form })
    }

    /// Prints `answer`: as it came, or as `people` say it at the master's present time.
    async fn print<T: Serialize>(
        &self,
        answer: &T,
        people: impl FnOnce(&T, UnixTime, Width) -> String,
    ) -> Result<(), CtlError> {
        match self.form {
            Form::Json => output::print(&output::json(answer)),
            Form::Human => output::print(&people(answer, self.master.time().await?, width())),
        }
    }

    /// Prints what became of something: as it came, or in one line.
    fn outcome<T: Serialize>(&self, answer: &T, line: impl FnOnce(&T) -> String) -> Result<(), CtlError> {
        match self.form {
            Form::Json => output::print(&output::json(answer)),
            Form::Human => output::print(&output::printable(&line(answer))),
        }
    }
}

/// Of the terminal that standard output goes to, if it does.
fn width() -> Width {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten()?;
    Some(size.ws_col).filter(|&columns| columns > 0)
}
