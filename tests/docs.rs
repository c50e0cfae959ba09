//! The documents: what they show is run, what they name exists, and every code that can be met is explained.
//!
//! A document is one story on a host of its own (see `host`), from the top to the bottom; `<!-- new host -->` begins
//! another. Fenced blocks are `console` (run and compared: `$` and `>` are typed, `…` stands for anything, a line of its
//! own for any lines; a command that fails must show its exit code), `toml` (given to `config validate`) or `text` (an
//! illustration). A comment before a block can say
//! `not run: REASON`, if need be with `; instead:` and commands that are run in its place; `unseen:` and commands alone
//! prepare what the reader has already; `master.toml` says that a `toml` block is the master's.

mod codes;
mod commands;
mod host;
mod made;
mod markdown;

use std::path::{Path, PathBuf};

use crate::support::{Output, program, tool, write};
use markdown::{Piece, Shown, scenes};

#[test]
fn the_readme_does_what_it_shows() {
    tell("README.md");
}

#[test]
fn the_page_for_operators_does_what_it_shows() {
    tell("packaging/doc/operators.md");
}

#[test]
fn the_page_for_those_who_come_from_twsinst_does_what_it_shows() {
    tell("packaging/doc/from-twsinst.md");
}

#[test]
fn every_sample_of_a_configuration_is_accepted() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("sample.toml");
    for document in documents() {
        for piece in markdown::pieces(&text(&document)) {
            let Piece::Sample { line, of_master, text } = piece else { continue };
            write(&file, text);
            let mut judge = tool(program(if of_master { "gatepass-master" } else { "gatepass" }));
            judge.args(if of_master {
                &["config", "validate"][..]
            } else {
                &["config", "validate", "--config"]
            });
            let judged = Output::of(judge.arg(&file));
            assert_eq!(judged.code, Some(0), "{}:{line}: {}", document.display(), judged.stderr);
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let text = text(&document);
        let within = document.parent().expect("a document lies somewhere");
        for target in markdown::links(&text).filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let meant = if file.is_empty() { document.clone() } else { within.join(file) };
            assert!(meant.exists(), "{} links to {target}", document.display());
            let anchors = markdown::anchors(&std::fs::read_to_string(&meant).unwrap_or_default());
            let known = anchor.is_empty() || anchors.iter().any(|known| known == anchor);
            assert!(known, "{} links to {target}; there are {anchors:?}", document.display());
        }
    }
}

/// Runs a document's scenes, each on a host of its own.
fn tell(name: &str) {
    let document = top().join(name);
    for (number, scene) in scenes(&text(&document)).into_iter().enumerate() {
        if scene.is_empty() {
            continue;
        }
        let Some(answers) = host::run(&scene) else { return };
        let answered = answers.len();
        for (shown, answer) in scene.iter().zip(answers) {
            compare(name, shown, &answer);
        }
        assert_eq!(answered, scene.len(), "{name}: host {} went silent", number + 1);
    }
}

fn compare(document: &str, shown: &Shown, answer: &host::Answer) {
    let at = format!("{document}:{}: $ {}", shown.line, shown.command);
    assert_eq!(answer.code, 0, "{at}\n{}", answer.text);
    if let Some(want) = &shown.answer {
        assert!(markdown::fits(want, &answer.text), "{at}\nshown:\n{want}\nis:\n{}", answer.text);
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let pages = std::fs::read_dir(top().join("packaging/doc")).expect("a directory");
    let pages = pages.map(|page| page.expect("an entry").path());
    pages
        .filter(|page| page.extension().is_some_and(|end| end == "md"))
        .chain([top().join("README.md")])
        .collect()
}

fn text(document: &Path) -> String {
    std::fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}
