//! stdout is the answer, stderr is talk.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::error::CtlError;

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Human,
    /// JSON, as on the wire.
    Json,
}

/// As the wire says it, indented.
#[must_use]
pub fn json(answer: &impl Serialize) -> String {
    serde_json::to_string_pretty(answer).expect("wire types always serialize")
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
}
