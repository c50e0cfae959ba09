//! The packages: made from the programs under test, judged by the distributions' own tools, installed and removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::{Host, Output, program, tool, write};

/// Made once for all stories here, beside the other results of the build.
fn packages() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let bins = program("gatepass");
        let mut package = tool(top().join("scripts/package"));
        package.args(["--quick", "--version", "0.1.0", "--bin-dir"]).arg(bins.parent().expect("a directory"));
        Output::of(package.arg("--out").arg(&place).arg("all")).expect(0);
        place
    })
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Those whose name ends like that.
fn made(end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(packages()).expect("they were made");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(end));
    files.sort();
    assert!(!files.is_empty(), "no {end}");
    files
}

fn the(end: &str) -> String {
    made(end)[0].to_str().expect("a name of ours").to_owned()
}

#[test]
fn the_distributions_tools_find_nothing_wrong() {
    let mut lintian = tool("lintian");
    lintian.args(["--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning"]);
    let found = Output::of(lintian.args(made(".deb"))).expect(0);
    assert_eq!(found.stdout, "");
    let mut rpmlint = tool("rpmlint");
    rpmlint.arg("--config").arg(top().join("packaging/rpm/rpmlint.toml"));
    let found = Output::of(rpmlint.args(made(".rpm"))).expect(0);
    assert!(found.stdout.contains("0 errors, 0 warnings"), "{}", found.stdout);
}

/// Pages and documents come and go with the commands: `tests/man.rs` and `tests/docs.rs` know them.
fn is_listed(path: &str) -> bool {
    let name = path.strip_suffix(".gz").unwrap_or(path);
    !name.contains("/share/man/") && Path::new(name).extension().is_none_or(|end| end != "md")
}

#[test]
fn nothing_unexpected_is_in_them() {
    let mut listing = String::new();
    for deb in made(".deb") {
        let mut lines: Vec<String> = Output::of(tool("dpkg-deb").arg("--contents").arg(&deb))
            .expect(0)
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| !words[0].starts_with('d') && is_listed(words[5]))
            .map(|words| format!("{} {} {}\n", words[0], words[1], words[5..].join(" ")))
            .collect();
        lines.sort();
        listing.extend(["# ", &deb.file_name().expect("a name").to_string_lossy(), "\n", &lines.concat()]);
    }
    for rpm in made(".rpm") {
        let mut lines: Vec<String> = Output::of(tool("rpm").args(["-qp", "--qf"])
            .arg("[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]").arg(&rpm))
        .expect(0)
        .stdout
        .lines()
        .filter(|line| !line.starts_with('d') && is_listed(line))
        .map(|line| format!("{line}\n"))
        .collect();
        lines.sort();
        listing.extend(["# ", &rpm.file_name().expect("a name").to_string_lossy(), "\n", &lines.concat()]);
    }
    let committed = top().join("tests/packages/contents.txt");
    if std::env::var_os("UPDATE").is_some() {
        write(&committed, &listing);
    }
    let known = fs::read_to_string(&committed).expect("it is committed");
    assert_eq!(listing, known, "UPDATE=1 writes it anew");
}

#[test]
fn each_says_what_it_is_made_of() {
    let documents = made(".cdx.json");
    assert_eq!(documents.len(), 3);
    let agent = fs::read_to_string(&documents[0]).expect("readable");
    assert!(agent.contains("pkg:cargo/rustls@") && !agent.contains("pkg:cargo/rusqlite@"));
    let texts = fs::read_to_string(the("gatepass-0.1.0.licenses.txt")).expect("readable");
    assert!(texts.contains("\nrustls 0.") && texts.contains("Permission is hereby granted"));
    for text in [&agent, &texts] {
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "no place of the machine that built it");
    }
    Output::of(tool(validator()).arg(top().join("tests/packages/validate.py")).args(&documents)).expect(0);
}

/// A Python that knows the schema; installed once, under the name of what is wanted.
fn validator() -> PathBuf {
    let requirements = top().join("tests/packages/requirements.txt");
    let wanted = fs::read(&requirements).expect("they are committed");
    let digest = gatepass_contract::digest::Sha256::of(&wanted).to_string();
    let target = packages().ancestors().nth(2).expect("it lies in the target directory");
    let home = target.join("tools").join(format!("cyclonedx-{}", &digest[..12]));
    if !home.join("complete").exists() {
        Output::of(tool("python3").args(["-m", "venv", "--clear"]).arg(&home)).expect(0);
        let mut pip = tool(home.join("bin/pip"));
        Output::of(pip.args(["install", "--quiet", "--no-deps", "--requirement"]).arg(&requirements))
            .expect(0);
        write(home.join("complete"), "");
    }
    home.join("bin/python")
}

/// The archive, unpacked for one story.
fn unpacked() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    Output::of(tool("tar").arg("xzf").arg(the(".tar.gz")).arg("-C").arg(dir.path())).expect(0);
    let inside = fs::read_dir(dir.path()).expect("unpacked").next().expect("one directory");
    let inside = inside.expect("an entry").path();
    (dir, inside)
}

fn install(from: &Path, args: &[&str]) -> Output {
    Output::of(tool(from.join("install.sh")).args(args))
}

fn files_below(dir: &Path) -> Vec<String> {
    let found = Output::of(tool("find").arg(dir).args(["-not", "-type", "d", "-printf", "%P\n"])).expect(0);
    found.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_archive_installs_and_goes_without_a_trace() {
    let (dir, from) = unpacked();
    let prefix = dir.path().join("a place");
    let at = prefix.to_str().expect("a name of ours");
    for _again in 0..2 {
        install(&from, &["--prefix", at]).expect(0);
    }
    let there = files_below(&prefix);
    for file in
        ["bin/gatepass", "bin/twsinst", "bin/AgentCertificateDownloader.sh", "share/man/man1/gatepass.1"]
    {
        assert!(there.iter().any(|found| found == file), "{file} in {there:?}");
    }
    assert!(!there.iter().any(|found| found == "bin/gatepassctl"), "it was not asked for: {there:?}");
    install(&from, &["--prefix", at, "--program", "gatepassctl"]).expect(0);
    let says = Output::of(tool(prefix.join("bin/gatepassctl")).arg("--version")).expect(0);
    assert!(says.stdout.starts_with("gatepassctl "), "{says:?}");
    write(prefix.join("share/doc/gatepass/README.md"), "a note of the administrator's\n");
    let out = install(&from, &["--prefix", at, "--uninstall"]).expect(0);
    assert!(out.stdout.contains("kept, for it was changed"), "{out:?}");
    assert_eq!(files_below(&prefix), ["share/doc/gatepass/README.md"]);
    install(&from, &["--prefix", at, "--uninstall"]).expect(4);
}

#[test]
fn an_archive_that_is_not_whole_installs_nothing() {
    for spoil in ["share/man/man1/gatepass.1", "bin/gatepassctl"] {
        let (dir, from) = unpacked();
        let prefix = dir.path().join("place");
        write(from.join(spoil), "something else");
        let out = install(&from, &["--prefix", prefix.to_str().expect("a name of ours")]).expect(4);
        assert!(out.stderr.contains(spoil) && out.stderr.contains("nothing was installed"), "{out:?}");
        assert!(!prefix.exists());
    }
    let sums =
        Output::of(tool("sha256sum").arg("--check").arg(the(".sha256")).current_dir(packages())).expect(0);
    assert!(sums.stdout.ends_with(": OK\n"));
}

fn dpkg(host: &Host, args: &[&str]) -> Output {
    Output::of(host.command("/usr/bin/dpkg").env("DEBIAN_FRONTEND", "noninteractive").args(args))
}

/// But for what dpkg and the index of manual pages remember themselves.
fn traces(host: &Host) -> Vec<String> {
    let known = ["/var/lib/dpkg/", "/var/log/dpkg.log", "/var/cache/man/", "/var/cache/ldconfig/"];
    let mut changes = host.changes();
    changes.retain(|path| !known.iter().any(|start| path.starts_with(start)));
    changes
}

#[test]
fn an_agent_is_installed_asleep_and_purged_without_a_trace() {
    let Some(host) = Host::fresh() else { return };
    let deb = the("/gatepass_0.1.0_amd64.deb");
    dpkg(&host, &["--install", &deb]).expect(0);
    host.sh("getent passwd gatepass && test -d /etc/credstore && test -f /etc/gatepass/config.toml")
        .expect(0);
    host.sh("test ! -e /etc/systemd/system/multi-user.target.wants/gatepass.service").expect(0);
    host.sh("gatepass config validate && gatepass preflight && twsinst -v").expect(0);
    // What running it leaves, and what belongs to it by hand.
    host.sh(
        "install -d -m 700 -o gatepass /var/lib/private/gatepass && ln -s private/gatepass /var/lib/gatepass",
    )
    .expect(0);
    host.sh("echo 1 > /var/lib/gatepass/format; echo key > /etc/credstore/gatepass.apikey").expect(0);
    host.sh(
        "mkdir /etc/systemd/system/gatepass.service.d && touch /etc/systemd/system/gatepass.service.d/a.conf",
    )
    .expect(0);
    dpkg(&host, &["--install", &deb]).expect(0);
    dpkg(&host, &["--remove", "gatepass"]).expect(0);
    host.sh("test -f /etc/gatepass/config.toml -a -f /var/lib/gatepass/format -a -f /etc/credstore/gatepass.apikey").expect(0);
    dpkg(&host, &["--purge", "gatepass"]).expect(0);
    assert_eq!(traces(&host), Vec::<String>::new());
}

#[test]
fn a_downgrade_below_what_wrote_the_state_is_refused() {
    let Some(host) = Host::fresh() else { return };
    let deb = the("/gatepass_0.1.0_amd64.deb");
    dpkg(&host, &["--install", &deb]).expect(0);
    host.sh("mkdir -m 700 /srv/identity && echo 2 > /srv/identity/format && chmod 600 /srv/identity/format")
        .expect(0);
    host.sh("echo 'state_dir = \"/srv/identity\"' >> /etc/gatepass/config.toml").expect(0);
    let out = dpkg(&host, &["--install", &deb]).expect(1);
    let want = "the state in /srv/identity has format 2, the program in this package reads up to 1";
    assert!(
        out.stderr.contains(want) && out.stderr.contains("hint: install the version that wrote it"),
        "{out:?}"
    );
    let state = host.sh("dpkg-query --show --showformat='${db:Status-Status}' gatepass").expect(0);
    assert_eq!(state.stdout, "installed");
    let out = host.sh("gatepass preflight").expect(4);
    assert!(out.stdout.contains("has format 2"), "{out:?}");

    let deb = the("/gatepass-master_0.1.0_amd64.deb");
    dpkg(&host, &["--install", &deb]).expect(0);
    host.sh("gatepass-master init --dir /var/lib/gatepass-master --name localhost").expect(0);
    dpkg(&host, &["--install", &deb]).expect(0);
    let raise = "import sqlite3; db = sqlite3.connect('/var/lib/gatepass-master/gatepass.db'); db.execute('pragma user_version = 99')";
    Output::of(host.command("/usr/bin/python3").args(["-c", raise])).expect(0);
    let out = dpkg(&host, &["--install", &deb]).expect(1);
    assert!(out.stderr.contains("the database has schema 99"), "{out:?}");
    dpkg(&host, &["--purge", "gatepass-master"]).expect(0);
    assert!(!traces(&host).iter().any(|path| path.contains("master")), "{:?}", traces(&host));
}

/// An image of what the programs and the build files need of a base, and no more: taken from this machine.
const BASE: &str = r#"
mkdir -p "$0/base/tmp"
for file in /bin/sh /usr/bin/install $(ldd /bin/sh /usr/bin/install "$@" | grep -o '/[^ :]*' | sort -u); do
    [ ! -e "$file" ] || { mkdir -p "$0/base/$(dirname "$file")" && cp -L "$file" "$0/base/$file"; }
done
"#;

#[test]
fn container_images_are_built_without_a_network_and_run_as_nobody_special() {
    let (dir, context) = unpacked();
    let buildah = |args: &[&str]| {
        let mut buildah = tool("buildah");
        buildah.args(["--storage-driver", "vfs", "--root"]).arg(dir.path().join("images"));
        buildah.arg("--runroot").arg(dir.path().join("run")).args(args);
        buildah
    };
    if tool("buildah").arg("--version").output().is_err() {
        return say("SKIPPED: no container images are built: there is no buildah");
    }
    let programs = ["gatepass", "gatepass-master"].map(program);
    Output::of(tool("sh").args(["-c", BASE]).arg(dir.path()).args(&programs)).expect(0);
    let empty = Output::of(&mut buildah(&["from", "scratch"])).expect(0).stdout;
    let base = dir.path().join("base");
    Output::of(buildah(&["copy", "--quiet", empty.trim()]).arg(base).arg("/")).expect(0);
    Output::of(&mut buildah(&["commit", "--quiet", empty.trim(), "localhost/base"])).expect(0);
    for (image, program, state) in [
        ("agent", "gatepass", "/var/lib/gatepass"),
        ("master", "gatepass-master", "/var/lib/gatepass-master"),
    ] {
        let file = top().join(format!("packaging/oci/Containerfile.{image}"));
        let mut build =
            buildah(&["build", "--isolation", "chroot", "--format", "docker", "--pull-never", "--quiet"]);
        build.args(["--build-arg", "BASE=localhost/base", "--tag", image, "--file"]).arg(file);
        Output::of(build.arg(&context)).expect(0);
        let made =
            Output::of(&mut buildah(&["from", "--pull-never", &format!("localhost/{image}")])).expect(0);
        let inside = |line: &str| {
            Output::of(&mut buildah(&[
                "run",
                "--isolation",
                "chroot",
                made.stdout.trim(),
                "--",
                "sh",
                "-c",
                line,
            ]))
        };
        let says = inside(&format!("{program} --version")).expect(0);
        assert!(says.stdout.starts_with(&format!("{program} ")), "{says:?}");
        inside(&format!("echo > {state}/a-file")).expect(0);
        let elsewhere = inside("echo > /usr/bin/a-file");
        assert_ne!(elsewhere.code, Some(0), "it is not root there");
    }
}

#[expect(clippy::print_stdout, reason = "who reads the tests' output has to know what was not tried")]
fn say(line: &str) {
    println!("{line}");
}
