//! Tables that are made from the programs' own, between `<!-- made: NAME -->` and `<!-- end -->`; `UPDATE=1` writes them
//! anew.

use std::fmt::Write as _;

use gatepass::dialect::codes::{Code, Ending};
use gatepass::dialect::parameters::{DOWNLOADER, Mode, Parameter, TWSINST, Takes, Treatment, When};

use super::{documents, text};
use crate::support::write;

#[test]
fn the_tables_in_the_documents_are_those_of_the_programs() {
    let mut seen = 0;
    for document in documents() {
        let before = text(&document);
        let after = filled(&before, &mut seen);
        if std::env::var_os("UPDATE").is_some() {
            write(&document, after);
        } else {
            assert!(before == after, "{}: UPDATE=1 writes it anew; it is now:\n{after}", document.display());
        }
    }
    assert!(seen > 0, "no table is made");
}

fn filled(document: &str, seen: &mut u32) -> String {
    let mut parts = document.split("<!-- made: ");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").expect("a name");
        let (_, behind) = rest.split_once("<!-- end -->").expect("an end");
        filled.extend(["<!-- made: ", name, " -->\n", &table(name), "<!-- end -->", behind]);
        *seen += 1;
    }
    filled
}

fn table(name: &str) -> String {
    match name {
        "twsinst parameters" => parameters(TWSINST, "-"),
        "downloader parameters" => parameters(DOWNLOADER, "--"),
        "twsinst exit codes" => {
            let rows = Ending::ALL.map(|(ending, meaning)| format!("| {} | {meaning} |\n", ending as u8));
            format!("| code | meaning |\n|---|---|\n{}", rows.concat())
        }
        "messages" => Code::ALL.iter().fold(
            "| message | exit code | meaning |\n|---|---|---|\n".to_owned(),
            |mut table, code| {
                let _ =
                    writeln!(table, "| {} | {} | {} |", code.as_str(), code.ending() as u8, code.meaning());
                table
            },
        ),
        other => panic!("`{other}` is no table"),
    }
}

fn parameters(all: &[Parameter], dash: &str) -> String {
    let mut table = "| parameter | with | what is done |\n|---|---|---|\n".to_owned();
    for parameter in all {
        let Parameter { name, takes, modes, treatment, idle, does, .. } = parameter;
        let (with, done) = match treatment {
            Treatment::Used => (
                modes.iter().filter_map(|mode| named(*mode)).collect::<Vec<_>>().join(", "),
                idle.map_or_else(
                    || (*does).to_owned(),
                    |(when, why)| format!("{does}; left aside {}: {why}", told(when, dash)),
                ),
            ),
            Treatment::Noticed(why) => ("–".to_owned(), format!("accepted, changes nothing: {why}")),
            Treatment::Refused(why) => ("–".to_owned(), format!("refused: {why}")),
        };
        let with = if with.is_empty() { "–" } else { &with };
        let _ = writeln!(table, "| `{dash}{name}{}` | {with} | {done} |", value(*takes));
    }
    table
}

fn told(when: When, dash: &str) -> String {
    match when {
        When::Given(name) => format!("with `{dash}{name}`"),
        When::NotGiven(name) => format!("without `{dash}{name}`"),
        When::Is(name, value) => format!("where `{dash}{name}` is `{value}`"),
        When::IsNot(name, value) => format!("where `{dash}{name}` is not `{value}`"),
    }
}

fn named(mode: Mode) -> Option<&'static str> {
    Some(match mode {
        Mode::New => "`-new`",
        Mode::Update => "`-update`",
        Mode::Modify => "`-modify`",
        Mode::Restore => "`-restore`",
        Mode::Uninst => "`-uninst`",
        Mode::Usage | Mode::Version | Mode::Download => return None,
    })
}

fn value(takes: Takes) -> String {
    match takes {
        Takes::Nothing | Takes::Flag => String::new(),
        Takes::TrueFalse => " true\\|false".to_owned(),
        Takes::Choice(words) => format!(" {}", words.join("\\|")),
        Takes::Port => " PORT".to_owned(),
        Takes::Number => " NUMBER".to_owned(),
        Takes::Path => " PATH".to_owned(),
        Takes::Id32 => " ID".to_owned(),
        Takes::Text => " TEXT".to_owned(),
        Takes::Secret => " SECRET".to_owned(),
    }
}
