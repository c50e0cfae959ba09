//! The man pages are made from the command lines and committed; `UPDATE=1` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::CommandFactory as _;

#[test]
fn the_committed_man_pages_are_those_of_the_programs() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
    let made = tempfile::tempdir().expect("a directory");
    for program in
        [gatepass::cli::Cli::command(), gatepass_master::cli::Arguments::command(), gatepassctl::command()]
    {
        clap_mangen::generate_to(program, made.path()).expect("pages");
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::remove_dir_all(&committed).expect("removed");
        fs::create_dir_all(&committed).expect("made");
        for (name, page) in pages(made.path()) {
            fs::copy(made.path().join(&name), committed.join(&name))
                .unwrap_or_else(|_| panic!("{name}: {page}"));
        }
    }
    let (made, committed) = (pages(made.path()), pages(&committed));
    assert_eq!(
        made.keys().collect::<Vec<_>>(),
        committed.keys().collect::<Vec<_>>(),
        "UPDATE=1 writes them anew"
    );
    for (name, page) in made {
        assert_eq!(page, committed[&name], "{name}: UPDATE=1 writes it anew");
    }
}

fn pages(dir: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(dir).expect("a directory").map(|file| file.expect("an entry").path());
    let page = |file: std::path::PathBuf| {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(file).expect("a page"))
    };
    files.map(page).collect()
}
