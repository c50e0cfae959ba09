//! stdout is the answer, stderr is talk.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Prints a line of the answer, at once.
pub(crate) fn answer(line: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Says something that is not the answer. Talk that nobody can hear is not worth failing for.
pub(crate) fn talk(words: impl Display) {
    let _unheard = writeln!(io::stderr(), "{words}");
}
