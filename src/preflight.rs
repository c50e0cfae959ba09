//! Can this program go on with what another version left? Looks at configuration and state, and changes nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::Bundle;
use crate::store::{FORMAT, Store, StoreError};
use crate::trouble::whole;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// The configuration file.
    configuration: PathBuf,
    /// The state directory, where the configuration is good enough to name one.
    state: Option<PathBuf>,
    /// The newest format this program reads.
    reads: u32,
    /// The format of what is there.
    format: Option<u32>,
    /// Which generation was read, if there is one.
    generation: Option<u64>,
    /// Why this program cannot go on.
    problems: Vec<Problem>,
}

/// One reason why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Problem {
    message: String,
    hint: &'static str,
}

impl Preflight {
    /// Of the configuration in that file, which names that state directory or cannot be used.
    #[must_use]
    pub fn of(configuration: PathBuf, state: Result<PathBuf, String>) -> Self {
        let empty = Self {
            configuration,
            state: None,
            reads: FORMAT,
            format: None,
            generation: None,
            problems: Vec::new(),
        };
        match state {
            Ok(dir) => empty.with_state(dir),
            Err(message) => empty
                .because(message, "correct the file; `gatepass config validate` says whether it is accepted"),
        }
    }

    /// Whether this program can take over.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.problems.is_empty()
    }

    fn with_state(self, dir: PathBuf) -> Self {
        let this = match read(&dir) {
            Ok((format, generation)) => Self { format, generation, ..self },
            Err(Unreadable::Store(StoreError::TooNew { root, found })) => {
                let this = Self { format: Some(found), ..self };
                this.because(
                    StoreError::TooNew { root, found }.to_string(),
                    "install the version that wrote it, or a newer one",
                )
            }
            Err(error) => self.because(
                whole(&error),
                "mend that, or let the version that wrote it go on; nothing was changed",
            ),
        };
        Self { state: Some(dir), ..this }
    }

    fn because(mut self, message: String, hint: &'static str) -> Self {
        self.problems.push(Problem { message, hint });
        self
    }
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the identity in {} cannot be used", .0.display())]
    Identity(PathBuf, #[source] crate::bundle::Unfit),
}

/// Format and generation of what is there, read as the daemon would.
fn read(dir: &Path) -> Result<(Option<u32>, Option<u64>), Unreadable> {
    let store = Store::open(dir)?;
    let format = store.format()?;
    let Some((generation, parts)) = store.current()? else { return Ok((format, None)) };
    Bundle::recall(parts).map_err(|why| Unreadable::Identity(store.current_dir(), why))?;
    Ok((format, Some(generation.0)))
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "problem        {}\n               {}", problem.message, problem.hint)?;
        }
        if let (Some(dir), true) = (&self.state, self.is_clear()) {
            let held =
                self.generation.map_or("no identity yet".to_owned(), |number| format!("generation {number}"));
            writeln!(f, "configuration  {}: accepted", self.configuration.display())?;
            writeln!(f, "state          {}: {held}, can be read", dir.display())?;
        }
        Ok(())
    }
}
