//! What the documents and the man pages name of the command lines exists.

use clap::{Arg, Command, CommandFactory as _};

use super::{documents, markdown, text};

fn programs() -> [Command; 3] {
    let mut programs =
        [gatepass::cli::Cli::command(), gatepass_master::cli::Arguments::command(), gatepassctl::command()];
    programs.iter_mut().for_each(Command::build);
    programs
}

#[test]
fn every_example_in_the_help_exists() {
    let programs = programs();
    let mut examples = Vec::new();
    for program in &programs {
        gather(program, &mut examples);
    }
    for example in &examples {
        let words: Vec<_> = example.split_whitespace().collect();
        let program =
            programs.iter().find(|program| words[0] == program.get_name()).expect("it is looked for");
        assert_eq!(unknown(program, &words[1..]), None, "{example}");
    }
    assert!(examples.len() > 5, "{examples:?}");
}

/// Lines of the texts behind the options that begin with a program, or with `Example:` and one.
fn gather(command: &Command, examples: &mut Vec<String>) {
    let texts = [command.get_after_help(), command.get_after_long_help()];
    for text in texts.into_iter().flatten() {
        let lines = text.to_string().replace("\\\n", "");
        let lines = lines.lines().map(|line| line.trim().trim_start_matches("Example: "));
        let is_command = |line: &&str| {
            ["gatepass ", "gatepass-master ", "gatepassctl "].iter().any(|name| line.starts_with(name))
        };
        examples.extend(lines.filter(is_command).map(str::to_owned));
    }
    for inner in command.get_subcommands() {
        gather(inner, examples);
    }
}

#[test]
fn every_command_that_is_named_exists() {
    let programs = programs();
    let mut seen = 0;
    for document in documents() {
        for (line, span) in markdown::code_spans(&text(&document)) {
            let words: Vec<_> = span.split_whitespace().collect();
            let Some(program) = programs.iter().find(|program| words.first() == Some(&program.get_name()))
            else {
                continue;
            };
            seen += 1;
            let unknown = unknown(program, &words[1..]);
            assert_eq!(unknown, None, "{}:{line}: `{span}`", document.display());
        }
    }
    assert!(seen > 10, "{seen} commands are named");
}

/// The first word that the program does not know: a command while commands are to follow, an option anywhere.
fn unknown<'a>(program: &Command, words: &[&'a str]) -> Option<&'a str> {
    let mut command = program;
    for word in words {
        if let Some(option) = word.strip_prefix("--") {
            let name = option.split('=').next().unwrap_or(option);
            if !command.get_arguments().any(|argument| argument.get_long() == Some(name)) {
                return Some(word);
            }
        } else if let Some(inner) = command.find_subcommand(word) {
            command = inner;
        } else if command.has_subcommands() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            return Some(word);
        }
    }
    None
}

#[test]
fn an_unknown_word_is_found() {
    let program = Command::new("p")
        .subcommand(Command::new("key").subcommand(Command::new("list").arg(Arg::new("all").long("all"))));
    for (words, want) in [
        (&["key", "list", "--all"][..], None),
        (&["key", "list", "NAME"], None),
        (&["key", "lst"], Some("lst")),
        (&["key", "list", "--al"], Some("--al")),
    ] {
        assert_eq!(unknown(&program, words), want);
    }
}
