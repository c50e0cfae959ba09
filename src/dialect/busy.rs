//! Who works with an instance: other installations, hooks, and people at command lines.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::codes::{Code, Message};
use super::layout::Instance;
use super::say::Speaker;
use crate::clock::{Clock as _, SystemClock};
use crate::store::Store;

const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Waits until nobody does, for that long at most; `None`: for ever. Another installation is not waited for.
pub async fn wait_until_quiet(
    instance: &Instance,
    patience: Option<Duration>,
    speaker: &mut Speaker,
) -> Result<(), Message> {
    unlocked(&instance.journal())?;
    unlocked(&instance.update_journal())?;
    unlocked(&instance.download_journal())?;
    let clock = SystemClock;
    let end = patience.map(|patience| clock.boot() + patience);
    let mut told = false;
    while let Some(trouble) = look(instance) {
        if end.is_some_and(|end| clock.boot() >= end) {
            return Err(trouble.hint("`-wait MINUTES` waits longer, `-wait -1` for ever."));
        }
        if !std::mem::replace(&mut told, true) {
            speaker.say(&Message::new(Code::Waiting, format!("{} Its end is waited for.", trouble.text)));
        }
        clock.sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

fn unlocked(journal: &Path) -> Result<(), Message> {
    let Ok(file) = File::open(journal.join("lock")) else { return Ok(()) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(journal.join("lock")).unwrap_or_default();
            Err(Message::new(
                Code::FilesLocked,
                format!("Another run works on this instance (process {}).", holder.trim()),
            )
            .hint("Wait for its end, then run the same command again (AWSFAB057I)."))
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// A process as `/proc` shows it.
struct Process {
    id: u32,
    parent: u32,
    name: String,
}

fn look(instance: &Instance) -> Option<Message> {
    let agent = Store::open(instance.state()).ok().and_then(|store| store.writer()?.parse::<u32>().ok());
    let own = std::process::id();
    for process in processes() {
        if Some(process.parent) == agent && process.id != own {
            let text = format!("A hook of the agent is running (process {}, {}).", process.id, process.name);
            return Some(Message::new(Code::JobsRunning, text));
        }
        if Some(process.id) != agent && process.id != own && runs(process.id, &instance.program()) {
            let text = format!("Somebody runs the instance's program (process {}).", process.id);
            return Some(Message::new(Code::CommandLineOpen, text));
        }
    }
    None
}

/// Processes that end while they are looked at are none.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)).collect()
}

/// `id (name) state parent …`; the name may hold anything, parentheses too.
fn parse(id: u32, stat: &str) -> Option<Process> {
    let (name, rest) = (stat.split_once('(')?.1).rsplit_once(')')?;
    let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
    Some(Process { id, parent, name: name.to_owned() })
}

fn runs(id: u32, program: &Path) -> bool {
    fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| exe == program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let found = parse(7, "7 (a) (b) S 42 7 7 0").expect("a process");
        assert_eq!((found.parent, found.name.as_str()), (42, "a) (b"));
        assert!(parse(7, "").is_none());
    }
}
