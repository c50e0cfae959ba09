//! The configuration of an installation: an existing one is kept, unless nobody has filled it in yet.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use toml::Value;

use super::Refused;
use crate::cli::Overrides;
use crate::commands::wiring::merged;
use crate::config::Config;

/// What the configuration is to be.
pub(super) struct Settled {
    pub(super) config: Config,
    pub(super) text: String,
    /// It is there already.
    pub(super) keep: bool,
}

const EXAMPLE: &str = include_str!("../../../config.toml.example");
const BEGINNING: &str = "# Made by `gatepass install`. `gatepass config show` prints every key there is.\n";

pub(super) fn settle(path: &Path, overrides: &Overrides) -> Result<Settled> {
    let found = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    let Some(found) = found else { return fresh(path, overrides, BEGINNING) };
    let config = Config::load(Some(path))?;
    if is_blank(&config) && !overrides.masters.is_empty() {
        return fresh(path, overrides, &found);
    }
    if is_blank(&config) && config.gateways.is_empty() {
        return Err(Refused::NoMaster.into());
    }
    if merged(config.clone(), overrides, None) != config {
        return Err(Refused::Otherwise(path.to_owned()).into());
    }
    Ok(Settled { config, text: found, keep: true })
}

/// Nobody has said yet who the master is.
fn is_blank(config: &Config) -> bool {
    let example = || toml::from_str::<Config>(EXAMPLE).expect("a test reads it");
    config.masters.is_empty() || config.masters == example().masters
}

/// The command line written into a text that names no master.
fn fresh(path: &Path, overrides: &Overrides, text: &str) -> Result<Settled> {
    if overrides.masters.is_empty() {
        return Err(Refused::NoMaster.into());
    }
    let before: Config = toml::from_str(text)?;
    let config = merged(before, overrides, None);
    let text = written(text, &pairs(&config, overrides));
    // Where the text says it in a way that this cannot edit, a person has to.
    let same = toml::from_str::<Config>(&text).is_ok_and(|written| written == config);
    if same {
        Ok(Settled { config, text, keep: false })
    } else {
        Err(Refused::Otherwise(path.to_owned()).into())
    }
}

fn pairs(config: &Config, overrides: &Overrides) -> Vec<(&'static str, Value)> {
    let text = |text: String| Value::String(text);
    let mut pairs =
        vec![("masters", Value::Array(config.masters.iter().map(|url| text(url.to_string())).collect()))];
    pairs.extend(overrides.name.as_ref().map(|name| ("name", text(name.to_string()))));
    pairs.extend(overrides.ca_file.as_ref().map(|file| ("ca_file", text(file.display().to_string()))));
    pairs.extend(overrides.ca_fingerprint.map(|print| ("ca_fingerprint", text(print.to_string()))));
    pairs.extend(overrides.key_kind.map(|kind| ("key.kind", Value::try_from(kind).expect("a word"))));
    pairs
}

/// Each key on a line of its own before the first table, in the place of the line that said it.
fn written(text: &str, pairs: &[(&str, Value)]) -> String {
    let table = text.lines().position(|line| line.starts_with('[')).unwrap_or(usize::MAX);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (head, tail) = lines.split_at(table.min(lines.len()));
    let (mut head, tail) = (head.to_vec(), tail.to_vec());
    for (key, value) in pairs {
        let line = format!("{key} = {value}");
        let says =
            |line: &String| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        let commented = |line: &String| line.strip_prefix('#').is_some_and(|rest| says(&rest.to_owned()));
        match head.iter().position(says).or_else(|| head.iter().position(commented)) {
            Some(at) => head[at] = line,
            None => head.push(line),
        }
    }
    head.extend(tail);
    lines = head;
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(masters: &[&str]) -> Overrides {
        let masters = masters.iter().map(|url| url.parse().expect("a URL")).collect();
        Overrides { masters, ..Overrides::default() }
    }

    #[test]
    fn the_example_is_filled_in_and_stays_as_it_is_otherwise() {
        let name = Some("db7".parse().expect("a name"));
        let given = Overrides { name, ..overrides(&["https://gp:31116"]) };
        let settled = fresh(Path::new("/x"), &given, EXAMPLE).expect("filled in");
        assert_eq!(settled.text.lines().count(), EXAMPLE.lines().count());
        let differ: Vec<_> =
            settled.text.lines().zip(EXAMPLE.lines()).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
        assert_eq!(differ, ["masters = [\"https://gp:31116\"]", "name = \"db7\""]);
    }

    #[test]
    fn what_is_configured_is_kept_and_never_overruled() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config.toml");
        let text = "masters = ['https://gp:31116'] # ours\n";
        crate::store::write_atomically(&path, text.as_bytes(), 0o644).expect("written");
        for same in [&[][..], &["https://gp:31116"]] {
            let settled = settle(&path, &overrides(same)).expect("kept");
            assert_eq!((settled.text.as_str(), settled.keep), (text, true));
        }
        let error = settle(&path, &overrides(&["https://other:31116"])).err().expect("refused");
        assert!(matches!(error.downcast_ref(), Some(Refused::Otherwise(_))), "{error}");
    }

    #[test]
    fn a_host_without_a_configuration_needs_a_master() {
        let error = settle(Path::new("/nowhere/config.toml"), &overrides(&[])).err().expect("refused");
        assert!(matches!(error.downcast_ref(), Some(Refused::NoMaster)), "{error}");
    }
}
