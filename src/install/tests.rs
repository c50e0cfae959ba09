use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{
    Content, Contents, Did, Directory, Entry, Event, File, InstallError, Link, Owner, Plan, Removal, Step,
    apply, dry_run, remove,
};
use crate::store::write_atomically;

/// A host of one directory.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn holds(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn directory(&self, name: &str) -> Step {
        let contents = Contents::Anybodys;
        Step::Directory(Directory {
            path: self.path(name),
            owner: Owner::default(),
            mode: Some(0o750),
            contents,
        })
    }

    fn file(&self, name: &str, text: &str) -> Step {
        let content = Content::Text(text.to_owned());
        Step::File(File { path: self.path(name), content, owner: Owner::default(), mode: 0o640, keep: false })
    }

    fn entry(&self, mark: &str) -> Step {
        Step::Entry(Entry {
            dir: self.path("registry"),
            prefix: "instance".to_owned(),
            suffix: ".properties".to_owned(),
            mark: mark.to_owned(),
            text: format!("{mark}\nnumber={{n}}\n"),
            owner: Owner::default(),
            mode: 0o644,
        })
    }

    fn plan(&self, steps: Vec<Step>) -> Plan {
        Plan { place: self.path("above/journal"), steps }
    }

    /// Everything there is, in order.
    fn listing(&self) -> Vec<String> {
        let mut all = Vec::new();
        list(self.0.path(), self.0.path(), &mut all);
        all.sort();
        all
    }
}

fn list(root: &Path, dir: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("read") {
        let path = entry.expect("an entry").path();
        all.push(path.strip_prefix(root).expect("inside").display().to_string());
        if path.is_dir() && !path.is_symlink() {
            list(root, &path, all);
        }
    }
}

async fn carry_out(plan: &Plan) -> (Result<super::Outcome, InstallError>, Vec<Event>) {
    let mut events = Vec::new();
    let outcome = apply(plan, &mut |event| events.push(event)).await;
    (outcome, events)
}

#[tokio::test]
async fn what_is_made_is_made_once_and_removed_without_a_trace() {
    let host = Host::new();
    let link = Step::Link(Link { path: host.path("a/b/link"), target: "file".into() });
    let plan = host.plan(vec![host.directory("a/b"), host.file("a/b/file", "one"), link]);
    let dry = dry_run(&plan, &mut |_| {}).await.expect("looked");
    assert_eq!((dry.changed, host.listing()), (3, vec![]), "a dry run makes nothing");
    let (outcome, _) = carry_out(&plan).await;
    assert_eq!(outcome.expect("installed").changed, 3);
    assert_eq!(host.holds("a/b/link").as_deref(), Some("one"));
    assert_eq!(fs::metadata(host.path("a/b")).expect("made").permissions().mode() & 0o777, 0o750);
    let before = host.listing();
    let (outcome, events) = carry_out(&plan).await;
    assert_eq!(outcome.expect("looked").changed, 0);
    assert!(events.contains(&Event::Finished { changed: 0, of: 3, dry_run: false }), "{events:?}");
    assert_eq!(host.listing(), before);
    assert_eq!(remove(&plan.place, Removal::All, &mut |_| {}).await.expect("removed"), 3);
    assert_eq!(host.listing(), Vec::<String>::new());
    assert_eq!(remove(&plan.place, Removal::All, &mut |_| {}).await.expect("nothing to do"), 0);
}

#[tokio::test]
async fn a_run_that_fails_leaves_what_was_there_before_it() {
    let host = Host::new();
    write_atomically(&host.path("file"), b"theirs", 0o604).expect("written");
    write_atomically(&host.path("in the way"), b"", 0o600).expect("written");
    let before = host.listing();
    let steps = vec![
        host.directory("new/dir"),
        host.file("new/dir/x", "x"),
        host.file("file", "ours"),
        host.directory("in the way"),
    ];
    let (outcome, events) = carry_out(&host.plan(steps)).await;
    let error = outcome.expect_err("a file is in the way");
    let InstallError::Step { number: 4, of: 4, left, .. } = &error else { panic!("{error}") };
    assert_eq!(left, &Vec::<String>::new());
    assert!(error.to_string().ends_with("this host is as it was before"), "{error}");
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Undone { .. })).count(), 3);
    assert_eq!((host.listing(), host.holds("file").as_deref()), (before, Some("theirs")));
    assert_eq!(fs::metadata(host.path("file")).expect("there").permissions().mode() & 0o777, 0o604);
}

#[tokio::test]
async fn what_was_there_before_the_first_run_comes_back_when_all_is_removed() {
    let host = Host::new();
    write_atomically(&host.path("file"), b"theirs", 0o604).expect("written");
    for text in ["one", "two", "three"] {
        carry_out(&host.plan(vec![host.file("file", text)])).await.0.expect("installed");
        assert_eq!(host.holds("file").as_deref(), Some(text));
    }
    remove(&host.path("above/journal"), Removal::All, &mut |_| {}).await.expect("removed");
    assert_eq!((host.holds("file").as_deref(), host.listing()), (Some("theirs"), vec!["file".to_owned()]));
}

#[tokio::test]
async fn what_others_put_into_our_directory_stays_and_is_named() {
    let host = Host::new();
    carry_out(&host.plan(vec![host.directory("a/b")])).await.0.expect("installed");
    write_atomically(&host.path("a/b/theirs"), b"", 0o600).expect("written");
    let mut events = Vec::new();
    remove(&host.path("above/journal"), Removal::All, &mut |event| events.push(event))
        .await
        .expect("removed");
    assert!(matches!(&events[0], Event::Left { what } if what.contains("a/b")), "{events:?}");
    assert_eq!(host.listing(), ["a", "a/b", "a/b/theirs"]);
}

#[tokio::test]
async fn a_registry_entry_gets_the_next_free_number_and_keeps_it() {
    let host = Host::new();
    fs::create_dir(host.path("registry")).expect("made");
    write_atomically(&host.path("registry/instance0.properties"), b"owner=a\n", 0o644).expect("written");
    for _ in 0..2 {
        carry_out(&host.plan(vec![host.entry("owner=b")])).await.0.expect("entered");
        assert_eq!(host.holds("registry/instance1.properties").as_deref(), Some("owner=b\nnumber=1\n"));
        assert!(!host.path("registry/instance2.properties").exists());
    }
    remove(&host.path("above/journal"), Removal::All, &mut |_| {}).await.expect("removed");
    assert_eq!(host.listing(), ["registry", "registry/instance0.properties"]);
}

#[tokio::test]
async fn the_second_of_two_waits_and_finds_nothing_to_do() {
    let host = Host::new();
    let plan = host.plan(vec![host.directory("a"), host.file("a/file", "one")]);
    let (one, two) = tokio::join!(carry_out(&plan), carry_out(&plan));
    let changed = [one.0.expect("installed").changed, two.0.expect("installed").changed];
    assert_eq!(changed.iter().sum::<usize>(), 2, "{changed:?}");
}

#[tokio::test]
async fn a_journal_of_a_newer_program_is_refused_and_left() {
    let host = Host::new();
    fs::create_dir_all(host.path("above/journal")).expect("made");
    write_atomically(&host.path("above/journal/journal.json"), b"{\"format\": 99}", 0o600).expect("written");
    let plan = host.plan(vec![host.directory("a")]);
    assert!(matches!(carry_out(&plan).await.0, Err(InstallError::Newer(_))));
    assert!(!host.path("a").exists() && host.path("above/journal/journal.json").exists());
}

#[test]
fn an_event_is_a_line_for_people_and_an_object_for_machines() {
    let event = Event::Step { number: 2, of: 9, what: "write /etc/x".to_owned(), did: Did::Changed };
    assert_eq!(event.to_string(), "[2/9] write /etc/x: done");
    let json = serde_json::to_string(&event).expect("plain data");
    assert_eq!(json, r#"{"event":"step","number":2,"of":9,"what":"write /etc/x","did":"changed"}"#);
}
