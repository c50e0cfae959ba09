//! What Gatepass costs: the real binaries on loopback, beside what the same primitives cost without it in the same run.
//!
//! `scripts/bench` builds the binaries and starts this. It works in a directory of its own and stops what it starts.

mod agent;
mod apikeys;
mod client;
mod clock;
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
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

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
    /// Write the figures there, every round of them
    #[arg(long)]
    json: Option<PathBuf>,
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
        let (gatepass, program, scratch) = (&self.gatepass, &self.master, &self.scratch);
        let (extent, downloads, window) = self.extent();
        say("the agent")?;
        let mut figures = vec![agent::size(gatepass)?];
        let master = Master::start(program, scratch)?;
        figures.extend(agent::downloads(gatepass, &master, downloads)?);
        figures.extend(agent::daemon(gatepass, &master, extent.rounds, window)?);
        drop(master);
        say("issues, and their limits")?;
        let (issues, limits) = master::issues(program, scratch, extent)?;
        figures.extend(issues);
        say("the master's memory")?;
        figures.extend(master::memory(program, scratch, extent)?);
        say("a million API keys")?;
        figures.extend(apikeys::measure(program, scratch, self.keys())?);
        write!(
            stdout(),
            "{}\nwhat the limit of an issue is made of\n{}",
            figures::table(&figures),
            figures::table(&limits)
        )?;
        figures.extend(limits);
        self.write(&figures::document(&figures, &machine()))
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
