//! `gatepass preflight`: for whoever is about to put this program in another's place.

use std::path::Path;

use anyhow::Result;

use super::{Exit, answer};
use crate::config::{Config, DEFAULT_PATH};
use crate::preflight::Preflight;
use crate::trouble::whole;

pub(super) fn look(file: Option<&Path>, json: bool) -> Result<Exit> {
    let state = Config::load(file).map(|config| config.state_dir).map_err(|error| whole(&error));
    let preflight = Preflight::of(file.unwrap_or(Path::new(DEFAULT_PATH)).to_owned(), state);
    answer(&preflight, json)?;
    Ok(if preflight.is_clear() { Exit::Done } else { Exit::Human })
}
