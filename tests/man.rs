//! The man pages. Those of section 1 are made from the command lines, those of the configuration files from the samples
//! that name every key, and are committed; `UPDATE=1` writes them anew. The others are written by hand. All are clean by
//! mandoc's and groff's measure, and what they name is there.

mod dialect;
mod sample;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::support::{Agent, Master, Output, tool, write};

#[test]
fn the_committed_man_pages_are_those_of_the_programs() {
    let made = made();
    if std::env::var_os("UPDATE").is_some() {
        for old in committed().keys().filter(|name| !BY_HAND.contains(&name.as_str())) {
            std::fs::remove_file(directory().join(old)).expect("removed");
        }
        for (name, page) in &made {
            write(directory().join(name), page);
        }
    }
    let committed = committed();
    let known: Vec<_> = committed.keys().map(String::as_str).filter(|name| !BY_HAND.contains(name)).collect();
    assert_eq!(made.keys().collect::<Vec<_>>(), known, "UPDATE=1 writes them anew");
    for (name, page) in made {
        assert_eq!(page, committed[&name], "{name}: UPDATE=1 writes it anew");
    }
}

#[test]
fn the_man_pages_are_without_fault() {
    let pages: Vec<_> = committed().into_keys().map(|name| directory().join(name)).collect();
    Output::of(tool("mandoc").args(["-Tlint", "-Wwarning"]).args(&pages)).expect(0);
    let mut groff = tool("groff");
    groff.args(["-man", "-ww", "-z", "-Tutf8", "-rCHECKSTYLE=1"]).args(&pages);
    let said = Output::of(&mut groff).expect(0);
    assert_eq!(said.stderr, "");
    let head = format!("{DATE} \"{}\" Gatepass", source());
    for (name, page) in committed() {
        let first = page.lines().find(|line| line.starts_with(".TH")).expect("a page begins with its name");
        assert!(first.replace('"', "").ends_with(&head.replace('"', "")), "{name}: {first}");
    }
}

#[test]
fn what_the_man_pages_refer_to_is_there() {
    let pages = committed();
    let page = |name: &str, section: &str| pages.contains_key(&format!("{name}.{section}"));
    let (mut seen, text) = (0, pages.values().flat_map(|page| page.lines()));
    for (name, section) in text.filter_map(referred) {
        seen += 1;
        assert!(!name.starts_with("gatepass") || page(&name, section), "{name}({section})");
    }
    assert!(seen >= pages.len(), "every page refers to another");
}

/// `.BR name (5)`, with or without something behind it.
fn referred(line: &str) -> Option<(String, &str)> {
    let (name, rest) = line.strip_prefix(".BR ")?.split_once(" (")?;
    Some((name.replace('\\', ""), rest.split_once(')')?.0))
}

#[test]
fn the_page_about_the_state_names_what_is_in_it() {
    let page = committed().remove("gatepass-state.5").expect("a page");
    let master = Master::start();
    let agent = Agent::new(&[master.url()], &master.api_key("hosts", &[]));
    agent.run(&["download"]).expect(0);
    let mut names = vec![agent.state().join("current"), agent.state().join("generations")];
    names.extend(entries(&agent.state()));
    names.extend(entries(&agent.state().join("current")));
    for path in names {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(page.lines().any(|line| line.contains(&roff(&name))), "{name}");
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path())
}

/// Pages nobody makes.
const BY_HAND: [&str; 2] = ["gatepass-state.5", "gatepass.7"];

/// The day of the last change to the command lines or the samples: a page without one is not accepted.
const DATE: &str = "2026-11-23";

fn made() -> BTreeMap<String, String> {
    let mut pages: BTreeMap<String, String> = sample::pages().chain(dialect::pages()).collect();
    for program in
        [gatepass::cli::Cli::command(), gatepass_master::cli::Arguments::command(), gatepassctl::command()]
    {
        let mut program = program.disable_help_subcommand(true);
        program.build();
        add(&program, &mut pages);
    }
    pages
}

fn add(command: &clap::Command, pages: &mut BTreeMap<String, String>) {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        add(inner, pages);
    }
    let man = Man::new(command.clone()).date(DATE).source(source()).manual("Gatepass");
    pages.insert(man.get_filename(), rendered(&man, command));
}

fn rendered(man: &Man, command: &clap::Command) -> String {
    let mut page = Vec::new();
    man.render_title(&mut page).expect("memory");
    man.render_name_section(&mut page).expect("memory");
    man.render_synopsis_section(&mut page).expect("memory");
    man.render_description_section(&mut page).expect("memory");
    man.render_options_section(&mut page).expect("memory");
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).expect("memory");
    }
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut page).expect("memory");
    }
    tidy(&String::from_utf8(page).expect("text")) + &see_also(command)
}

/// Without what the linters complain of: blanks at ends of lines, and breaks beside spaces.
fn tidy(page: &str) -> String {
    let page = page.replace(".SH EXTRA\n", ".SH NOTES\n").replace(".br\n\n.br\n", ".sp\n");
    page.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn see_also(command: &clap::Command) -> String {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let file = match name.split('-').next() {
        Some("gatepassctl") => "",
        _ if name.starts_with("gatepass-master") => ".BR gatepass\\-master.toml (5),\n",
        _ => ".BR gatepass\\-config.toml (5),\n",
    };
    format!(".SH SEE ALSO\n{file}.BR gatepass (7)\n")
}

fn source() -> String {
    format!("Gatepass {}", env!("CARGO_PKG_VERSION"))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man")
}

fn committed() -> BTreeMap<String, String> {
    let page = |file: PathBuf| {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(file).expect("a page"))
    };
    entries(&directory()).map(page).collect()
}

/// As a page says it.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
