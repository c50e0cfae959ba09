//! stdout is the answer, stderr is talk.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::error::CtlError;

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Table,
    /// As the master says it.
    Json,
    /// The same in YAML.
    Yaml,
}

impl Form {
    /// The answer for machines; `None` where people read it.
    #[must_use]
    pub fn machine(self, answer: &impl Serialize) -> Option<String> {
        match self {
            Self::Table => None,
            Self::Json => Some(json(answer)),
            Self::Yaml => Some(yaml(answer)),
        }
    }
}

/// As the wire says it, indented.
#[must_use]
pub fn json(answer: &impl Serialize) -> String {
    serde_json::to_string_pretty(answer).expect("wire types always serialize")
}

/// The same in YAML, without the last line's end.
#[must_use]
pub fn yaml(answer: &impl Serialize) -> String {
    let mut text = serde_saphyr::to_string(answer).expect("wire types always serialize");
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// Prints the answer and the line's end, at once.
pub fn print(answer: &str) -> Result<(), CtlError> {
    write(answer).map_err(CtlError::Output)
}

/// As [`print()`], for who has to know why it failed.
pub fn write(answer: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(answer.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Says something that is not the answer. Talk that nobody can hear is not worth failing for.
pub fn talk(words: impl Display) {
    let _unheard = writeln!(io::stderr(), "{words}");
}

/// Says what went wrong, why, and what to try.
pub fn explain(error: &CtlError) {
    talk(format_args!("gatepassctl: error: {}", printable(&with_causes(error))));
    if let Some(hint) = error.hint() {
        talk(format_args!("gatepassctl: hint: {}", printable(&hint)));
    }
}

/// The TLS library's reason stands for all between: `client error (Connect)` tells nobody anything.
fn with_causes(error: &CtlError) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    let dull = |text: &String| text.starts_with("error sending request") || text.starts_with("client error");
    causes.retain(|text| !dull(text));
    causes.dedup();
    causes.join(": ")
}

/// Without what could garble or steer a terminal: some of it was said by hosts that nobody vouches for.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Control characters, and those that reorder what stands around them (Unicode Technical Report 36, section 2.4).
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(printable("Köln 3"), "Köln 3");
    }

    #[test]
    fn yaml_keeps_texts_that_look_like_something_else() {
        let answer =
            serde_json::json!({ "items": [{ "name": "no", "version": 7, "at": null, "to": "\u{1b}[2J" }] });
        assert_eq!(
            Form::Yaml.machine(&answer).as_deref(),
            Some("items:\n- at: null\n  name: \"no\"\n  to: \"\\e[2J\"\n  version: 7")
        );
        assert_eq!(Form::Table.machine(&answer), None);
    }
}
