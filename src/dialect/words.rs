//! From words to parameters: one dash or two, `-jwt=false` as well as `-jwt false`, nothing unknown, nothing twice.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use gatepass_contract::secret::PREFIX;
use gatepass_contract::suggest::nearest;

use super::codes::{Code, Message};
use super::parameters::{Mode, Parameter, Takes, Treatment, When};
use crate::disguise::{Place, Secret, Word};

/// What stands behind a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Secret(Secret),
}

/// The parameters that were given, each once, each with a value of its kind.
#[derive(Debug)]
pub struct Given {
    values: Vec<(&'static Parameter, Value)>,
}

/// Where the secrets are among the arguments, the program's name included.
#[must_use]
pub fn places(arguments: &[OsString], table: &[Parameter]) -> Vec<Place> {
    let is_secret =
        |name: &str| table.iter().any(|p| p.takes == Takes::Secret && p.name.eq_ignore_ascii_case(name));
    let mut places = Vec::new();
    let mut expected = false;
    for (argument, bytes) in arguments.iter().map(|argument| argument.as_bytes()).enumerate() {
        let text = String::from_utf8_lossy(bytes);
        let behind = bytes.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
        let from = match name(&text) {
            Some((name, Some(_))) if is_secret(name) => Some(behind),
            Some((name, _)) if known(table, name).is_some() => None,
            _ if expected => Some(0),
            // A key behind a name that was mistyped is a key all the same.
            _ => [behind, 0].into_iter().find(|from| bytes[*from..].starts_with(PREFIX.as_bytes())),
        };
        places.extend(from.map(|from| Place { argument, from }));
        expected = name(&text).is_some_and(|(name, inline)| inline.is_none() && is_secret(name));
    }
    places
}

/// Name and value of what looks like a parameter.
fn name(text: &str) -> Option<(&str, Option<&str>)> {
    let bare = text.strip_prefix("--").or_else(|| text.strip_prefix('-')).filter(|bare| !bare.is_empty())?;
    Some(bare.split_once('=').map_or((bare, None), |(name, value)| (name, Some(value))))
}

fn known<'a>(table: &'a [Parameter], name: &str) -> Option<&'a Parameter> {
    table.iter().find(|known| known.name == name)
}

impl Given {
    /// Reads the words behind the program's name.
    pub fn parse(words: Vec<Word>, table: &'static [Parameter]) -> Result<Self, Message> {
        let mut given = Self { values: Vec::new() };
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let text = plain(word)?;
            let Some((name, inline)) = name(&text) else { return Err(stray(&text)) };
            let parameter = known(table, name).ok_or_else(|| unknown(name, table))?;
            let inline = inline.map(|value| Value::Text(value.to_owned()));
            let value = match (parameter.takes, inline) {
                (Takes::Nothing, None) => Value::Text(String::new()),
                (Takes::Nothing, Some(_)) => return Err(bad(parameter, "nothing stands behind it")),
                (_, Some(value)) => value,
                (Takes::Flag, None) => match words.next_if(is_true_or_false) {
                    Some(word) => Value::Text(plain(word)?),
                    None => Value::Text("true".to_owned()),
                },
                (_, None) => value_of(words.next_if(|word| !is_name(word, table)), parameter)?,
            };
            given.add(parameter, value)?;
        }
        Ok(given)
    }

    fn add(&mut self, parameter: &'static Parameter, value: Value) -> Result<(), Message> {
        if self.has(parameter.name) {
            return Err(Message::new(Code::Twice, format!("`-{}` is given twice.", parameter.name)));
        }
        let value = match (parameter.takes, value) {
            (Takes::Secret, Value::Text(text)) => Value::Secret(Secret::new(text)),
            (Takes::Secret, secret @ Value::Secret(_)) => secret,
            (_, Value::Secret(_)) => return Err(bad(parameter, "an API key is no value for it")),
            (_, text @ Value::Text(_)) => text,
        };
        check(parameter, &value)?;
        self.values.push((parameter, value));
        Ok(())
    }

    /// Takes what is not there yet from another place: the command line wins. A credential on the command line stands
    /// for all of those in the file.
    pub fn complete(&mut self, other: Self) {
        let credentials = ["apikey", "wauser", "wapassword"];
        let own = credentials.iter().any(|name| self.has(name));
        for (parameter, value) in other.values {
            let is_settled = self.has(parameter.name) || (own && credentials.contains(&parameter.name));
            if !is_settled {
                self.values.push((parameter, value));
            }
        }
    }

    /// Whether it was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(parameter, _)| parameter.name == name)
    }

    /// What was given.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(parameter, _)| parameter.name == name).and_then(|(_, value)| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Secret(_) => None,
        })
    }

    /// What was given, where nobody is to see it.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.values.iter().find(|(parameter, _)| parameter.name == name).and_then(|(_, value)| match value {
            Value::Secret(secret) => Some(secret),
            Value::Text(_) => None,
        })
    }

    /// `true` or `false`, where it was given.
    #[must_use]
    pub fn truth(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text == "true")
    }

    /// A port or another number, where it was given.
    #[must_use]
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// What is to be done: those that say so, in the table's order.
    pub fn actions(&self) -> impl Iterator<Item = &'static Parameter> {
        self.values
            .iter()
            .map(|(parameter, _)| *parameter)
            .filter(|parameter| parameter.takes == Takes::Nothing)
    }

    fn holds(&self, when: When) -> bool {
        match when {
            When::Given(name) => self.has(name),
            When::NotGiven(name) => !self.has(name),
            When::Is(name, value) => self.text(name) == Some(value),
            When::IsNot(name, value) => self.text(name) != Some(value),
        }
    }

    /// A line for each parameter that changes nothing; an error for one that cannot be left aside.
    pub fn judge(&self, mode: Mode) -> Result<Vec<Message>, Message> {
        let mut notices = Vec::new();
        for (parameter, _) in &self.values {
            let Parameter { name, idle, .. } = parameter;
            let treatment = match (parameter.treatment_in(mode), idle) {
                (Treatment::Used, Some((when, why))) if self.holds(*when) => Treatment::Noticed(why),
                (treatment, _) => treatment,
            };
            match treatment {
                Treatment::Used => {}
                Treatment::Noticed(why) => {
                    notices.push(Message::new(Code::Ignored, format!("`-{name}` is left aside: {why}.")));
                }
                Treatment::Refused(why) => {
                    let code = if *name == "allObjAuth" { Code::OnlyOnI } else { Code::Refused };
                    return Err(Message::new(code, format!("`-{name}` is refused: {why}.")));
                }
            }
        }
        Ok(notices)
    }
}

/// The lines of a properties file as words: `name=value`, `#` begins a comment.
#[must_use]
pub fn properties(text: &str) -> Vec<Word> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            Word::Plain(format!("-{}={}", name.trim().trim_start_matches('-'), value.trim()).into())
        })
        .collect()
}

fn plain(word: Word) -> Result<String, Message> {
    match word {
        Word::Plain(text) => text
            .into_string()
            .map_err(|_| Message::new(Code::BadValue, "A parameter is not written in UTF-8.")),
        Word::Secret(_) => {
            Err(Message::new(Code::Unknown, "An API key stands where the name of a parameter should be.")
                .hint("It belongs behind `-apikey`."))
        }
    }
}

fn is_name(word: &Word, table: &[Parameter]) -> bool {
    match word {
        Word::Plain(text) => {
            text.to_str().and_then(name).is_some_and(|(name, _)| known(table, name).is_some())
        }
        Word::Secret(_) => false,
    }
}

fn is_true_or_false(word: &Word) -> bool {
    matches!(word, Word::Plain(text) if text == "true" || text == "false")
}

fn value_of(word: Option<Word>, parameter: &Parameter) -> Result<Value, Message> {
    match word {
        None => Err(no_value(parameter)),
        Some(Word::Secret(secret)) => Ok(Value::Secret(secret)),
        Some(word) => plain(word).map(Value::Text),
    }
}

fn check(parameter: &Parameter, value: &Value) -> Result<(), Message> {
    let text = match value {
        Value::Text(text) => text.as_str(),
        Value::Secret(secret) => secret.reveal(),
    };
    if text.is_empty() && parameter.takes != Takes::Nothing {
        return Err(no_value(parameter));
    }
    let wrong = match parameter.takes {
        Takes::Secret if text.to_ascii_lowercase().starts_with("{aes}") => {
            return Err(Message::new(
                Code::Encrypted,
                format!(
                    "The value of `-{}` is encrypted by the product's own `secure` tool.",
                    parameter.name
                ),
            )
            .hint("Give the value itself: it leaves the process's arguments before anything else is done."));
        }
        Takes::Nothing | Takes::Path | Takes::Text | Takes::Secret => None,
        Takes::Flag | Takes::TrueFalse => {
            (!["true", "false"].contains(&text)).then(|| "true or false".to_owned())
        }
        Takes::Choice(words) => (!words.contains(&text)).then(|| words.join(", ")),
        Takes::Port => text.parse::<u16>().is_err().then(|| "a port from 0 to 65535".to_owned()),
        Takes::Number => text.parse::<i64>().is_err().then(|| "a whole number".to_owned()),
        Takes::Id32 => (text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .then(|| "exactly 32 letters and digits".to_owned()),
    };
    wrong.map_or(Ok(()), |want| {
        Err(bad(parameter, &format!("`{}` is none of what it takes: {want}", shown(text))))
    })
}

fn bad(parameter: &Parameter, why: &str) -> Message {
    Message::new(Code::BadValue, format!("`-{}` cannot be so: {why}.", parameter.name))
}

fn no_value(parameter: &Parameter) -> Message {
    Message::new(Code::NoValue, format!("`-{}` needs a value behind it.", parameter.name))
        .hint("A variable of the script that is empty looks like this too.")
}

fn unknown(name: &str, table: &'static [Parameter]) -> Message {
    let message = Message::new(Code::Unknown, format!("There is no parameter `-{}`.", shown(name)));
    match nearest(name, table.iter().map(|known| known.name)) {
        Some(near) => message.hint(format!("Is `-{near}` meant?")),
        None => message.hint("`-u` lists all there are."),
    }
}

fn stray(text: &str) -> Message {
    Message::new(Code::Unknown, format!("`{}` belongs to no parameter.", shown(text)))
        .hint("A value with blanks in it needs quotes around it.")
}

/// Without what could garble a terminal or a log, and in part.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parameters::{DOWNLOADER, TWSINST};
    use super::*;

    fn words(line: &str) -> Vec<Word> {
        line.split(' ').map(|word| Word::Plain(word.into())).collect()
    }

    fn parsed(line: &str) -> Result<Given, Message> {
        Given::parse(words(line), TWSINST)
    }

    #[test]
    fn both_ways_to_write_a_parameter_are_one() {
        for line in
            ["-new -jwt false", "--new --jwt=false", "-new -jwt=false -skipcheckprereq", "-jwt false -new"]
        {
            let given = parsed(line).expect(line);
            assert_eq!((given.has("new"), given.truth("jwt")), (true, Some(false)), "{line}");
        }
        let flag = |line| parsed(line).expect(line).truth("create_link");
        assert_eq!(flag("-create_link -new"), Some(true));
        assert_eq!(flag("-create_link false"), Some(false));
        assert_eq!(parsed("-wait -1").expect("a number").number::<i64>("wait"), Some(-1));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_code() {
        for (line, want) in [
            ("-apikye x", Code::Unknown),
            ("-New", Code::Unknown),
            ("new", Code::Unknown),
            ("-uname", Code::NoValue),
            ("-uname -new", Code::NoValue),
            ("-uname=", Code::NoValue),
            ("-jwt maybe", Code::BadValue),
            ("-jmport 65536", Code::BadValue),
            ("-agentid 0123", Code::BadValue),
            ("-new=1", Code::BadValue),
            ("-new -new", Code::Twice),
            ("-wapassword {aes}abc", Code::Encrypted),
        ] {
            assert_eq!(parsed(line).expect_err(line).code, want, "{line}");
        }
        let near = parsed("-apikye x").expect_err("unknown").to_string();
        assert!(near.contains("`-apikey`"), "{near}");
        assert!(parsed("-New").expect_err("unknown").to_string().contains("`-new`"));
    }

    #[test]
    fn every_secret_is_found_however_it_is_written() {
        let at = |argument, from| Place { argument, from };
        for (line, want) in [
            ("-new -apikey gpk_x -jwt false", vec![at(2, 0)]),
            ("--apikey=gpk_x", vec![at(0, 9)]),
            ("-APIKEY secret", vec![at(1, 0)]),
            ("-apikye gpk_x", vec![at(1, 0)]),
            ("-apikye=gpk_x", vec![at(0, 8)]),
            ("gpk_x", vec![at(0, 0)]),
            ("-wauser u -wapassword -p -sslpassword=a=b", vec![at(3, 0), at(4, 13)]),
            ("-apikey -jwt false", vec![]),
            ("-displayname my_gpk_x", vec![]),
            ("-encryptionpassword p -password q", vec![at(1, 0), at(3, 0)]),
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(places(&arguments, TWSINST), want, "{line}");
        }
    }

    #[test]
    fn a_secret_is_never_quoted() {
        let secret = || Word::Secret(Secret::new("hunter2".to_owned()));
        let plain = |text: &str| Word::Plain(text.into());
        for words in [
            vec![plain("-apikye"), secret()],
            vec![plain("-uname"), secret()],
            vec![secret()],
            vec![plain("-apikey"), secret(), plain("-apikey"), secret()],
        ] {
            let error = Given::parse(words, TWSINST).expect_err("refused");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        let given = Given::parse(vec![plain("-apikey"), secret()], TWSINST).expect("a key");
        assert!(!format!("{given:?}").contains("hunter2"));
        assert_eq!(given.secret("apikey").map(Secret::reveal), Some("hunter2"));
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file = properties("# comment\n\n apikey = gpk_file\ntdwbport=1\n--work_dir=/w\n");
        let file = || Given::parse(file.clone(), DOWNLOADER).expect("a file");
        let mut given = Given::parse(words("-tdwbport 2"), DOWNLOADER).expect("words");
        given.complete(file());
        assert_eq!((given.text("tdwbport"), given.text("work_dir")), (Some("2"), Some("/w")));
        assert_eq!(given.secret("apikey").map(Secret::reveal), Some("gpk_file"));
        let mut given = Given::parse(words("-wauser u"), DOWNLOADER).expect("words");
        given.complete(file());
        assert!(!given.has("apikey"));
    }

    #[test]
    fn what_is_left_aside_is_said_and_what_misleads_is_refused() {
        let judged = |line: &str, mode| parsed(line).expect(line).judge(mode);
        assert_eq!(judged("-company C -lang de", Mode::New).expect("notices").len(), 2);
        assert_eq!(judged("-apikey k -uname u", Mode::Update).expect("a notice").len(), 1);
        assert_eq!(judged("-displayname d", Mode::Update).expect_err("misleading").code, Code::Refused);
        assert_eq!(judged("-allObjAuth", Mode::New).expect_err("IBM i").code, Code::OnlyOnI);
        assert!(judged("-displayname d", Mode::New).expect("used").is_empty());
    }
}
