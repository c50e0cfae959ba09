//! Asking a person: before what cannot be undone, and for what only they know.

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::Path;

use gatepass_contract::secret::Password;
use zeroize::Zeroizing;

use crate::access::secret_text;
use crate::error::CtlError;

/// Only an outright yes counts.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Whether there is somebody to ask.
#[must_use]
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal()
}

/// Returns when a person has said yes to `deed` (`revoke key ci (ABC)`); where there is no terminal, nobody can.
pub fn confirm(deed: &str) -> Result<(), CtlError> {
    if !somebody_is_there() {
        return Err(CtlError::NotConfirmed(deed.to_owned()));
    }
    ask(deed, &mut io::stdin().lock(), &mut io::stderr())
}

fn ask(deed: &str, person: &mut impl BufRead, screen: &mut impl Write) -> Result<(), CtlError> {
    let mut answer = String::new();
    write!(screen, "{}? this cannot be undone [y/N] ", crate::output::printable(deed))
        .map_err(CtlError::Output)?;
    screen.flush().map_err(CtlError::Output)?;
    person.read_line(&mut answer).map_err(CtlError::Output)?;
    if is_yes(&answer) { Ok(()) } else { Err(CtlError::Declined(deed.to_owned())) }
}

/// What a person types without seeing it.
pub fn hidden(what: &str) -> Result<Zeroizing<String>, CtlError> {
    rpassword::prompt_password(format!("{what}: ")).map(Zeroizing::new).map_err(CtlError::NoTerminal)
}

/// A password that exists: the first line of a file, or typed.
pub fn password(file: Option<&Path>, what: &'static str) -> Result<Password, CtlError> {
    match file {
        Some(file) => first_line(file, what),
        None if somebody_is_there() => hidden(what).map(Password::new),
        None => Err(CtlError::NoPassword(what)),
    }
}

/// A new password: the first line of a file, or typed twice.
pub fn new_password(file: Option<&Path>) -> Result<Password, CtlError> {
    let first = password(file, "new password")?;
    if file.is_none() && *hidden("the same again")? != first.expose() {
        return Err(CtlError::PasswordsDiffer);
    }
    Ok(first)
}

fn first_line(file: &Path, what: &'static str) -> Result<Password, CtlError> {
    let (text, _origin) = secret_text(file)?;
    let line = text.lines().next().filter(|line| !line.is_empty()).ok_or(CtlError::NoPassword(what))?;
    Ok(Password::new(Zeroizing::new(line.to_owned())))
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

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("password");
        let write =
            |text: &str| std::fs::File::create(&file).and_then(|mut to| to.write_all(text.as_bytes()));
        write(" two words \r\nmore\n").expect("written");
        assert_eq!(password(Some(&file), "password").expect("there").expose(), " two words ");
        write("\n").expect("written");
        assert!(matches!(password(Some(&file), "password"), Err(CtlError::NoPassword(_))));
    }
}
