//! The page for operators explains every code that can be met: no more, no less. What there is comes from the programs.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use gatepass::commands::Exit;
use gatepass_contract::wire::Code;

use super::{markdown, text, top};

fn page() -> String {
    text(&top().join("packaging/doc/operators.md"))
}

#[test]
fn every_exit_code_is_explained() {
    let exits = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Later, Exit::Human];
    same("Exit codes", exits.map(|exit| (exit as u8).to_string()), first_cells(&page(), "Exit codes"));
}

#[test]
fn every_problem_is_explained_with_its_status() {
    let page = page();
    let rows = markdown::table(&page, "Problems");
    let told = rows.iter().map(|row| (bare(row[0]), row[1].to_owned()));
    same("Problems", Code::ALL.iter().map(|code| (code.to_string(), code.status().to_string())), told);
    complete(&rows);
}

#[test]
fn everything_the_agent_can_complain_of_is_explained() {
    let page = page();
    let tables = ["What the agent says", "What an installation says"];
    let rows: Vec<_> = tables.iter().flat_map(|heading| markdown::table(&page, heading)).collect();
    same("messages", complaints(&top().join("src")), rows.iter().map(|row| row[0].to_owned()));
    complete(&rows);
}

#[test]
fn everything_that_keeps_the_master_from_starting_is_explained() {
    let (page, heading) = (page(), "What the master says");
    let files = MASTERS_OWN.map(|file| top().join("crates/master/src").join(file));
    let there: BTreeSet<_> = files.iter().flat_map(|place| complaints(place)).collect();
    same("messages", there, markdown::table(&page, heading).iter().map(|row| row[0].to_owned()));
    complete(&markdown::table(&page, heading));
}

/// Where its commands fail; what else can go wrong has a problem's code.
const MASTERS_OWN: [&str; 13] = [
    "backup.rs",
    "ca",
    "command",
    "command.rs",
    "config",
    "init.rs",
    "making.rs",
    "migrate.rs",
    "notify",
    "sealed.rs",
    "serve.rs",
    "store/copy.rs",
    "store/mod.rs",
];

#[test]
fn every_finding_of_check_is_explained() {
    let (page, heading) = (page(), "Findings of check");
    same(heading, findings(), first_cells(&page, heading));
    complete(&markdown::table(&page, heading));
}

/// Nothing is missing, and nothing is told that does not exist.
fn same<T: Ord + Debug>(what: &str, there: impl IntoIterator<Item = T>, told: impl IntoIterator<Item = T>) {
    let (there, told): (BTreeSet<T>, BTreeSet<T>) = (there.into_iter().collect(), told.into_iter().collect());
    let (missing, unknown): (Vec<_>, Vec<_>) =
        (there.difference(&told).collect(), told.difference(&there).collect());
    assert!(missing.is_empty() && unknown.is_empty(), "{what}: missing {missing:#?}, unknown {unknown:#?}");
    assert!(there.len() > 1, "{what}: none was found");
}

/// Every row has a cause and a remedy.
fn complete(rows: &[Vec<&str>]) {
    let width = rows[0].len();
    for row in rows {
        assert!(row.len() == width && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}

fn first_cells(page: &str, heading: &str) -> Vec<String> {
    markdown::table(page, heading).iter().map(|row| bare(row[0])).collect()
}

fn bare(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// The messages of every error in there, with `…` for what differs from case to case. Those that only pass on what
/// another says are left out.
fn complaints(place: &Path) -> BTreeSet<String> {
    sources(place)
        .iter()
        .flat_map(|file| messages(&text(file)))
        .filter(|message| says_something(message))
        .collect()
}

fn says_something(message: &str) -> bool {
    message.split_whitespace().any(|word| !word.contains('…'))
}

fn messages(source: &str) -> Vec<String> {
    let literal = |rest: &str| {
        let rest = rest.trim_start().strip_prefix('"')?;
        let end = rest.match_indices('"').map(|(at, _)| at).find(|&at| !rest[..at].ends_with('\\'))?;
        Some(placeless(&unescaped(&rest[..end])))
    };
    source.split("#[error(").skip(1).filter_map(literal).collect()
}

/// A line that ends with a backslash goes on where the next one has its first character.
fn unescaped(literal: &str) -> String {
    let lines = literal.split("\\\n").enumerate();
    let joined: String = lines.map(|(n, line)| if n == 0 { line } else { line.trim_start() }).collect();
    joined.replace("\\\"", "\"")
}

/// `{…}` becomes `…`.
fn placeless(message: &str) -> String {
    let mut parts = message.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts
        .fold(first, |text, part| format!("{text}…{}", part.split_once('}').map_or("", |(_, rest)| rest)));
    text.replace("……", "…")
}

fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = std::fs::read_dir(place).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| sources(&path)).collect()
}

fn findings() -> impl Iterator<Item = String> {
    gatepass::check::Id::ALL.iter().map(ToString::to_string)
}

#[test]
fn messages_are_found_in_sources() {
    let source =
        "#[error(\"a {b} and {}\", c)]\n#[error(transparent)]\n#[error(\n  \"d \\\"e\\\" {}{}\"\n)]\n";
    assert_eq!(messages(source), ["a … and …", "d \"e\" …"]);
    assert!(!says_something("…: …") && says_something("no connection: …"));
}
