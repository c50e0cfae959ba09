//! Secrets that came in where others can read them: arguments and environment.
//!
//! Both are open to every user of the host for as long as a process keeps the image they were given to. So the first
//! thing `main` does is to put them into a sealed memory file and to run its own program again without them. What runs
//! from then on reads them from there, once.
//!
//! # Why
//!
//! Overwriting the arguments in place would need `unsafe` and would leave the environment; a file on disk could survive a
//! power cut; a pipe would need a second process. The process keeps its id, so whoever waits for it notices nothing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;
use std::{fmt, process};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

/// A text that nothing prints. Zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// From text; the original is gone.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one who needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// One argument. One like `-apikey=…` becomes two: the name and what was behind `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// As everybody may see it.
    Plain(OsString),
    /// What was hidden.
    Secret(Secret),
}

impl Word {
    /// What is no secret.
    #[must_use]
    pub fn plain(self) -> Option<OsString> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Secret(_) => None,
        }
    }
}

/// Where a secret is among the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which argument.
    pub argument: usize,
    /// From which byte on.
    pub from: usize,
}

/// No memory image of this process for anybody, whatever happens to it: it holds keys. Comes after [`put_on`]: from then
/// on a process cannot write about itself in `/proc`.
pub fn keep_out_of_core_dumps() -> io::Result<()> {
    let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    setrlimit(Resource::Core, limit)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// The arguments, secrets apart. Where there is something to hide that others can still see, this process's image is
/// replaced and the call does not return.
///
/// What the environment held is told by [`variable`] from then on.
pub fn put_on(
    arguments: Vec<OsString>,
    places: impl Fn(&[OsString]) -> Vec<Place>,
    variables: &[&str],
) -> io::Result<Vec<Word>> {
    if let Some(fd) = own_file(std::env::var_os(MARK).as_deref(), process::id()) {
        let hidden = Hidden::read(fd)?;
        let words = words(arguments, &hidden);
        // The kernel took it from the path it was told, which says `exe`.
        File::options().write(true).open("/proc/self/comm")?.write_all(b"gatepass")?;
        HELD.set(hidden.variables).map_err(|_| io::Error::other("the disguise is put on twice"))?;
        return Ok(words);
    }
    let places = places(&arguments);
    let seen = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let variables: Vec<_> = variables.iter().copied().filter(seen).collect();
    if places.is_empty() && variables.is_empty() {
        return Ok(arguments.into_iter().map(Word::Plain).collect());
    }
    Err(replace_image(arguments, &places, &variables))
}

/// What a variable of the environment held before it was removed.
pub fn variable(name: &str) -> Option<&'static Secret> {
    HELD.get()?.iter().find(|(known, _)| known == name).map(|(_, secret)| secret)
}

/// Stands in for the environment, which a process has only one of as well.
static HELD: OnceLock<Vec<(String, Secret)>> = OnceLock::new();

/// `PID:FD`. Tells the second image from a child of it, which inherits the environment but neither.
const MARK: &str = "GATEPASS_SEALED";

/// What stands in an argument instead of the secret.
const STAND_IN: &str = "@sealed";

fn own_file(mark: Option<&OsStr>, own_id: u32) -> Option<RawFd> {
    let (id, fd) = mark?.to_str()?.split_once(':')?;
    (id.parse() == Ok(own_id)).then(|| fd.parse().ok()).flatten()
}

fn replace_image(mut arguments: Vec<OsString>, places: &[Place], variables: &[&str]) -> io::Error {
    let sealed = match seal(&arguments, places, variables) {
        Ok(sealed) => sealed,
        Err(error) => return error,
    };
    for place in places {
        let shown = &arguments[place.argument].as_bytes()[..place.from];
        arguments[place.argument] = OsString::from_vec([shown, STAND_IN.as_bytes()].concat());
    }
    let mut command = Command::new("/proc/self/exe");
    command.env(MARK, format!("{}:{}", process::id(), sealed.as_raw_fd()));
    for name in variables {
        command.env_remove(name);
    }
    let mut arguments = arguments.into_iter();
    command.arg0(arguments.next().unwrap_or_default()).args(arguments).exec()
}

/// Unlike other files it stays open in the next image.
fn seal(arguments: &[OsString], places: &[Place], variables: &[&str]) -> io::Result<File> {
    let mut file = File::from(memfd_create("gatepass", MemfdFlags::ALLOW_SEALING)?);
    for place in places {
        record(
            &mut file,
            &format!("{}", place.argument),
            &arguments[place.argument].as_bytes()[place.from..],
        )?;
    }
    for name in variables {
        record(&mut file, name, std::env::var_os(name).unwrap_or_default().as_bytes())?;
    }
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    Ok(file)
}

/// Neither arguments nor variables can hold a NUL.
fn record(file: &mut File, name: &str, value: &[u8]) -> io::Result<()> {
    file.write_all(name.as_bytes())?;
    file.write_all(b"\0")?;
    file.write_all(value)?;
    file.write_all(b"\0")
}

/// What the first image put aside.
struct Hidden {
    arguments: Vec<(usize, Secret)>,
    variables: Vec<(String, Secret)>,
}

impl Hidden {
    /// Read once: nothing this process starts inherits the file.
    fn read(fd: RawFd) -> io::Result<Self> {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(format!("/proc/self/fd/{fd}"))?.read_to_end(&mut bytes)?;
        nix::unistd::close(fd)?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| not_text())?;
        let mut pieces = text.split('\0');
        let mut hidden = Self { arguments: Vec::new(), variables: Vec::new() };
        while let (Some(name), Some(value)) = (pieces.next(), pieces.next()) {
            let secret = Secret::new(value.to_owned());
            match name.parse() {
                Ok(argument) => hidden.arguments.push((argument, secret)),
                Err(_) => hidden.variables.push((name.to_owned(), secret)),
            }
        }
        Ok(hidden)
    }
}

fn not_text() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a secret among the arguments or in the environment is not UTF-8",
    )
}

fn words(arguments: Vec<OsString>, hidden: &Hidden) -> Vec<Word> {
    let mut words = Vec::with_capacity(arguments.len());
    for (number, argument) in arguments.into_iter().enumerate() {
        let Some((_, secret)) = hidden.arguments.iter().find(|(known, _)| *known == number) else {
            words.push(Word::Plain(argument));
            continue;
        };
        let shown = argument.as_bytes().strip_suffix(STAND_IN.as_bytes()).unwrap_or_default();
        if let Some(name) = shown.strip_suffix(b"=") {
            words.push(Word::Plain(OsString::from_vec(name.to_owned())));
        }
        words.push(Word::Secret(secret.clone()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_aside_comes_back_where_it_was() {
        let plain = |text: &str| Word::Plain(text.into());
        let secret = |text: &str| Word::Secret(Secret::new(text.into()));
        let hidden = Hidden::parse(b"2\0one\0GATEPASS_APIKEY\0two\x003\0three=\0").expect("three records");
        let shown = ["twsinst", "-apikey", "@sealed", "-sslpassword=@sealed", "@sealed"];
        assert_eq!(
            words(shown.map(OsString::from).into(), &hidden),
            [
                plain("twsinst"),
                plain("-apikey"),
                secret("one"),
                plain("-sslpassword"),
                secret("three="),
                plain("@sealed")
            ]
        );
        assert_eq!(hidden.variables, [("GATEPASS_APIKEY".to_owned(), Secret::new("two".into()))]);
        assert_eq!(format!("{:?}", hidden.variables), "[(\"GATEPASS_APIKEY\", Secret)]");
    }

    #[test]
    fn the_mark_is_only_believed_by_the_process_it_names() {
        for (mark, want) in [("7:3", Some(3)), ("8:3", None), ("7", None), ("7:x", None), ("", None)] {
            assert_eq!(own_file(Some(OsStr::new(mark)), 7), want, "{mark}");
        }
        assert_eq!(own_file(None, 7), None);
    }
}
