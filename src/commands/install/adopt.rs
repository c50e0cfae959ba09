//! `adopt`: the configuration says from now on whose certificates are watched, and what takes their place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use toml::Value;

use super::{Refused, carry_out, config_path, must_be_root, tell};
use crate::adopted;
use crate::cli::AdoptArgs;
use crate::commands::Exit;
use crate::config::Config;
use crate::install::{self, Content, Contents, Directory, DropIn, Event, File, Owner, Plan, Step};

/// Where an instance keeps them.
const INSIDE: [&str; 3] = ["", "ssl/certs", "TWSDATA/ssl/certs"];

pub(in crate::commands) async fn adopt(file: Option<&Path>, args: AdoptArgs, json: bool) -> Result<Exit> {
    must_be_root(args.dry_run)?;
    let path = config_path(file)?;
    let dir = find(&args.dir)?;
    let held = adopted::look(&dir)
        .map_err(|error| Refused::Unfit { dir: dir.clone(), reason: error.to_string() })?;
    let mut tell = tell(json);
    tell(Event::Note {
        what: format!("the certificate in {} ends {}", dir.display(), held.validity.until()),
    });
    let text = settled(&path, &dir)?;
    let contents = Contents::Anybodys;
    let above = path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut steps = vec![
        Step::Directory(Directory { path: above, owner: Owner::default(), mode: None, contents }),
        Step::File(File {
            path,
            content: Content::Text(text),
            owner: Owner::default(),
            mode: 0o644,
            keep: false,
        }),
    ];
    if install::has_systemd() {
        steps.extend(opened(&dir).await?);
    }
    carry_out(&Plan { place: install::PLACE.into(), steps }, args.dry_run, &mut tell).await
}

/// The service's sandbox is opened for that directory, which belongs to somebody else; one that runs takes it up.
async fn opened(dir: &Path) -> Result<Vec<Step>> {
    let drop_in = DropIn { unit: install::UNIT.to_owned(), name: "adopted".to_owned(), text: opening(dir) };
    let above = drop_in.path().parent().expect("it has one").to_owned();
    let contents = Contents::Anybodys;
    let mut steps = vec![
        Step::Directory(Directory { path: above, owner: Owner::default(), mode: None, contents }),
        Step::DropIn(drop_in),
    ];
    if install::is_active(install::UNIT).await? {
        steps.push(Step::Started { unit: install::UNIT.to_owned() });
    }
    Ok(steps)
}

fn opening(dir: &Path) -> String {
    let above = dir.parent().unwrap_or(dir).display();
    let home = ["/home", "/root"].iter().any(|home| dir.starts_with(home));
    let home = if home { "ProtectHome=no\n" } else { "" };
    format!(
        "# Made by `gatepass adopt`: certificates of another user are read, and one day replaced, with its owner kept.\n\
         [Service]\nReadWritePaths=\"{above}\"\n{home}PrivateUsers=no\n\
         CapabilityBoundingSet=CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE\n\
         AmbientCapabilities=CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE\nSystemCallFilter=@chown\n"
    )
}

fn find(given: &Path) -> Result<PathBuf> {
    let given = fs::canonicalize(given)
        .map_err(|error| Refused::Unfit { dir: given.to_owned(), reason: error.to_string() })?;
    let places =
        INSIDE.iter().map(|inside| if inside.is_empty() { given.clone() } else { given.join(inside) });
    let found = places.into_iter().find(|dir| dir.join("tls.crt").exists());
    Ok(found
        .ok_or_else(|| Refused::Unfit { dir: given.clone(), reason: "there is no tls.crt".to_owned() })?)
}

/// The configuration with the directory in it; as it is where it says so already.
fn settled(path: &Path, dir: &Path) -> Result<String> {
    let found = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let config = if found.is_empty() { Config::default() } else { Config::load(Some(path))? };
    if config.adopted.dir.as_deref() == Some(dir) {
        return Ok(found);
    }
    let value = Value::String(dir.display().to_string());
    let mut said = vec![
        "# Certificates of somebody else, until this agent has an identity.".to_owned(),
        format!("[adopted]\ndir = {value}"),
    ];
    if !config.output.iter().any(|output| output.dir() == dir) {
        let output = format!("[[output]]\ndir = {value}\nformat = \"tws\"\nreplace = true");
        said.extend([String::new(), "# What takes their place then.".to_owned(), output]);
    }
    let above = if found.is_empty() { String::new() } else { format!("{}\n\n", found.trim_end()) };
    let text = format!("{above}{}\n", said.join("\n"));
    let accepted =
        toml::from_str::<Config>(&text).is_ok_and(|config| config.adopted.dir.as_deref() == Some(dir));
    if accepted { Ok(text) } else { Err(Refused::Otherwise(path.to_owned()).into()) }
}
