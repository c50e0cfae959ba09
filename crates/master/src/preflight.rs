//! Can this program go on with what another version left? Looks at configuration, key and database, and changes nothing.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Config;
use crate::init::file;
use crate::serve::{ServeError, key_encryption_key};
use crate::store::{Database, StoreError, known_schema};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preflight {
    /// The master's directory.
    dir: PathBuf,
    /// The newest schema this program knows.
    knows: u32,
    /// The schema of the database that is there.
    schema: Option<u32>,
    /// Why this program cannot go on.
    problems: Vec<Problem>,
}

/// One reason why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Problem {
    message: String,
    hint: &'static str,
    passing: bool,
}

/// Whether this program can take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It can.
    Clear,
    /// Nobody can say now.
    Later,
    /// It cannot.
    Human,
}

impl Preflight {
    /// Of the master in that directory.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        let mut found =
            Self { dir: dir.to_owned(), knows: known_schema(), schema: None, problems: Vec::new() };
        match Config::from_file(&dir.join(file::CONFIG)) {
            Ok(config) => found.look_at(dir, &config),
            Err(error) => found.because(
                &error,
                "set a master up with `gatepass-master init`, or correct what the message names",
            ),
        }
        found
    }

    fn look_at(&mut self, dir: &Path, config: &Config) {
        const CORRECT: &str = "correct what the message names; nothing was changed";
        if let Err(error) = config.notices.try_templates(dir, &config.url(0)) {
            self.because(&error, CORRECT);
        }
        if let Err(error) = key_encryption_key(dir) {
            self.because(&ServeError::from(error), CORRECT);
        }
        match config.database.of(dir) {
            Ok(database) => self.look_into(&database),
            Err(error) => self.because(&error, CORRECT),
        }
    }

    fn look_into(&mut self, database: &Database) {
        match database.schema() {
            Ok(found) => {
                self.schema = Some(found);
                if found > self.knows {
                    self.because(
                        &StoreError::TooNew { found, known: self.knows },
                        "install the version that made it, or a newer one",
                    );
                }
            }
            Err(error) => {
                let passing = matches!(error, StoreError::Unavailable(_));
                self.problems.push(Problem {
                    message: whole(&error),
                    hint: "see that the database is there and can be reached from here, then try again",
                    passing,
                });
            }
        }
    }

    fn because(&mut self, error: &dyn Error, hint: &'static str) {
        self.problems.push(Problem { message: whole(error), hint, passing: false });
    }

    /// Whether this program can take over.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.problems.is_empty() {
            Verdict::Clear
        } else if self.problems.iter().all(|problem| problem.passing) {
            Verdict::Later
        } else {
            Verdict::Human
        }
    }
}

/// An error with its causes, as far as it does not name them itself.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "master    {}", self.dir.display())?;
        if let Some(found) = self.schema {
            write!(f, "\ndatabase  schema {found}; this program knows up to {}", self.knows)?;
        }
        for problem in &self.problems {
            write!(f, "\nproblem   {}\n          {}", problem.message, problem.hint)?;
        }
        Ok(())
    }
}
