//! What `twsinst` and `AgentCertificateDownloader` say, and how they end.
//!
//! Codes below AWSFAB900 are those of the products Gatepass stands in for, with their meaning and in our own words; from
//! 900 on they are Gatepass's own.

use std::fmt;

/// How a command of the dialects ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ending {
    /// Done.
    Done = 0,
    /// Everything that has no code of its own.
    Failed = 1,
    /// The user does not exist or has no home directory.
    User = 2,
    /// A password is wrong. Only Windows verifies one.
    Password = 3,
    /// The installation directory exists and is not empty.
    NotEmpty = 4,
    /// The prerequisites are not met.
    Prerequisites = 5,
    /// The registry of instances is corrupt.
    Registry = 6,
    /// An update or a restore cannot read the configuration.
    Configuration = 7,
    /// Jobs are still running: hooks of this instance.
    Jobs = 8,
    /// Files are locked: another run works on the instance.
    Locked = 9,
    /// Command lines are open: somebody runs the instance's program.
    CommandLines = 10,
}

impl Ending {
    /// Every one with what it means here, for the documentation.
    pub const ALL: [(Self, &str); 11] = [
        (Self::Done, "success"),
        (Self::Failed, "anything that has no code of its own"),
        (Self::User, "the user does not exist or has no home directory"),
        (Self::Password, "not used on Linux"),
        (Self::NotEmpty, "the installation directory is not empty, or holds another instance"),
        (Self::Prerequisites, "the prerequisites are not met"),
        (Self::Registry, "the registry of instances is corrupt; `-recovInstReg true` makes it anew"),
        (
            Self::Configuration,
            "an update or a restore cannot read configuration or state; nothing was changed",
        ),
        (Self::Jobs, "a hook of the instance was still running when the wait was over"),
        (Self::Locked, "another run works on the instance, or its files cannot be replaced"),
        (Self::CommandLines, "somebody still ran the instance's program when the wait was over"),
    ];
}

macro_rules! codes {
    ($($name:ident $code:literal $ending:ident $meaning:literal,)+) => {
        /// The code of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $name,)+
        }

        impl Code {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As it is printed.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it says whenever it is said.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// How the command ends that says it last.
            #[must_use]
            pub const fn ending(self) -> Ending {
                match self { $(Self::$name => Ending::$ending,)+ }
            }
        }
    };
}

codes! {
    Licence "AWSFAB009E" Failed "the licence was not accepted",
    PreviousInstance "AWSFAB022E" NotEmpty "the installation directory is taken",
    Installed "AWSFAB033I" Done "the installation is complete",
    RunAgain "AWSFAB057I" Done "the same command can be run again: it goes on where it stopped",
    SameAsMaster "AWSFAB098E" Failed "the workstation is called like its master",
    PasswordWrong "AWSFAB134E" Password "the password is not the user's; only Windows verifies one",
    SameAsDisplay "AWSFAB164E" Failed "both agents of one host have one name",
    OnlyOnI "AWSFAB288E" Failed "the parameter belongs to IBM i",
    RootRefused "AWSFAB404E" Failed "an agent does not run as root",
    FolderWithUser "AWSFAB486E" Failed "local certificates and a user are two credentials",
    FolderWithJwt "AWSFAB498E" Failed "a JWT cannot be had from local certificates",
    NoCredential "AWSFAB502E" Failed "no credential was given",
    KeyWithUser "AWSFAB509E" Failed "an API key and a user are two credentials",
    KeyWithFolder "AWSFAB510E" Failed "an API key and local certificates are two credentials",
    Unknown "AWSFAB901E" Failed "the parameter is not known",
    NoValue "AWSFAB902E" Failed "the parameter has no value",
    BadValue "AWSFAB903E" Failed "the value cannot be",
    Twice "AWSFAB904E" Failed "the parameter is given twice",
    Missing "AWSFAB905E" Failed "a parameter is missing",
    Refused "AWSFAB906E" Failed "the parameter asks for something that cannot be had here",
    Ignored "AWSFAB907I" Done "the parameter is accepted and changes nothing here",
    WhatToDo "AWSFAB908E" Failed "not exactly one thing to do was named",
    NoUser "AWSFAB909E" User "the user does not exist or has no home directory",
    Prerequisite "AWSFAB910E" Prerequisites "a prerequisite is not met",
    RegistryCorrupt "AWSFAB911E" Registry "the registry of instances cannot be understood",
    Unreadable "AWSFAB912E" Configuration "configuration or state of the instance cannot be read",
    JobsRunning "AWSFAB913E" Jobs "hooks of the instance are still running",
    FilesLocked "AWSFAB914E" Locked "another run works on the instance",
    CommandLineOpen "AWSFAB915E" CommandLines "somebody still runs the instance's program",
    Step "AWSFAB916I" Done "a step of the work",
    Undone "AWSFAB917I" Done "what had been done was undone: the host is as it was",
    Stopped "AWSFAB918E" Failed "the work stopped",
    Encrypted "AWSFAB919E" Failed "a value encrypted by the product's own tool cannot be opened here",
    Master "AWSFAB920E" Failed "the master did not give this host an identity",
    NoInstance "AWSFAB921E" Failed "there is no such instance",
    Certificates "AWSFAB922E" Failed "the certificates cannot be used",
    Unchanged "AWSFAB923I" Done "everything is as asked for already",
    Removed "AWSFAB924I" Done "the instance is removed",
    Updated "AWSFAB925I" Done "the program of the instance was replaced",
    NothingToRestore "AWSFAB926E" Failed "there is nothing to go back to",
    Downloaded "AWSFAB927I" Done "the credentials are in place",
    StillRegistered "AWSFAB928W" Done "the master could not be told",
    Left "AWSFAB929W" Done "something was left, and why",
    Waiting "AWSFAB930I" Done "what is in the way is waited for",
}

/// One message: code, what happened, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its code.
    pub code: Code,
    /// What happened, in one or more lines.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Message {
    /// What happened.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), hint: None }
    }

    /// And what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Whether something went wrong or may: such messages go where errors go.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !self.code.as_str().ends_with('I')
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.as_str(), self.text)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n           {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Message {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_products_shape_and_each_stands_for_one_thing() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            let number = text.strip_prefix("AWSFAB").expect("the component").split_at(3);
            assert!(number.0.parse::<u16>().is_ok() && ["I", "W", "E"].contains(&number.1), "{text}");
            assert!(seen.insert(text), "{text} twice");
            assert_eq!(text.ends_with('E'), code.ending() != Ending::Done, "{text}");
        }
    }

    #[test]
    fn endings_are_numbered_as_documented() {
        for (number, (ending, _)) in Ending::ALL.iter().enumerate() {
            assert_eq!(*ending as usize, number);
        }
    }
}
