//! What Gatepass costs: the real binaries on loopback, beside what the same primitives cost without it in the same run.
//!
//! `scripts/bench` builds the binaries and starts this. It works in a directory of its own and stops what it starts.

mod agent;
mod apikeys;
mod client;
mod clock;
mod engines;
mod figures;
mod hosts;
mod launch;
mod limits;
mod load;
mod master;
mod processes;
mod reference;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use figures::Figure;
use master::{Extent, Master};

/// Measures Gatepass; started by scripts/bench.
#[derive(Parser)]
struct Arguments {
    /// Given by `cargo bench`.
    #[arg(long, global = true, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Measure everything
    Measure(Measure),
    /// Run a program and print what it cost
    Launch { words: Vec<OsString> },
    /// Do what `gatepass download` does, and nothing else
    Reference { url: String, api_key_file: PathBuf, dir: PathBuf },
    /// Do nothing at all
    Sleep,
}

#[derive(Args)]
struct Measure {
    /// The agent
    #[arg(long)]
    gatepass: PathBuf,
    /// The master
    #[arg(long)]
    master: PathBuf,
    /// Where to work: on the disk whose syncs are to be measured
    #[arg(long)]
    scratch: PathBuf,
    /// Fewer and shorter rounds
    #[arg(long)]
    quick: bool,
    /// Measure that alone
    #[arg(long)]
    only: Option<Subject>,
    /// Write the figures there, every round of them
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    Agent,
    Issues,
    Memory,
    Keys,
    Engines,
}

impl Subject {
    const fn title(self) -> &'static str {
        match self {
            Self::Agent => "the agent",
            Self::Issues => "issues, and their limits",
            Self::Memory => "the master's memory",
            Self::Keys => "a million API keys",
            Self::Engines => "PostgreSQL beside SQLite",
        }
    }
}

fn main() -> Result<()> {
    match Arguments::parse().part {
        Some(Part::Measure(measure)) => measure.run(),
        Some(Part::Launch { words }) => launch::here(&words),
        Some(Part::Reference { url, api_key_file, dir }) => reference::download(&url, &api_key_file, &dir),
        Some(Part::Sleep) => loop {
            clock::pause(Duration::MAX);
        },
        // `cargo test --all-targets` starts it like that.
        None => say("nothing is measured: start scripts/bench"),
    }
}

impl Measure {
    fn run(&self) -> Result<()> {
        let (mut figures, mut limits) = (Vec::new(), Vec::new());
        for &subject in self.only.as_ref().map_or(Subject::value_variants(), std::slice::from_ref) {
            say(subject.title())?;
            figures.extend(self.of(subject, &mut limits)?);
        }
        write!(stdout(), "{}", figures::table(&figures))?;
        if !limits.is_empty() {
            write!(stdout(), "\nwhat the limit of an issue is made of\n{}", figures::table(&limits))?;
        }
        figures.extend(limits);
        self.write(&figures::document(&figures, &machine()))
    }

    fn of(&self, subject: Subject, limits: &mut Vec<Figure>) -> Result<Vec<Figure>> {
        let (program, scratch) = (&self.master, &self.scratch);
        let (extent, downloads, window) = self.extent();
        match subject {
            Subject::Agent => {
                let master = Master::start(program, scratch)?;
                let mut figures = vec![agent::size(&self.gatepass)?];
                figures.extend(agent::downloads(&self.gatepass, &master, downloads)?);
                figures.extend(agent::daemon(&self.gatepass, &master, extent.rounds, window)?);
                Ok(figures)
            }
            Subject::Issues => {
                let (figures, made_of) = master::issues(program, scratch, extent)?;
                limits.extend(made_of);
                Ok(figures)
            }
            Subject::Memory => master::memory(program, scratch, extent),
            Subject::Keys => apikeys::measure(program, scratch, self.keys()),
            Subject::Engines if !engines::is_possible() => {
                say("left out: the package postgresql is not installed")?;
                Ok(Vec::new())
            }
            Subject::Engines => {
                engines::measure(program, scratch, Extent { requests: extent.requests / 2, ..extent })
            }
        }
    }

    /// How much of each: issues, downloads, and for how long the daemon is watched each time.
    fn extent(&self) -> (Extent, usize, Duration) {
        if self.quick {
            (Extent { rounds: 5, requests: 500, flat_until: None }, 7, Duration::from_secs(1))
        } else {
            (Extent { rounds: 7, requests: 2_000, flat_until: Some(50_000) }, 15, Duration::from_secs(4))
        }
    }

    fn keys(&self) -> apikeys::Extent {
        if self.quick {
            apikeys::Extent { keys: 100_000, rounds: 3 }
        } else {
            apikeys::Extent { keys: 1_000_000, rounds: 5 }
        }
    }

    fn write(&self, document: &Value) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        Ok(writeln!(File::create(path)?, "{document:#}")?)
    }
}

fn machine() -> Value {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "processor": model.map(|(_, name)| name),
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load": read("/proc/loadavg").trim(),
    })
}

fn say(what: &str) -> Result<()> {
    Ok(writeln!(stderr(), "bench: {what}")?)
}
