//! The command lines of the products Gatepass stands in for: `twsinst` and `AgentCertificateDownloader`.
//!
//! What is given is read and judged by pure functions first; nothing is touched before all of it is known to be in order.

pub mod busy;
pub mod care;
pub mod codes;
pub mod credentials;
pub mod download;
pub mod folder;
pub mod host;
pub mod layout;
pub mod new;
pub mod parameters;
pub mod plan;
pub mod registry;
pub mod request;
pub mod say;
pub mod trade;
pub mod words;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use codes::{Code, Ending, Message};
use parameters::{DOWNLOADER, Mode, Parameter, TWSINST, Takes, Treatment};
use say::Speaker;
use words::Given;

use crate::disguise::{Place, Word};

/// Which of the commands this program is called as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The installer.
    Twsinst,
    /// The downloader.
    Downloader,
    /// Starts the agent of the instance it is in.
    StartUp,
    /// Stops it.
    ShutDown,
}

impl Tool {
    /// By the name the program was called with, or by the first word behind `gatepass`; and how many words that is.
    #[must_use]
    pub fn of(arguments: &[OsString]) -> Option<(Self, usize)> {
        let named = |at: usize| arguments.get(at).and_then(Self::named);
        named(0).map(|tool| (tool, 1)).or_else(|| {
            let tool = named(1).filter(|tool| matches!(tool, Self::Twsinst | Self::Downloader))?;
            Some((tool, 2))
        })
    }

    fn named(name: &OsString) -> Option<Self> {
        Some(match Path::new(name).file_name()?.to_str()? {
            "twsinst" => Self::Twsinst,
            "AgentCertificateDownloader" | "AgentCertificateDownloader.sh" => Self::Downloader,
            "StartUpLwa" => Self::StartUp,
            "ShutDownLwa" => Self::ShutDown,
            _ => return None,
        })
    }

    /// Its parameters.
    #[must_use]
    pub const fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Twsinst => TWSINST,
            Self::Downloader => DOWNLOADER,
            Self::StartUp | Self::ShutDown => &[],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Twsinst => "twsinst",
            Self::Downloader => "AgentCertificateDownloader.sh",
            Self::StartUp => "StartUpLwa",
            Self::ShutDown => "ShutDownLwa",
        }
    }
}

/// Where the secrets are among this program's arguments, whatever it is called as.
#[must_use]
pub fn secrets(arguments: &[OsString]) -> Vec<Place> {
    Tool::of(arguments).map(|(tool, _)| words::places(arguments, tool.parameters())).unwrap_or_default()
}

/// Does what the words say, and says how it went.
pub async fn obey(tool: Tool, words: Vec<Word>) -> Ending {
    let mut speaker = Speaker::default();
    match run(tool, words, &mut speaker).await {
        Ok(ending) => ending,
        Err(message) => {
            speaker.say(&message);
            message.code.ending()
        }
    }
}

async fn run(tool: Tool, words: Vec<Word>, speaker: &mut Speaker) -> Result<Ending, Message> {
    let mut given = Given::parse(words, tool.parameters())?;
    let mode = match tool {
        Tool::StartUp => return care::power(true, speaker).await,
        Tool::ShutDown => return care::power(false, speaker).await,
        Tool::Twsinst => mode(&given)?,
        Tool::Downloader if given.actions().next().is_some() => Mode::Usage,
        Tool::Downloader => Mode::Download,
    };
    match mode {
        Mode::Usage => return print(&usage(tool)),
        Mode::Version => return print(&format!("{} {}\n", tool.name(), env!("CARGO_PKG_VERSION"))),
        Mode::Download => given = download::with_file(given)?,
        Mode::New | Mode::Update | Mode::Modify | Mode::Restore | Mode::Uninst => {
            request::licence(&given, mode)?;
        }
    }
    for notice in given.judge(mode)? {
        speaker.say(&notice);
    }
    match mode {
        Mode::New => new::new(&given, speaker).await,
        Mode::Update => care::update(&given, speaker).await,
        Mode::Modify => care::modify(&given, speaker).await,
        Mode::Restore => care::restore(&given, speaker).await,
        Mode::Uninst => care::uninst(&given, speaker).await,
        Mode::Download | Mode::Usage | Mode::Version => download::download(&given, speaker).await,
    }
}

/// The one thing to do.
fn mode(given: &Given) -> Result<Mode, Message> {
    let actions: Vec<_> = given.actions().collect();
    let modes: Vec<_> = actions.iter().filter_map(|action| action.modes.first().copied()).collect();
    match modes[..] {
        _ if modes.contains(&Mode::Usage) => Ok(Mode::Usage),
        _ if modes.contains(&Mode::Version) => Ok(Mode::Version),
        [mode] => Ok(mode),
        [] => Err(Message::new(Code::WhatToDo, "Nothing to do was named.")
            .hint("One of `-new`, `-update`, `-modify`, `-restore`, `-uninst`, `-u`, `-v`.")),
        _ => {
            let names: Vec<_> = actions.iter().map(|action| format!("`-{}`", action.name)).collect();
            Err(Message::new(
                Code::WhatToDo,
                format!("More than one thing to do was named: {}.", names.join(", ")),
            ))
        }
    }
}

/// Every parameter with what becomes of it.
#[must_use]
pub fn usage(tool: Tool) -> String {
    let dash = if tool == Tool::Downloader { "--" } else { "-" };
    let mut text = format!("Usage: {} [{dash}parameter value]...\n", tool.name());
    let used = |parameter: &&Parameter| parameter.treatment == Treatment::Used;
    for parameter in tool.parameters().iter().filter(used) {
        let name = format!("{dash}{}{}", parameter.name, value(parameter.takes));
        _ = writeln!(text, "  {name:<42} {}", parameter.does);
    }
    let others = tool.parameters().iter().filter(|parameter| !used(parameter));
    let others: Vec<_> = others.map(|parameter| parameter.name).collect();
    _ = writeln!(text, "Accepted without effect, or refused with a reason: {}", others.join(", "));
    text
}

fn value(takes: Takes) -> String {
    match takes {
        Takes::Nothing | Takes::Flag => String::new(),
        Takes::TrueFalse => " true|false".to_owned(),
        Takes::Choice(words) => format!(" {}", words.join("|")),
        Takes::Port => " PORT".to_owned(),
        Takes::Number => " NUMBER".to_owned(),
        Takes::Path => " PATH".to_owned(),
        Takes::Id32 => " ID".to_owned(),
        Takes::Text => " TEXT".to_owned(),
        Takes::Secret => " SECRET".to_owned(),
    }
}

fn print(text: &str) -> Result<Ending, Message> {
    let printed = std::io::stdout().write_all(text.as_bytes());
    printed
        .map(|()| Ending::Done)
        .map_err(|error| Message::new(Code::Stopped, format!("Standard output cannot be written: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_knows_what_it_is_called_as() {
        for (line, want) in [
            ("twsinst -new", Some((Tool::Twsinst, 1))),
            ("/opt/x/twsinst", Some((Tool::Twsinst, 1))),
            ("./AgentCertificateDownloader.sh --jwt", Some((Tool::Downloader, 1))),
            ("gatepass twsinst -new", Some((Tool::Twsinst, 2))),
            ("/usr/bin/gatepass AgentCertificateDownloader", Some((Tool::Downloader, 2))),
            ("TWS/StartUpLwa", Some((Tool::StartUp, 1))),
            ("gatepass StartUpLwa", None),
            ("gatepass run", None),
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(Tool::of(&arguments), want, "{line}");
        }
    }
}
