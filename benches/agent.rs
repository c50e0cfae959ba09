//! The agent: its size, a download from nothing, the daemon between two steps.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::clock::{Stopwatch, pause};
use crate::figures::Figure;
use crate::launch::{self, Cost};
use crate::master::Master;
use crate::processes::{Process, command, log, ourselves};

/// The binary as it is shipped.
pub(crate) fn size(program: &Path) -> Result<Figure> {
    let bytes = f64::from(u32::try_from(fs::metadata(program)?.len())?);
    Ok(Figure::new("agent.size", "agent binary, stripped", "MB", vec![bytes / 1e6]).at_most(6.5).aim(4.8))
}

/// `gatepass download` into a new directory with a new API key, in turns with the reference.
pub(crate) fn downloads(program: &Path, master: &Master, rounds: usize) -> Result<Vec<Figure>> {
    let mut pairs = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        let (ours, limit) = (Place::new(master, round, "agent")?, Place::new(master, round, "reference")?);
        pairs.push((launch::cost(&ours.download(program))?, launch::cost(&limit.reference()?)?));
        ensure!(
            ours.dir.join("current/tls.crt").exists(),
            "the agent stored nothing in {}",
            ours.dir.display()
        );
    }
    // The first one finds the files of the programs not in memory yet.
    Ok(download_figures(&pairs[1..]))
}

fn download_figures(pairs: &[(Cost, Cost)]) -> Vec<Figure> {
    let figure = |id, what, unit, of: fn(&Cost) -> f64| {
        Figure::new(id, what, unit, pairs.iter().map(|(ours, _)| of(ours)).collect())
            .limit(pairs.iter().map(|(_, limit)| of(limit)).collect())
    };
    vec![
        figure("download.wall", "cold download, wall time", "ms", |cost| cost.wall).at_most(8.0).aim(5.0),
        figure("download.cpu", "cold download, CPU", "ms", |cost| cost.cpu).at_most(5.0),
        figure("download.peak", "cold download, peak memory", "MB", |cost| cost.peak).at_most(9.0),
    ]
}

/// Where an agent finds its API key and keeps its identity.
struct Place {
    url: String,
    key: PathBuf,
    dir: PathBuf,
}

impl Place {
    fn new(master: &Master, number: usize, who: &str) -> Result<Self> {
        let name = format!("{who}-{number}");
        let (key, dir) = (master.dir.path().join(format!("{name}.key")), master.dir.path().join(&name));
        private_file(&key, &master.api_key(&name)?)?;
        Ok(Self { url: master.url.clone(), key, dir })
    }

    fn download(&self, program: &Path) -> Command {
        let mut download = command(program);
        download.args(["download", "--master", &self.url]).arg("--apikey-file").arg(&self.key);
        download.arg("--dir").arg(&self.dir);
        download
    }

    fn reference(&self) -> Result<Command> {
        let mut reference = ourselves("reference")?;
        reference.arg(&self.url).arg(&self.key).arg(&self.dir);
        Ok(reference)
    }
}

/// `gatepass run` with a bundle of the default lifetimes, between two steps; the limit is a program that only sleeps.
pub(crate) fn daemon(
    program: &Path,
    master: &Master,
    windows: usize,
    window: Duration,
) -> Result<Vec<Figure>> {
    let place = Place::new(master, 0, "daemon")?;
    let config = master.dir.path().join("daemon.toml");
    private_file(&config, &place.configuration())?;
    let mut run = command(program);
    run.arg("--config").arg(&config).arg("run").stdout(Stdio::null());
    let daemon = Process(run.stderr(log(&master.dir.path().join("daemon.log"))?).spawn()?);
    let sleeper = Process(ourselves("sleep")?.stdout(Stdio::null()).spawn()?);
    wait_for(&place.dir.join("current/tls.crt"))?;
    pause(SETTLE);
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..windows {
        let (before, slept) = (daemon.sleeps()?, sleeper.sleeps()?);
        pause(window);
        ours.push(Idle::of(&daemon, before, window)?);
        limit.push(Idle::of(&sleeper, slept, window)?);
    }
    Ok(idle_figures(&ours, &limit))
}

/// After the first bundle it reports and gives back what memory it can.
const SETTLE: Duration = Duration::from_secs(2);

/// What a sleeping process holds, and how often it woke.
struct Idle {
    shared: f64,
    private: f64,
    wakes: f64,
}

impl Idle {
    fn of(process: &Process, before: f64, window: Duration) -> Result<Self> {
        Ok(Self {
            wakes: (process.sleeps()? - before) * 60.0 / window.as_secs_f64(),
            shared: process.mapped_memory("Pss")?,
            private: process.mapped_memory("Private_Dirty")?,
        })
    }
}

fn idle_figures(ours: &[Idle], limit: &[Idle]) -> Vec<Figure> {
    let figure = |id, what, unit, of: fn(&Idle) -> f64| {
        Figure::new(id, what, unit, ours.iter().map(of).collect()).limit(limit.iter().map(of).collect())
    };
    vec![
        figure("daemon.pss", "daemon idle, PSS", "MB", |idle| idle.shared).at_most(5.0).aim(2.0),
        figure("daemon.private", "daemon idle, private dirty", "MB", |idle| idle.private).at_most(1.0),
        figure("daemon.wakes", "daemon idle, wake-ups a minute", "/min", |idle| idle.wakes).at_most(0.0),
    ]
}

impl Place {
    fn configuration(&self) -> String {
        let (url, dir, key) = (&self.url, self.dir.display(), self.key.display());
        format!("masters = [\"{url}\"]\nstate_dir = \"{dir}\"\napikey_file = \"{key}\"\n")
    }
}

fn wait_for(path: &Path) -> Result<()> {
    let since = Stopwatch::start();
    while !path.exists() {
        ensure!(since.elapsed() < Duration::from_secs(10), "{} does not appear", path.display());
        pause(Duration::from_millis(20));
    }
    Ok(())
}

fn private_file(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
