//! Saying what happens: to whoever runs the command, and to the log of the installation.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::codes::{Code, Message};
use crate::clock::{Clock as _, SystemClock};
use crate::install::{Did, Event};

/// Says things, and remembers them.
#[derive(Debug, Default)]
pub struct Speaker {
    said: Vec<String>,
}

impl Speaker {
    /// Trouble goes where errors go. One who does not listen is no reason to stop half-way.
    pub fn say(&mut self, message: &Message) {
        let line = format!("{message}\n");
        let _ = if message.is_trouble() {
            io::stderr().write_all(line.as_bytes())
        } else {
            io::stdout().write_all(line.as_bytes())
        };
        self.said.push(line);
    }

    /// What the installing engine tells. Steps with nothing to do only reach the log.
    pub fn tell(&mut self, event: &Event) {
        let code = match event {
            Event::Step { did: Did::Nothing, .. } => {
                self.said.push(format!("{event}\n"));
                return;
            }
            Event::Finished { .. } => return,
            Event::Waiting { .. } => Code::Waiting,
            Event::Resuming { .. } => Code::RunAgain,
            Event::Left { .. } => Code::Left,
            Event::Step { .. } | Event::Undone { .. } | Event::Note { .. } => Code::Step,
        };
        self.say(&Message::new(code, event.to_string()));
    }

    /// Appends what was said to the log, where the instance has come to be.
    pub fn keep(&self, log: &Path) {
        if !log.parent().is_some_and(Path::is_dir) {
            return;
        }
        let mut options = OpenOptions::new();
        let opened = options.create(true).append(true).mode(0o644).open(log);
        let text = format!("== {}\n{}", SystemClock.wall(), self.said.concat());
        if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            tracing::warn!(%error, file = %log.display(), "the log of the installation is not kept");
        }
    }
}
