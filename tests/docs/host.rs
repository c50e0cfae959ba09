//! A host as the reader has it: our programs in `/usr/bin`, root, and the names of the documents, which all lead to it.
//!
//! A copy of this machine that forgets everything (an overlay), with processes and a network of its own: what a document
//! starts there ends with it, and its fixed ports are nobody else's.

use super::markdown::Shown;
use crate::support::{Output, program, tool};

/// What came of a command: standard output and error together, as on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) code: i32,
}

/// Runs commands there one after the other, in one shell; `None`, with a line that says so, where no such host can be made.
pub(super) fn run(scene: &[Shown]) -> Option<Vec<Answer>> {
    let dir = tempfile::tempdir().expect("a directory");
    let programs = program("gatepass").parent().expect("a directory").to_owned();
    let mut host = tool("timeout");
    host.args(["120", "unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child"]);
    host.args(["sh", "-euc", HOST, "host"]).arg(dir.path()).arg(programs).arg(story(scene));
    let ran = Output::of(host.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"));
    if ran.code == Some(IMPOSSIBLE) || ran.stderr.starts_with("unshare:") {
        skip(&ran);
        return None;
    }
    assert!(ran.stderr.is_empty(), "the host: {}", ran.stderr);
    Some(answers(&ran.stdout))
}

const IMPOSSIBLE: i32 = 77;

/// `$1` a directory to make it in, `$2` where the programs are, `$3` what is typed.
const HOST: &str = r#"
mount -t tmpfs host "$1" || exit 77
root=$1/root
mkdir "$1/upper" "$1/work" "$root"
mount -t overlay host -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$root" || exit 77
for program in gatepass gatepass-master gatepassctl; do
    touch "$root/usr/bin/$program"
    mount --bind "$2/$program" "$root/usr/bin/$program"
done
for fresh in tmp run root; do
    mount -t tmpfs -o mode=0700 fresh "$root/$fresh"
done
chmod 1777 "$root/tmp"
chmod 755 "$root/run"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
ip link set lo up
hostname db7
echo 127.0.0.1 localhost db7.example.com db7 master.example.com master2.example.com gw1.example.com >"$root/etc/hosts"
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb COLUMNS=100 \
    bash -c "$3"
"#;

/// Stands between answers; no program prints it.
const MARK: char = '\u{1}';

fn story(scene: &[Shown]) -> String {
    // Nothing is typed after a failure: what follows would wait for what is not there.
    let told = format!("code=$?; printf '\\n{MARK}%d{MARK}' $code; [ $code = 0 ] || exit");
    let typed = |shown: &Shown| format!("{}\n{told}\n", shown.command);
    let typed: String = scene.iter().map(typed).collect();
    format!("exec 2>&1 </dev/null; cd\n{typed}")
}

fn answers(said: &str) -> Vec<Answer> {
    let mut parts = said.split(MARK);
    let mut answers = Vec::new();
    while let (Some(text), Some(code)) = (parts.next(), parts.next()) {
        let text = text.strip_suffix('\n').unwrap_or(text).to_owned();
        answers.push(Answer { text, code: code.parse().expect("a code") });
    }
    answers
}

#[expect(clippy::print_stdout, reason = "who reads the tests' output has to know what was not tried")]
fn skip(tried: &Output) {
    println!("SKIPPED: no host can be made here: {}", tried.stderr.trim());
}
