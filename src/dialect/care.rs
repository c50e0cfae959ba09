//! What is done with an instance that is there: `-update`, `-modify`, `-restore`, `-uninst`, start and stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::busy;
use super::codes::{Code, Ending, Message};
use super::host;
use super::layout::Instance;
use super::new::failed;
use super::plan::{entry, spawned};
use super::registry;
use super::request::{absolute, instance_user};
use super::say::Speaker;
use super::words::Given;
use crate::durable::absent;
use crate::install::{self, Event, Failure, Owner, Plan, Program, Removal, Step};
use crate::store::Store;
use crate::trouble::whole;

/// The instance that is meant.
pub async fn instance(given: &Given) -> Result<Instance, Message> {
    let user = instance_user(given)?;
    let inst = absolute(given, "inst_dir")?;
    let known = registry::instances(&host::registry_dir(), given.truth("recovInstReg") == Some(true))?;
    let found = registry::find(known, &user, inst.as_deref());
    // Where the registry was made anew, the place itself says the rest.
    match (found, inst) {
        (Err(_), Some(inst))
            if given.truth("recovInstReg") == Some(true) && inst.join("TWS/bin/gatepass").exists() =>
        {
            let instance = Instance { user, data: inst.join("TWSDATA"), inst };
            register(&instance).await?;
            Ok(instance)
        }
        (found, _) => found,
    }
}

async fn register(instance: &Instance) -> Result<(), Message> {
    let plan =
        Plan { place: instance.journal(), steps: vec![Step::Entry(entry(instance, host::registry_dir()))] };
    install::apply(&plan, &mut |_| {}).await.map(drop).map_err(|error| failed(&error))
}

/// `-modify`: there is nothing to add.
pub async fn modify(given: &Given, speaker: &mut Speaker) -> Result<Ending, Message> {
    let instance = instance(given).await?;
    speaker.say(&Message::new(
        Code::Unchanged,
        format!("There is nothing to change in {}.", instance.inst.display()),
    ));
    Ok(Ending::Done)
}

/// `-update`: this program takes the place of the instance's, if it can read what is there.
pub async fn update(given: &Given, speaker: &mut Speaker) -> Result<Ending, Message> {
    let instance = instance(given).await?;
    if !given.has("skipcheckprereq") {
        host::prerequisites(&instance, None)?;
    }
    readable(&instance, Path::new(MYSELF)).await?;
    let step = Step::Program(Program { path: instance.program(), owner: Owner::default() });
    let plan = Plan { place: instance.update_journal(), steps: vec![step] };
    let mut ignore = |_: Event| {};
    if install::dry_run(&plan, &mut ignore).await.map_err(|error| failed(&error))?.changed == 0 {
        speaker.say(&Message::new(
            Code::Unchanged,
            format!("{} has this version of the program already.", instance.inst.display()),
        ));
        return Ok(Ending::Done);
    }
    busy::wait_until_quiet(&instance, minutes(given), speaker).await?;
    // What the update before it replaced cannot be gone back to any more.
    forget_update(&instance)?;
    install::apply(&plan, &mut |event| speaker.tell(&event)).await.map_err(|error| failed(&error))?;
    if let Err(failure) = restart(&instance).await {
        install::remove(&plan.place, Removal::All, &mut |event| speaker.tell(&event))
            .await
            .map_err(|error| failed(&error))?;
        let again = restart(&instance)
            .await
            .err()
            .map(|error| format!(" and neither does the former: {}", whole(&error)));
        let text = format!(
            "The agent does not run with this program{}: {}.",
            again.unwrap_or_default(),
            whole(&failure)
        );
        speaker.say(&Message::new(Code::Undone, "The former program is back in its place."));
        return Err(Message::new(Code::Stopped, text));
    }
    Ok(done(&instance, speaker, "This version of the program is in its place, and the agent runs."))
}

fn done(instance: &Instance, speaker: &mut Speaker, text: &str) -> Ending {
    speaker.say(&Message::new(Code::Updated, text));
    speaker.keep(&instance.install_log(env!("CARGO_PKG_VERSION")));
    Ending::Done
}

/// `-restore`: back to what the last update replaced.
pub async fn restore(given: &Given, speaker: &mut Speaker) -> Result<Ending, Message> {
    let instance = instance(given).await?;
    let place = instance.update_journal();
    if install::made(&place).map_err(|error| failed(&error))?.is_empty() {
        return Err(Message::new(
            Code::NothingToRestore,
            format!("No update of {} is known.", instance.inst.display()),
        ));
    }
    busy::wait_until_quiet(&instance, minutes(given), speaker).await?;
    readable(&instance, Path::new(MYSELF)).await?;
    install::remove(&place, Removal::All, &mut |event| speaker.tell(&event))
        .await
        .map_err(|error| failed(&error))?;
    readable(&instance, &instance.program()).await?;
    restart(&instance).await.map_err(|error| {
        Message::new(Code::Stopped, format!("The agent does not run: {}.", whole(&error)))
    })?;
    Ok(done(
        &instance,
        speaker,
        "The program before the last update is back in its place, and the agent runs.",
    ))
}

/// `-uninst`: the master is told, and nothing is left.
pub async fn uninst(given: &Given, speaker: &mut Speaker) -> Result<Ending, Message> {
    let instance = instance(given).await?;
    if install::made(&instance.journal()).map_err(|error| failed(&error))?.is_empty() {
        return Err(Message::new(
            Code::NoInstance,
            format!(
                "{} was not made by this program: there is no journal beside it.",
                instance.inst.display()
            ),
        )
        .hint("Remove it with the program that installed it."));
    }
    busy::wait_until_quiet(&instance, minutes(given), speaker).await?;
    forget_update(&instance)?;
    // A download that was stopped may have enrolled already; that identity goes first.
    for journal in [instance.download_journal(), instance.journal()] {
        install::remove(&journal, Removal::All, &mut |event| speaker.tell(&event))
            .await
            .map_err(|error| failed(&error))?;
    }
    // It may have been made for another instance that went before this one; it stays while there is an entry in it.
    _ = fs::remove_dir(host::registry_dir());
    speaker.say(&Message::new(
        Code::Removed,
        format!("The instance in {} is removed.", instance.inst.display()),
    ));
    Ok(Ending::Done)
}

fn forget_update(instance: &Instance) -> Result<(), Message> {
    let place = instance.update_journal();
    let gone = absent(fs::remove_dir_all(&place)).map(drop);
    gone.map_err(|error| {
        Message::new(Code::FilesLocked, format!("{} cannot be removed: {error}.", place.display()))
    })
}

/// An hour, by the manual; `None`: for ever.
fn minutes(given: &Given) -> Option<Duration> {
    let minutes: i64 = given.number("wait").unwrap_or(60);
    u64::try_from(minutes).ok().map(|minutes| Duration::from_secs(60 * minutes))
}

/// Whether that program can read configuration and state, and the files that others read are there.
async fn readable(instance: &Instance, program: &Path) -> Result<(), Message> {
    let unreadable = |what: String| Message::new(Code::Unreadable, what);
    for file in [instance.job_manager_ini(), instance.ita_ini()] {
        fs::read_to_string(&file)
            .map_err(|error| unreadable(format!("{} cannot be read: {error}.", file.display())))?;
    }
    let mut command = Command::new(program);
    // A former program may not know this command.
    let look: &[&str] = if program == Path::new(MYSELF) { &["preflight"] } else { &["config", "validate"] };
    command.arg("--config").arg(instance.config()).args(look).stdin(Stdio::null());
    let ended = command
        .output()
        .await
        .map_err(|error| unreadable(format!("{} does not run: {error}.", program.display())))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        return Err(unreadable(format!(
            "The configuration cannot be read by the program that is to run with it.\n{said}"
        )));
    }
    let state = Store::open(instance.state()).and_then(|store| store.current());
    state.map(drop).map_err(|error| unreadable(format!("The identity cannot be read: {}.", whole(&error))))
}

const MYSELF: &str = "/proc/self/exe";

/// Stops the agent and starts it with the program that is there now.
pub async fn restart(instance: &Instance) -> Result<(), Failure> {
    stop(instance).await?;
    start(instance).await
}

fn has_unit(instance: &Instance) -> bool {
    install::has_systemd() && Path::new("/etc/systemd/system").join(instance.unit()).exists()
}

/// Starts the agent, where it does not run.
pub async fn start(instance: &Instance) -> Result<(), Failure> {
    if has_unit(instance) {
        return install::start(&instance.unit()).await;
    }
    let is_running = Store::open(instance.state()).is_ok_and(|store| store.writer().is_some());
    if is_running { Ok(()) } else { spawned(instance, host::is_root()).act().await }
}

/// Stops the agent.
pub async fn stop(instance: &Instance) -> Result<(), Failure> {
    if has_unit(instance) {
        return install::stop(&instance.unit()).await;
    }
    install::stop_spawned(&instance.state()).await
}

/// `StartUpLwa` and `ShutDownLwa`: the instance is the one whose program this is.
pub async fn power(is_on: bool, speaker: &mut Speaker) -> Result<Ending, Message> {
    let instance = own_instance()?;
    let done = if is_on { start(&instance).await } else { stop(&instance).await };
    let what = if is_on { "start" } else { "stop" };
    done.map_err(|error| {
        Message::new(Code::Stopped, format!("The agent does not {what}: {}.", whole(&error)))
    })?;
    let text = if is_on { "The agent runs." } else { "The agent has stopped." };
    speaker.say(&Message::new(Code::Step, text));
    Ok(Ending::Done)
}

/// The instance that this very program belongs to.
pub fn own_instance() -> Result<Instance, Message> {
    let program = std::env::current_exe().unwrap_or_default();
    let inst: PathBuf = program.ancestors().nth(3).map(Path::to_owned).unwrap_or_default();
    let mut known = registry::instances(&host::registry_dir(), false)?;
    known.extend(registry::instances(Path::new("/etc/TWA"), false)?);
    known.into_iter().find(|known| known.inst == inst).ok_or_else(|| {
        Message::new(Code::NoInstance, format!("{} belongs to no instance.", program.display()))
    })
}
