//! `[[output]]` as the configuration writes it, and what it means.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// `[[output]]`: where a consumer wants the bundle, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Output {
    pub(super) dir: PathBuf,
    pub(super) format: Format,
    pub(super) owner: Option<String>,
    pub(super) group: Option<String>,
    pub(super) mode: Mode,
    pub(super) key_mode: Mode,
    allow_shared_key: bool,
    pub(super) replace: bool,
}

/// What the files look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// PEM files and the token.
    Pem(Layout),
    /// `keystore.p12` (key and chain), `truststore.p12` (the anchors) and `ca.crt`.
    Pkcs12 {
        /// The password of both stores; nobody else may read it.
        password_file: PathBuf,
        /// What the key is called in its store.
        alias: String,
    },
    /// What workload agents of another make read: the key encrypted, its passphrase beside it.
    Tws {
        /// `*.crt` files from that directory join those in `additionalCAs/`.
        additional_cas: Option<PathBuf>,
    },
}

/// How PEM files are cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `tls.key`, `tls.crt` (the chain) and `ca.crt`.
    #[default]
    Split,
    /// `privkey.pem`, `cert.pem` (the leaf), `chain.pem` (the others), `fullchain.pem` and `ca.pem`.
    Chain,
    /// `tls.pem` (key and chain) and `ca.crt`.
    Combined,
}

/// Permissions, written in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Mode(pub(super) u32);

const fn default_mode() -> Mode {
    Mode(0o640)
}

const fn default_key_mode() -> Mode {
    Mode(0o600)
}

impl TryFrom<String> for Mode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o777 => Ok(Self(bits)),
            Ok(_) | Err(_) => Err(format!("`{text}` is not a mode like 0640")),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}

/// An output as the configuration writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    dir: PathBuf,
    #[serde(default)]
    format: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<Layout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_cas: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default = "default_mode")]
    mode: Mode,
    #[serde(default = "default_key_mode")]
    key_mode: Mode,
    #[serde(default)]
    allow_shared_key: bool,
    #[serde(default)]
    replace: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Pem,
    Pkcs12,
    Tws,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::Pkcs12 => "pkcs12",
            Self::Tws => "tws",
        }
    }
}

impl Written {
    /// The format with its own options; one that belongs to another format is refused.
    fn format(&self) -> Result<Format, String> {
        let stray = [
            ("layout", self.layout.is_some(), Kind::Pem),
            ("password_file", self.password_file.is_some(), Kind::Pkcs12),
            ("alias", self.alias.is_some(), Kind::Pkcs12),
            ("additional_cas", self.additional_cas.is_some(), Kind::Tws),
        ];
        if let Some((key, ..)) = stray.iter().find(|(_, is_said, kind)| *is_said && *kind != self.format) {
            return Err(format!("`{key}` says nothing about the format `{}`", self.format.as_str()));
        }
        match self.format {
            Kind::Pem => Ok(Format::Pem(self.layout.unwrap_or_default())),
            Kind::Pkcs12 => Ok(Format::Pkcs12 {
                password_file: absolute("password_file", self.password_file.as_ref())?
                    .ok_or("the format `pkcs12` needs a `password_file`")?,
                alias: alias(self.alias.clone())?,
            }),
            Kind::Tws => {
                Ok(Format::Tws { additional_cas: absolute("additional_cas", self.additional_cas.as_ref())? })
            }
        }
    }
}

fn absolute(key: &str, path: Option<&PathBuf>) -> Result<Option<PathBuf>, String> {
    match path {
        Some(path) if !path.is_absolute() => Err(format!("`{key}` is an absolute path")),
        path => Ok(path.cloned()),
    }
}

/// Java compares aliases without regard to case and shows them in lower case.
fn alias(written: Option<String>) -> Result<String, String> {
    let alias = written.unwrap_or_else(|| "gatepass".to_owned());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if alias.is_empty() || !alias.chars().all(allowed) {
        return Err("`alias` is made of lower-case letters, digits, `-`, `_` and `.`".to_owned());
    }
    Ok(alias)
}

impl TryFrom<Written> for Output {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        let about = |what: String| format!("output `{}`: {what}", written.dir.display());
        let format = written.format().map_err(about)?;
        if !written.dir.is_absolute() || written.dir.file_name().is_none() {
            return Err(about("`dir` is an absolute path".to_owned()));
        }
        if written.key_mode.0 & 0o077 != 0 && !written.allow_shared_key {
            let mode = String::from(written.key_mode);
            return Err(about(format!(
                "key_mode {mode} lets others read the private key; say `allow_shared_key = true` if that is meant"
            )));
        }
        let Written { dir, owner, group, mode, key_mode, allow_shared_key, replace, .. } = written;
        Ok(Self { dir, format, owner, group, mode, key_mode, allow_shared_key, replace })
    }
}

impl From<Output> for Written {
    fn from(output: Output) -> Self {
        let Output { dir, format, owner, group, mode, key_mode, allow_shared_key, replace } = output;
        let plain = Self {
            dir,
            format: Kind::Pem,
            layout: None,
            password_file: None,
            alias: None,
            additional_cas: None,
            owner,
            group,
            mode,
            key_mode,
            allow_shared_key,
            replace,
        };
        match format {
            Format::Pem(layout) => Self { layout: Some(layout), ..plain },
            Format::Pkcs12 { password_file, alias } => {
                Self { format: Kind::Pkcs12, password_file: Some(password_file), alias: Some(alias), ..plain }
            }
            Format::Tws { additional_cas } => Self { format: Kind::Tws, additional_cas, ..plain },
        }
    }
}

impl Output {
    /// One with the defaults of the configuration file. `dir` is an absolute path.
    pub fn new(dir: impl Into<PathBuf>, format: Format) -> Result<Self, String> {
        let output = Self {
            dir: dir.into(),
            format,
            owner: None,
            group: None,
            mode: default_mode(),
            key_mode: default_key_mode(),
            allow_shared_key: false,
            replace: false,
        };
        Written::from(output).try_into()
    }

    /// The same for that user and group, by name or number.
    #[must_use]
    pub fn owned_by(self, owner: Option<String>, group: Option<String>) -> Self {
        Self { owner, group, ..self }
    }

    /// The same, and a directory that somebody else made makes room for it.
    #[must_use]
    pub fn replacing(self) -> Self {
        Self { replace: true, ..self }
    }

    /// What consumers open.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What they find there.
    #[must_use]
    pub const fn format(&self) -> &Format {
        &self.format
    }
}
