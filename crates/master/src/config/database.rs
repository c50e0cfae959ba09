//! `[database]`: where everything is kept that the master must not forget.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::init::file;
use crate::store::{Database, PostgresUrl};

/// `[database]`: a server that masters share; without one, a file beside this configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Where the server is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<PostgresUrl>,
    /// A file with the password, seen from the master's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// The password cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the database's password cannot be read from {}", path.display())]
pub struct NoPassword {
    path: PathBuf,
    source: io::Error,
}

impl DatabaseConfig {
    /// For the master in `dir`.
    pub fn of(&self, dir: &Path) -> Result<Database, NoPassword> {
        match &self.url {
            None => Ok(Database::File(dir.join(file::DATABASE))),
            Some(url) if url.password().is_some() => Ok(Database::Server(url.clone())),
            Some(url) => {
                let password = self.password(dir)?;
                Ok(Database::Server(password.iter().fold(url.clone(), |url, word| url.with_password(word))))
            }
        }
    }

    /// From the file that is named here, the systemd credential, or the environment, as `PostgreSQL`'s own tools take it.
    fn password(&self, dir: &Path) -> Result<Option<String>, NoPassword> {
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|at| PathBuf::from(at).join(file::DATABASE_PASSWORD))
            .filter(|path| path.exists());
        match self.password_file.as_ref().map(|path| dir.join(path)).or(credential) {
            Some(path) => match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(source) => Err(NoPassword { path, source }),
            },
            None => Ok(std::env::var("PGPASSWORD").ok()),
        }
    }
}

/// A message about the file's text without the passwords of the URLs it quotes.
pub(super) fn redacted(message: &str) -> String {
    let mut shown = String::new();
    let mut rest = message;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let secret = after[..end].rfind('@').and_then(|host| Some((after[..host].find(':')?, host)));
        rest = match secret {
            Some((colon, host)) => {
                shown.push_str(&after[..=colon]);
                shown.push_str("***");
                &after[host..]
            }
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_message_quotes_no_password() {
        let said =
            "2 | url = \"postgresql://me:se:c@ret@db/x?sslmode=no\"\n  | ^^^ see https://example.com:8/@";
        let want = "2 | url = \"postgresql://me:***@db/x?sslmode=no\"\n  | ^^^ see https://example.com:***@";
        assert_eq!(redacted(said), want);
        assert_eq!(redacted("nothing to hide: a@b://c"), "nothing to hide: a@b://c");
    }

    #[test]
    fn the_password_comes_from_the_url_or_from_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = std::fs::File::create(dir.path().join("word"));
        file.and_then(|mut file| file.write_all(b"from file\n")).expect("written");
        let of = |url: &str, file: &str| {
            let url = Some(url.parse().expect("a URL"));
            DatabaseConfig { url, password_file: Some(file.into()) }.of(dir.path())
        };
        let password = |database| match database {
            Ok(Database::Server(url)) => url.password().map(<[u8]>::to_vec),
            other => panic!("{other:?}"),
        };
        assert_eq!(password(of("postgresql://me@db/x", "word")), Some(b"from file".to_vec()));
        assert_eq!(password(of("postgresql://me:inside@db/x", "word")), Some(b"inside".to_vec()));
        let error = of("postgresql://me@db/x", "missing").expect_err("no such file");
        assert!(error.to_string().contains("missing"), "{error}");
        let none = DatabaseConfig::default().of(dir.path()).expect("needs no password");
        assert_eq!(none, Database::File(dir.path().join(file::DATABASE)));
    }
}
