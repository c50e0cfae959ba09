//! How this host gets out: through which proxy, with which credential, and to whom without it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use url::Url;
use zeroize::Zeroizing;

use super::Place;
use super::proxy::{BadProxy, Exemption, ProxyChoice, ProxyUrl};

/// How this host gets out. By default straight on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    proxy: Option<Proxy>,
    exempt: Vec<Exemption>,
}

/// A proxy and how it is shown who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is.
    pub url: ProxyUrl,
    /// Where its credential is.
    pub(super) credential: Credential,
}

/// Where the proxy's credential is. Read whenever a connection is made, so that it can be changed at any time.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// There is none.
    None,
    /// `user:password` in a file.
    File(PathBuf),
    /// What stood in the environment's URL.
    Known(Zeroizing<String>),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Known(_) => f.write_str("Known"),
        }
    }
}

/// The name of the systemd credential.
pub const SYSTEMD_CREDENTIAL: &str = "proxy-auth";

/// What the configuration says.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a> {
    /// `proxy`
    pub proxy: Option<&'a ProxyChoice>,
    /// `proxy_auth_file`
    pub auth_file: Option<&'a Path>,
    /// `no_proxy`
    pub exempt: &'a [Exemption],
}

/// The environment names something that is no proxy we can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the environment variable `{0}` is not a URL like http://proxy.example.com:3128; set `proxy` in the configuration, or \
     `proxy = \"none\"`"
)]
pub struct BadVariable(&'static str);

impl Egress {
    /// The configured proxy; where none is, the environment's, with its own exemptions in addition.
    pub fn find(
        configured: Configured<'_>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadVariable> {
        let systemd = || {
            let file = Path::new(&env("CREDENTIALS_DIRECTORY")?).join(SYSTEMD_CREDENTIAL);
            file.exists().then_some(file)
        };
        let file = || systemd().or_else(|| configured.auth_file.map(Path::to_owned));
        let mut exempt = configured.exempt.to_vec();
        let proxy = match configured.proxy {
            Some(ProxyChoice::Off) => None,
            Some(ProxyChoice::Of(url)) => Some((url.clone(), Credential::None)),
            None => {
                exempt.extend(env_exemptions(&env));
                env_proxy(&env)?
            }
        };
        let proxy = proxy.map(|(url, known)| {
            let credential =
                if known == Credential::None { file().map_or(known, Credential::File) } else { known };
            Proxy { url, credential }
        });
        Ok(Self { proxy, exempt })
    }

    /// The proxy on the way to that place, if one is.
    #[must_use]
    pub fn proxy_to(&self, place: &Place) -> Option<&Proxy> {
        let is_exempt = self.exempt.iter().any(|exemption| exemption.covers(place.host()));
        self.proxy.as_ref().filter(|_| !is_exempt)
    }
}

/// Lower case first, as curl does; an empty one counts as none.
fn first(env: impl Fn(&str) -> Option<String>, names: &[&'static str]) -> Option<(&'static str, String)> {
    names.iter().find_map(|name| Some((*name, env(name).filter(|value| !value.trim().is_empty())?)))
}

fn env_proxy(env: impl Fn(&str) -> Option<String>) -> Result<Option<(ProxyUrl, Credential)>, BadVariable> {
    let Some((name, text)) = first(env, &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) else {
        return Ok(None);
    };
    let text = Zeroizing::new(text);
    let url = Zeroizing::new(if text.contains("://") {
        text.trim().to_owned()
    } else {
        format!("http://{}", text.trim())
    });
    let read = || {
        let url = Url::parse(&url).map_err(|_| BadProxy::Malformed)?;
        Ok::<_, BadProxy>((ProxyUrl::of(&url)?, user_info(&url)))
    };
    read().map(Some).map_err(|_| BadVariable(name))
}

fn user_info(url: &Url) -> Credential {
    if url.username().is_empty() && url.password().is_none() {
        return Credential::None;
    }
    let plain = |text: &str| percent_decoded(text);
    Credential::Known(Zeroizing::new(format!(
        "{}:{}",
        plain(url.username()),
        plain(url.password().unwrap_or_default())
    )))
}

/// `%41` is `A`; what is no such escape stands for itself.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let escape = || u8::from_str_radix(std::str::from_utf8(tail.get(..2)?).ok()?, 16).ok();
        match (byte, escape()) {
            (b'%', Some(meant)) => (bytes.push(meant), rest = &tail[2..]).1,
            _ => (bytes.push(*byte), rest = tail).1,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What makes no sense there is nobody's exemption, as curl has it.
fn env_exemptions(env: impl Fn(&str) -> Option<String>) -> Vec<Exemption> {
    let list = first(env, &["no_proxy", "NO_PROXY"]).map(|(_, list)| list).unwrap_or_default();
    list.split([',', ' ']).filter_map(|one| one.parse().ok()).collect()
}

impl Credential {
    /// The value of `Proxy-Authorization` (RFC 7617), if there is a credential.
    pub(super) fn header(&self) -> Result<Option<Zeroizing<String>>, String> {
        let pair = match self {
            Self::None => return Ok(None),
            Self::Known(pair) => pair.clone(),
            Self::File(path) => read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let pair = pair.trim_end_matches(['\r', '\n']);
        let is_pair = pair.split_once(':').is_some_and(|(user, _)| !user.is_empty());
        if !is_pair || pair.chars().any(char::is_control) {
            return Err(match self {
                Self::File(path) => format!("{} does not hold one line user:password", path.display()),
                Self::None | Self::Known(_) => "the environment's proxy URL holds no user".to_owned(),
            });
        }
        Ok(Some(Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())))))
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

const MAX_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn env(known: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    const NOTHING: Configured<'_> = Configured { proxy: None, auth_file: None, exempt: &[] };

    fn way(egress: &Egress, host: &str) -> Option<String> {
        egress.proxy_to(&Place::new(host, 443).expect(host)).map(|proxy| proxy.url.to_string())
    }

    #[test]
    fn the_environment_counts_where_nothing_is_configured() {
        for (known, want) in [
            (env(&[]), None),
            (env(&[("HTTPS_PROXY", "http://a:1")]), Some("http://a:1")),
            (env(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "b:2")]), Some("http://b:2")),
            (env(&[("https_proxy", ""), ("ALL_PROXY", "https://c:3")]), Some("https://c:3")),
            (env(&[("HTTP_PROXY", "http://a:1")]), None),
            (env(&[("https_proxy", "http://a:1"), ("NO_PROXY", "x .example.com,")]), None),
            (env(&[("https_proxy", "http://a:1"), ("NO_PROXY", "x"), ("no_proxy", "y")]), Some("http://a:1")),
        ] {
            let egress = Egress::find(NOTHING, known).expect("usable");
            assert_eq!(way(&egress, "m.example.com").as_deref(), want);
        }
        let socks = env(&[("https_proxy", "socks5://u:hunter2@a:1")]);
        let error = Egress::find(NOTHING, socks).expect_err("no SOCKS");
        assert!(
            !format!("{error} {error:?}").contains("hunter2") && error.to_string().contains("https_proxy")
        );
    }

    #[test]
    fn the_configuration_goes_before_the_environment() {
        let known = || env(&[("https_proxy", "http://a:1"), ("no_proxy", "m.example.com")]);
        let choice = ProxyChoice::try_from("http://p:3128".to_owned()).expect("a proxy");
        let own = Egress::find(Configured { proxy: Some(&choice), ..NOTHING }, known()).expect("usable");
        assert_eq!(way(&own, "m.example.com").as_deref(), Some("http://p:3128"));
        let off =
            Egress::find(Configured { proxy: Some(&ProxyChoice::Off), ..NOTHING }, known()).expect("usable");
        assert_eq!(way(&off, "n.example.com"), None);
        let exempt = ["10.0.0.0/8".parse().expect("a network")];
        let both = Egress::find(Configured { exempt: &exempt, ..NOTHING }, known()).expect("usable");
        assert_eq!((way(&both, "10.1.2.3"), way(&both, "m.example.com")), (None, None));
        assert!(way(&both, "n.example.com").is_some());
    }

    #[test]
    fn credentials_are_read_when_needed_and_never_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join(SYSTEMD_CREDENTIAL);
        let choice = ProxyChoice::try_from("http://p:3128".to_owned()).expect("a proxy");
        let configured = Configured { proxy: Some(&choice), auth_file: Some(&file), ..NOTHING };
        let egress = Egress::find(configured, env(&[])).expect("usable");
        let header = || {
            let place = Place::new("m", 1).expect("a place");
            egress.proxy_to(&place).expect("a proxy").credential.header()
        };
        assert!(header().expect_err("not there").contains("proxy-auth"));
        for (text, want) in [
            ("ann:s3cret:x\n", Some("Basic YW5uOnMzY3JldDp4")),
            ("hunter2", None),
            (":x", None),
            ("a:b\nc", None),
        ] {
            io::Write::write_all(&mut File::create(&file).expect("a file"), text.as_bytes())
                .expect("written");
            match (header(), want) {
                (Ok(got), Some(want)) => assert_eq!(got.expect("one").as_str(), want),
                (Err(error), None) => assert!(!error.contains("hunter2"), "{error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
        let known = env(&[("https_proxy", "http://ann:p%40ss%zz@a:1")]);
        let egress = Egress::find(Configured { auth_file: Some(&file), ..NOTHING }, known).expect("usable");
        let proxy = egress.proxy_to(&Place::new("m", 1).expect("a place")).expect("a proxy");
        let header = proxy.credential.header().expect("usable").expect("one");
        assert_eq!(header.as_str(), format!("Basic {}", BASE64.encode(b"ann:p@ss%zz")));
        assert!(!format!("{egress:?}").contains("p@ss"), "{egress:?}");
    }
}
