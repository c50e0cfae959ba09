//! Asking before what cannot be undone.

use std::io::{self, BufRead, IsTerminal as _, Write};

use crate::error::CtlError;

/// Only an outright yes counts.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Returns when a person has said yes to `deed` (`revoke key ci (ABC)`); where there is no terminal, nobody can.
pub fn confirm(deed: &str) -> Result<(), CtlError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(CtlError::NotConfirmed(deed.to_owned()));
    }
    ask(deed, &mut stdin.lock(), &mut io::stderr())
}

fn ask(deed: &str, person: &mut impl BufRead, screen: &mut impl Write) -> Result<(), CtlError> {
    let mut answer = String::new();
    write!(screen, "{deed}? this cannot be undone [y/N] ").map_err(CtlError::Output)?;
    screen.flush().map_err(CtlError::Output)?;
    person.read_line(&mut answer).map_err(CtlError::Output)?;
    if is_yes(&answer) { Ok(()) } else { Err(CtlError::Declined(deed.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_outright_yes_counts() {
        for (answer, want) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("n\n", false), ("yep\n", false)]
        {
            let mut screen = Vec::new();
            let outcome = ask("revoke key \"ci\"", &mut answer.as_bytes(), &mut screen);
            assert_eq!(outcome.is_ok(), want, "{answer:?}");
            assert_eq!(
                String::from_utf8(screen).expect("text"),
                "revoke key \"ci\"? this cannot be undone [y/N] "
            );
        }
    }
}
