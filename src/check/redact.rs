//! Takes everything secret out of a text before it leaves this host.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// What must not be in a text: what is known to be secret, and whatever looks as if it were.
#[derive(Default)]
pub struct Redaction(Vec<Zeroizing<String>>);

/// In place of what was taken out.
const GONE: &str = "[removed]";
/// Shorter words would take half of every text with them.
const SHORTEST: usize = 4;

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction")
    }
}

impl Redaction {
    /// Takes that out too, wherever it stands; of several lines each one.
    pub fn know(&mut self, secret: &str) {
        let lines =
            secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST && !line.starts_with("-----"));
        self.0.extend(lines.map(|line| Zeroizing::new(line.to_owned())));
    }

    /// The text without any of it.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret.as_str(), GONE);
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut in_key = false;
        for line in text.lines() {
            let begins = line.contains("-----BEGIN") && line.contains("PRIVATE KEY");
            let ends = in_key && line.contains("-----END");
            if begins {
                let _ = writeln!(cleaned, "{GONE}");
            }
            in_key = (in_key || begins) && !ends;
            if !in_key && !ends {
                let _ = writeln!(cleaned, "{}", words(line));
            }
        }
        cleaned
    }
}

/// Word by word; what stands between them stays.
fn words(line: &str) -> String {
    let mut cleaned = String::with_capacity(line.len());
    let mut after_bearer = false;
    for piece in line.split_inclusive(|c: char| c.is_whitespace() || "\"',;()[]{}<>".contains(c)) {
        let word = piece.trim_end_matches(|c: char| c.is_whitespace() || "\"',;()[]{}<>".contains(c));
        let behind = &piece[word.len()..];
        let is_secret = after_bearer && !word.is_empty() || looks_secret(word);
        match word.split_once('=').filter(|(name, value)| names_secret(name) && !value.is_empty()) {
            Some((name, _)) => cleaned.extend([name, "=", GONE]),
            None if is_secret => cleaned.push_str(GONE),
            None => cleaned.push_str(&without_user(word)),
        }
        cleaned.push_str(behind);
        after_bearer = if word.is_empty() { after_bearer } else { announces(word) };
    }
    cleaned
}

/// API keys, JWTs, and long runs of base64 as no name, path or digest has them.
fn looks_secret(word: &str) -> bool {
    let word = word.rsplit(['=', ':']).next().unwrap_or_default();
    let is_jwt = word.starts_with("eyJ") && word.matches('.').count() >= 2;
    word.starts_with("gpk_") || is_jwt
}

fn announces(word: &str) -> bool {
    ["bearer", "basic"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
        || word.strip_suffix(':').is_some_and(names_secret)
}

fn names_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    ["password", "passwd", "apikey", "api_key", "secret", "token", "passphrase"]
        .iter()
        .any(|word| name.ends_with(word))
}

/// `http://user:password@host` without the password.
fn without_user(word: &str) -> String {
    let parts = word.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    parts.map_or_else(|| word.to_owned(), |(scheme, (_, host))| format!("{scheme}://{GONE}@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_goes_and_everything_else_stays() {
        let mut redaction = Redaction::default();
        redaction.know("proxyuser:hunter2\n");
        for (text, want) in [
            ("nothing to hide in /etc/gatepass, 0600", "nothing to hide in /etc/gatepass, 0600"),
            ("with gpk_abc123.", "with [removed]"),
            ("apikey=gpk_abc", "apikey=[removed]"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer [removed]"),
            ("a eyJh.eyJi.sig b", "a [removed] b"),
            ("said proxyuser:hunter2 twice", "said [removed] twice"),
            ("via http://u:p@proxy:3128/", "via http://[removed]@proxy:3128/"),
            ("--wapassword=x -wapassword= y", "--wapassword=[removed] -wapassword= y"),
            ("\"password\": \"x\"", "\"password\": \"x\""),
        ] {
            assert_eq!(redaction.clean(text).trim_end_matches('\n'), want, "{text}");
        }
    }

    #[test]
    fn a_private_key_goes_as_a_whole() {
        let text = "before\n-----BEGIN PRIVATE KEY-----\nMIIsecret\n-----END PRIVATE KEY-----\nafter";
        assert_eq!(Redaction::default().clean(text), "before\n[removed]\nafter\n");
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIpublic\n-----END CERTIFICATE-----\n";
        assert_eq!(Redaction::default().clean(certificate), certificate);
        let cut = "-----BEGIN EC PRIVATE KEY-----\nMIIsecret";
        assert_eq!(Redaction::default().clean(cut), "[removed]\n", "also one that never ends");
    }
}
