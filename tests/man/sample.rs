//! The page of a configuration file, made from its sample: the comments above a key or table explain it.

use super::{DATE, roff, source};

/// Where a page comes from, and what the sample does not say.
struct Page {
    name: &'static str,
    about: &'static str,
    sample: &'static str,
    file: &'static str,
    intro: &'static str,
    /// Set in the sample though it has no default.
    required: &'static [&'static str],
    see: &'static str,
}

const PAGES: [Page; 2] = [
    Page {
        name: "gatepass-config.toml",
        about: "configuration of the Gatepass agent",
        sample: "config.toml.example",
        file: "/etc/gatepass/config.toml",
        intro: "Every key has a default, so the file may be missing. An unknown key is refused, and the nearest known one \
            is named. `gatepass config validate` checks a file; `gatepass config show` prints what is in force. A running \
            daemon reads the file again on SIGHUP; a file it cannot accept changes nothing. What the command line says \
            goes before the file.",
        required: &["masters"],
        see: "gatepass (1),\n.BR gatepass\\-run (1),\n.BR gatepass\\-state (5)",
    },
    Page {
        name: "gatepass-master.toml",
        about: "configuration of the Gatepass master",
        sample: "packaging/master.toml.example",
        file: "/var/lib/gatepass-master/master.toml",
        intro: "`gatepass-master init` writes the file. Every key has a default. An unknown key is refused, and the nearest \
            known one is named. `gatepass-master config validate` checks a file; `gatepass-master config show` prints what \
            is in force. The master reads the file when it starts.",
        required: &[],
        see: "gatepass\\-master (1),\n.BR gatepass\\-master\\-serve (1)",
    },
];

/// Name of file and text of each page.
pub(super) fn pages() -> impl Iterator<Item = (String, String)> {
    PAGES.iter().map(|page| (format!("{}.5", page.name), page.text()))
}

impl Page {
    fn text(&self) -> String {
        let Self { name, about, sample, file, intro, required, see } = self;
        let (name, file, source) = (roff(name), roff(file), source());
        let intro = inline(intro);
        format!(
            ".TH {name} 5 {DATE} \"{source}\" Gatepass\n.ad l\n.SH NAME\n{name} \\- {about}\n.SH SYNOPSIS\n.I {file}\n\
             .SH DESCRIPTION\nThe file is TOML. {intro}\n.PP\n\
             Durations are written with their unit: y, d, h, min, s, ms (\\fB12h\\fR, \\fB1d 12h\\fR); a bare number is \
             refused.\nEach key is shown with its default; where \\fIexample\\fR stands beside it, the value is only that.\n\
             .SH KEYS\n{}.SH FILES\n.I {file}\n.SH SEE ALSO\n.BR {see},\n.BR gatepass (7)\n",
            keys(&text(sample), required)
        )
    }
}

enum Line<'a> {
    Table(&'a str),
    Key { text: &'a str, is_set: bool },
    Prose(&'a str),
    Blank,
}

/// A commented line that is TOML shows a key; any other is prose.
fn line(text: &str) -> Line<'_> {
    let bare = text.trim_start_matches('#').trim();
    let is_toml = toml::from_str::<toml::Table>(bare).is_ok();
    match bare {
        "" => Line::Blank,
        table if is_toml && table.starts_with('[') => Line::Table(table),
        _ if is_toml => Line::Key { text: bare, is_set: !text.starts_with('#') },
        _ => Line::Prose(bare),
    }
}

fn text(sample: &str) -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
    std::fs::read_to_string(file).expect("a sample")
}

fn keys(sample: &str, required: &[&str]) -> String {
    let (_head, body) = sample.split_once("\n\n").expect("a head, then the keys");
    let mut keys = Keys::default();
    for text in body.lines() {
        match line(text) {
            Line::Blank => keys.flush(),
            Line::Prose(text) => keys.say(text),
            Line::Table(name) => keys.table(name),
            Line::Key { text, is_set } => {
                let (key, value) = text.split_once('=').expect("TOML");
                keys.key(key.trim(), value.trim(), is_set && !required.contains(&key.trim()));
            }
        }
    }
    keys.flush();
    keys.page
}

/// The list of keys as it grows: what was said belongs to the keys that follow.
#[derive(Default)]
struct Keys<'a> {
    page: String,
    said: Vec<&'a str>,
    tags: usize,
}

impl<'a> Keys<'a> {
    fn say(&mut self, text: &'a str) {
        if self.tags > 0 {
            self.flush();
        }
        self.said.push(text);
    }

    fn table(&mut self, name: &str) {
        self.page.extend([".SS ", &roff(name), "\n"]);
        self.tell();
    }

    fn key(&mut self, key: &str, value: &str, has_default: bool) {
        let tag = if self.tags == 0 { ".TP" } else { ".TQ" };
        let example = if has_default { "" } else { "  (\\fIexample\\fR)" };
        self.page.extend([tag, "\n\\fB", &roff(key), "\\fR = ", &roff(value), example, "\n"]);
        self.tags += 1;
    }

    fn flush(&mut self) {
        if self.tags > 0 {
            self.tell();
        }
        self.tags = 0;
    }

    fn tell(&mut self) {
        let said = std::mem::take(&mut self.said);
        if !said.is_empty() {
            self.page.extend([&inline(&said.join(" ")), "\n"]);
        }
    }
}

/// Running text: what stands between backticks is shown as it is typed.
fn inline(text: &str) -> String {
    let spans = text.split('`').enumerate();
    let spans =
        spans.map(|(n, span)| if n % 2 == 1 { format!("\\fB{}\\fR", roff(span)) } else { roff(span) });
    spans.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
