//! A master to ask, and how to say what it answers.

use std::io::IsTerminal as _;

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Change, Expiry, Page};
use serde::Serialize;

use crate::access::Access;
use crate::cli::{AccessArguments, ListArguments, ReasonArguments};
use crate::environment::Environment;
use crate::error::CtlError;
use crate::expires::Expires;
use crate::master::{Extent, Master};
use crate::output::{self, Form};
use crate::profile::Profiles;
use crate::table::Width;

/// A master to ask, and how to say what it answers.
pub(super) struct Session {
    pub(super) master: Master,
    pub(super) form: Form,
}

/// How a list is said to people.
type Lines<T> = fn(&[T], UnixTime, Width) -> String;

impl Session {
    pub(super) async fn open(arguments: &AccessArguments) -> Result<Self, CtlError> {
        let environment = Environment::read();
        let profiles = environment.config.as_deref().map(Profiles::within);
        let access = Access::gather(arguments, &environment, profiles.as_ref())?;
        Ok(Self { master: Master::connect(access).await?, form: arguments.form() })
    }

    /// Prints `answer`: as it came, or as `people` say it at the master's present time.
    pub(super) async fn print<T: Serialize>(
        &self,
        answer: &T,
        people: impl FnOnce(&T, UnixTime, Width) -> String,
    ) -> Result<(), CtlError> {
        match self.form.machine(answer) {
            Some(text) => output::print(&text),
            None => output::print(&people(answer, self.master.time().await?, width())),
        }
    }

    /// Prints a list, and that it was cut short if so.
    pub(super) async fn list<T: Serialize>(&self, page: &Page<T>, lines: Lines<T>) -> Result<(), CtlError> {
        self.print(page, |page, now, width| lines(&page.items, now, width)).await?;
        if self.form == Form::Table && page.next.is_some() {
            output::talk("gatepassctl: there are more; give a larger --limit, or none");
        }
        Ok(())
    }

    /// Prints what became of something: as it came, or in one line.
    pub(super) fn outcome<T: Serialize>(
        &self,
        answer: &T,
        line: impl FnOnce(&T) -> String,
    ) -> Result<(), CtlError> {
        let text = self.form.machine(answer).unwrap_or_else(|| output::printable(&line(answer)));
        output::print(&text)
    }

    /// When something is to end, by the master's clock.
    pub(super) async fn end(&self, expires: Option<Expires>) -> Result<Option<Expiry>, CtlError> {
        match expires {
            Some(expires) => Ok(Some(expires.from(self.master.time().await?))),
            None => Ok(None),
        }
    }
}

impl From<ListArguments> for Extent {
    fn from(list: ListArguments) -> Self {
        match (list.limit, list.after) {
            (None, None) => Self::All,
            (limit, after) => Self::Part { after, most: limit.map_or(usize::MAX, Into::into) },
        }
    }
}

impl From<ReasonArguments> for Change {
    fn from(reason: ReasonArguments) -> Self {
        Self { annotation: reason.annotation() }
    }
}

/// What is gone, for machines.
#[derive(Debug, Serialize)]
pub(super) struct Gone {
    /// Ids or names.
    pub(super) deleted: Vec<String>,
}

/// Of the terminal that standard output goes to, if it does.
pub(super) fn width() -> Width {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten()?;
    Some(size.ws_col).filter(|&columns| columns > 0)
}
