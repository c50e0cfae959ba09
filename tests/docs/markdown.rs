//! What a document holds, as far as it can be tried.

use std::iter::Peekable;
use std::str::Lines;

/// A command that is typed, and what is shown to come of it; `None` where nothing is shown because nobody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) line: usize,
    pub(super) command: String,
    pub(super) answer: Option<String>,
}

/// A part of a document that can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Command(Shown),
    Sample { line: usize, of_master: bool, text: String },
    NewHost,
}

/// The commands of a document, host by host.
pub(super) fn scenes(document: &str) -> Vec<Vec<Shown>> {
    let mut scenes = vec![Vec::new()];
    for piece in pieces(document) {
        match piece {
            Piece::Command(shown) => scenes.last_mut().expect("there is one from the start").push(shown),
            Piece::NewHost => scenes.push(Vec::new()),
            Piece::Sample { .. } => {}
        }
    }
    scenes
}

/// Everything of a document that can be tried, in order.
pub(super) fn pieces(document: &str) -> Vec<Piece> {
    let mut lines = Numbered { lines: document.lines().peekable(), number: 0 };
    let (mut pieces, mut said) = (Vec::new(), String::new());
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!--") {
            let comment = lines.comment(comment);
            pieces.extend(from_comment(&comment, lines.number));
            said = comment;
        } else if let Some(language) = line.strip_prefix("```") {
            let (at, block) = (lines.number, lines.fenced());
            pieces.extend(from_block(language, &said, at, &block));
            said.clear();
        } else if !line.is_empty() {
            said.clear();
        }
    }
    pieces
}

fn from_comment(comment: &str, line: usize) -> Vec<Piece> {
    let instead = comment.strip_prefix("not run: ").and_then(|rest| rest.split_once("; instead:"));
    match (comment, comment.strip_prefix("unseen:"), instead) {
        ("new host", ..) => vec![Piece::NewHost],
        (_, Some(commands), _) | (_, _, Some((_, commands))) => {
            let command = commands.trim().to_owned();
            vec![Piece::Command(Shown { line, command, answer: None })]
        }
        _ => Vec::new(),
    }
}

fn from_block(language: &str, said: &str, line: usize, block: &[&str]) -> Vec<Piece> {
    match (language, said.strip_prefix("not run: ")) {
        ("text", None) | ("console", Some(_)) => Vec::new(),
        ("console", None) => commands(line, block),
        ("toml", None) => {
            vec![Piece::Sample { line, of_master: said == "master.toml", text: block.join("\n") }]
        }
        _ => panic!("line {line}: a block is console, toml or text, not `{language}`"),
    }
}

/// Lines that begin with `$ ` are typed, and those right behind them that begin with `> `, too.
fn commands(line: usize, block: &[&str]) -> Vec<Piece> {
    let mut found: Vec<Shown> = Vec::new();
    for (offset, text) in block.iter().enumerate() {
        if let Some(command) = text.strip_prefix("$ ") {
            let command = command.to_owned();
            found.push(Shown { line: line + offset + 1, command, answer: Some(String::new()) });
            continue;
        }
        let last = found.last_mut().unwrap_or_else(|| panic!("line {line}: the block begins without `$ `"));
        let answer = last.answer.as_mut().expect("what is typed is answered");
        match text.strip_prefix("> ").filter(|_| answer.is_empty()) {
            Some(more) => last.command = format!("{}\n{more}", last.command),
            None => *answer = format!("{answer}{text}\n"),
        }
    }
    found.into_iter().map(Piece::Command).collect()
}

struct Numbered<'a> {
    lines: Peekable<Lines<'a>>,
    number: usize,
}

impl<'a> Numbered<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.number += 1;
        self.lines.next()
    }

    fn comment(&mut self, first: &str) -> String {
        let mut comment = first.to_owned();
        while !comment.contains("-->") {
            comment = format!("{comment}\n{}", self.next().expect("a comment ends"));
        }
        comment.trim_end().trim_end_matches("-->").trim().to_owned()
    }

    fn fenced(&mut self) -> Vec<&'a str> {
        let mut block = Vec::new();
        loop {
            match self.next().expect("a block ends") {
                "```" => return block,
                line => block.push(line),
            }
        }
    }
}

/// Whether an answer is as shown: `…` stands for anything in a line, alone on its line for any lines.
pub(super) fn fits(shown: &str, answer: &str) -> bool {
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines_fit(&lines(shown), &lines(answer.trim_end_matches('\n')))
}

fn lines_fit(shown: &[String], answer: &[String]) -> bool {
    match (shown.split_first(), answer.split_first()) {
        (None, _) => answer.is_empty(),
        (Some((first, rest)), _) if first == ANYTHING => {
            (0..=answer.len()).any(|skipped| lines_fit(rest, &answer[skipped..]))
        }
        (Some((first, rest)), Some((line, more))) => line_fits(first, line) && lines_fit(rest, more),
        (Some(_), None) => false,
    }
}

const ANYTHING: &str = "…";

fn line_fits(shown: &str, line: &str) -> bool {
    let Some((before, after)) = shown.split_once(ANYTHING) else { return shown == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| line_fits(after, &rest[at..]))
}

/// Where the links of a document lead.
pub(super) fn links(document: &str) -> impl Iterator<Item = &str> {
    document.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// What its headings can be linked to as.
pub(super) fn anchors(document: &str) -> Vec<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// What stands between backticks outside of blocks, with its line.
pub(super) fn code_spans(document: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut spans = Vec::new();
    for (number, line) in document.lines().enumerate() {
        fenced ^= line.starts_with("```");
        if !fenced {
            spans.extend(line.split('`').skip(1).step_by(2).map(|span| (number + 1, span)));
        }
    }
    spans
}

/// The rows of the table under a heading, cell by cell, without its head.
pub(super) fn table<'a>(document: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let under = document.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading).skip(1);
    let rows = under.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    let cells = |row: &'a str| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    let rows: Vec<_> = rows.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "there is no table under `{heading}`");
    rows
}

#[test]
fn an_answer_fits_what_is_shown() {
    for (shown, answer, want) in [
        ("a\nb", "a\nb\n", true),
        ("a\nb", "a\n", false),
        ("until …, … left", "until then, 7d left", true),
        ("until …, … left", "until then", false),
        ("…\nlast", "first\nsecond\nlast", true),
        ("first\n…", "first", true),
        ("…", "", true),
        ("", "something", false),
    ] {
        assert_eq!(fits(shown, answer), want, "{shown} / {answer}");
    }
}

#[test]
fn a_document_is_taken_apart() {
    let document = "<!-- unseen: true -->\n\n```console\n$ cat <<E\n> hi\n> E\nhi\n$ false; echo $?\n1\n```\n\
        <!-- not run: no; instead:\necho it\n-->\n```console\n$ never\n```\n<!-- new host -->\n\
        <!-- master.toml -->\n```toml\na = 1\n```\n";
    let shown = |line, command: &str, answer: Option<&str>| {
        Piece::Command(Shown { line, command: command.to_owned(), answer: answer.map(str::to_owned) })
    };
    let want = [
        shown(1, "true", None),
        shown(4, "cat <<E\nhi\nE", Some("hi\n")),
        shown(8, "false; echo $?", Some("1\n")),
        shown(13, "echo it", None),
        Piece::NewHost,
        Piece::Sample { line: 19, of_master: true, text: "a = 1".to_owned() },
    ];
    assert_eq!(pieces(document), want);
}
