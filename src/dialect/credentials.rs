//! Which credentials go together: Table 29 of the product's manual, as one pure function.

use super::codes::{Code, Message};
use super::words::Given;
use crate::disguise::Secret;

/// What a host shows to become an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// An API key.
    Key(Secret),
    /// A user of the master.
    User {
        /// The user.
        name: String,
        /// Its password.
        password: Secret,
    },
    /// Certificates that somebody else made.
    Folder {
        /// Where they are.
        folder: String,
        /// The password of their key.
        password: Secret,
    },
}

/// Reads the credentials. `from_environment` is a key that came in by a safer way than the command line; it counts
/// where the command line has none of its own.
pub fn credentials(given: &Given, from_environment: Option<&Secret>) -> Result<Credentials, Message> {
    let any = |names: [&str; 2]| names.iter().any(|name| given.has(name));
    let (folder, user) = (any(["sslkeysfolder", "sslpassword"]), any(["wauser", "wapassword"]));
    let key = given.secret("apikey").or_else(|| from_environment.filter(|_| !folder && !user));
    exclusive(key.is_some(), user, folder, given.truth("jwt"))?;
    match key {
        Some(key) => Ok(Credentials::Key(key.clone())),
        None if user => {
            let (name, password) = pair(given, "wauser", "wapassword")?;
            Ok(Credentials::User { name, password })
        }
        None => {
            let (folder, password) = pair(given, "sslkeysfolder", "sslpassword")?;
            Ok(Credentials::Folder { folder, password })
        }
    }
}

fn exclusive(key: bool, user: bool, folder: bool, jwt: Option<bool>) -> Result<(), Message> {
    let (code, text) = match (key, user, folder) {
        (_, true, true) => (
            Code::FolderWithUser,
            "`-sslkeysfolder` and `-sslpassword` do not go with `-wauser` and `-wapassword`.",
        ),
        (true, true, _) => (Code::KeyWithUser, "`-apikey` does not go with `-wauser` and `-wapassword`."),
        (true, _, true) => {
            (Code::KeyWithFolder, "`-apikey` does not go with `-sslkeysfolder` and `-sslpassword`.")
        }
        (_, _, true) if jwt == Some(true) => (
            Code::FolderWithJwt,
            "`-sslkeysfolder` and `-sslpassword` do not go with `-jwt true`: a JWT comes from the master.",
        ),
        (false, false, false) => (Code::NoCredential, "No credential was given."),
        _ => return Ok(()),
    };
    Err(Message::new(code, text).hint(
        "One of these: `-apikey`; `-wauser` with `-wapassword`; `-jwt false` with `-sslkeysfolder` and `-sslpassword`.",
    ))
}

fn pair(given: &Given, name: &str, secret: &str) -> Result<(String, Secret), Message> {
    match (given.text(name), given.secret(secret)) {
        (Some(text), Some(secret)) => Ok((text.to_owned(), secret.clone())),
        (None, _) => Err(missing(name, secret)),
        (_, None) => Err(missing(secret, name)),
    }
}

/// `name` is wanted because of `because`.
#[must_use]
pub fn missing(name: &str, because: &str) -> Message {
    Message::new(Code::Missing, format!("`-{because}` needs `-{name}`."))
}

#[cfg(test)]
mod tests {
    use super::super::parameters::TWSINST;
    use super::*;
    use crate::disguise::Word;

    #[test]
    fn the_matrix_of_the_manual() {
        for (line, want) in [
            ("", Err("AWSFAB502E")),
            ("-jwt true", Err("AWSFAB502E")),
            ("-jwt false", Err("AWSFAB502E")),
            ("-apikey k", Ok("key")),
            ("-apikey k -jwt false", Ok("key")),
            ("-apikey k -wauser u", Err("AWSFAB509E")),
            ("-apikey k -wapassword p", Err("AWSFAB509E")),
            ("-apikey k -sslkeysfolder f", Err("AWSFAB510E")),
            ("-apikey k -sslpassword p", Err("AWSFAB510E")),
            ("-wauser u -wapassword p", Ok("user")),
            ("-wauser u -wapassword p -jwt false", Ok("user")),
            ("-wauser u", Err("AWSFAB905E")),
            ("-wapassword p", Err("AWSFAB905E")),
            ("-wauser u -wapassword p -sslkeysfolder f", Err("AWSFAB486E")),
            ("-wauser u -sslpassword p", Err("AWSFAB486E")),
            ("-sslkeysfolder f -sslpassword p", Ok("folder")),
            ("-sslkeysfolder f -sslpassword p -jwt false", Ok("folder")),
            ("-sslkeysfolder f -sslpassword p -jwt true", Err("AWSFAB498E")),
            ("-sslkeysfolder f", Err("AWSFAB905E")),
            ("-sslpassword p", Err("AWSFAB905E")),
            ("-apikey k -wauser u -wapassword p -sslkeysfolder f -sslpassword p", Err("AWSFAB486E")),
        ] {
            let words = line.split_whitespace().map(|word| Word::Plain(word.into())).collect();
            let given = Given::parse(words, TWSINST).expect(line);
            let got = credentials(&given, None);
            let got = got.as_ref().map(kind).map_err(|message| message.code.as_str());
            assert_eq!(got, want, "{line}");
        }
    }

    fn kind(credentials: &Credentials) -> &'static str {
        match credentials {
            Credentials::Key(_) => "key",
            Credentials::User { .. } => "user",
            Credentials::Folder { .. } => "folder",
        }
    }

    #[test]
    fn a_key_of_the_environment_counts_where_the_command_line_has_none() {
        let key = Secret::new("k".to_owned());
        let given = |line: &str| {
            let words = line.split_whitespace().map(|word| Word::Plain(word.into())).collect();
            Given::parse(words, TWSINST).expect("parameters")
        };
        let from = |line| credentials(&given(line), Some(&key)).map(|credentials| kind(&credentials));
        assert_eq!(from(""), Ok("key"));
        assert_eq!(from("-wauser u -wapassword p"), Ok("user"));
        assert_eq!(from("-sslkeysfolder f -sslpassword p"), Ok("folder"));
    }
}
