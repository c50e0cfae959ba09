//! The key of an installation is found nowhere but where it is needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::{Host, Master, program, write};

/// For each process, and each of its images since it was first seen: how often the key was seen and not seen.
#[derive(Debug, Default)]
struct Seen {
    images: BTreeMap<(u32, String), (usize, usize)>,
}

impl Seen {
    /// Looks at every process once.
    fn look(&mut self, secrets: &[&str]) {
        for entry in fs::read_dir("/proc").expect("every system has one").flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let (line, environment) = (read("cmdline"), read("environ"));
            let shows = |bytes: &[u8]| secrets.iter().any(|secret| contains(bytes, secret.as_bytes()));
            // Where a process is what it is called after its program was replaced.
            let sealed = contains(&environment, b"GATEPASS_SEALED=");
            let image = if sealed { "sealed" } else { "as started" };
            let counts = self.images.entry((id, image.to_owned())).or_default();
            if shows(&line) || shows(&environment) { counts.0 += 1 } else { counts.1 += 1 }
        }
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Runs the line on the host while every process is looked at; which processes have shown the key, and in which image.
fn watched(host: &Host, line: &str, secrets: &[&str]) -> (String, Seen) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Seen::default();
            while !is_over.load(Ordering::Relaxed) {
                seen.look(secrets);
            }
            seen
        });
        let mut command = host.command("/bin/sh");
        command.args(["-c", line]).stdin(Stdio::null());
        let ended = command.output().expect("it ends");
        is_over.store(true, Ordering::Relaxed);
        let said =
            [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(ended.status.success(), "{said}");
        (said, watcher.join().expect("it looks"))
    })
}

#[test]
fn the_key_is_seen_in_no_process_no_file_and_no_word() {
    let Some(host) = Host::fresh() else { return };
    let master = Master::start();
    let key = fs::read_to_string(master.api_key("secret", &[])).expect("a key").trim().to_owned();
    let port = master.url().rsplit_once(':').expect("a port").1;
    host.sh("useradd --create-home twssecret").expect(0);
    host.put("/root/key", &key);
    let built = program("gatepass").display().to_string();
    host.sh(&format!("ln -s {built} /root/twsinst")).expect(0);
    // The shell that starts it has the key in no argument of its own.
    let line = format!(
        "exec /root/twsinst -new -acceptlicense yes -uname twssecret -tdwbhostname localhost -tdwbport {port} \
         -apikey \"$(cat /root/key)\" 2>&1"
    );
    let (said, seen) = watched(&host, &line, &[&key]);
    assert!(said.contains("AWSFAB033I"), "{said}");
    assert!(!said.contains(&key), "it was said");

    let shown: Vec<_> =
        seen.images.iter().filter(|(_, (shown, _))| *shown > 0).map(|(image, _)| image).collect();
    assert!(shown.iter().all(|(_, image)| image == "as started"), "{shown:?}");
    let ids: std::collections::BTreeSet<_> = shown.iter().map(|(id, _)| id).collect();
    assert!(ids.len() <= 1, "only the process that was given it may show it: {shown:?}");
    let sealed = seen.images.iter().filter(|((_, image), (_, hidden))| image == "sealed" && *hidden > 0);
    assert!(sealed.count() > 0, "nobody was looked at: {:?}", seen.images);

    for path in host.changes() {
        let file = host.path(&path);
        if path != "/root/key" && file.is_file() {
            assert!(!contains(&fs::read(&file).unwrap_or_default(), key.as_bytes()), "{path} holds the key");
        }
    }
}

#[test]
fn a_key_of_the_environment_is_gone_from_it_and_no_memory_image_can_be_had() {
    let Some(host) = Host::fresh() else { return };
    let master = Master::start();
    let key = fs::read_to_string(master.api_key("environment", &[])).expect("a key").trim().to_owned();
    let port = master.url().rsplit_once(':').expect("a port").1;
    host.sh("useradd --create-home twsenv").expect(0);
    host.put("/root/key", &key);
    let built = program("gatepass").display().to_string();
    let line = format!(
        "export GATEPASS_APIKEY=\"$(cat /root/key)\"; exec {built} twsinst -new -acceptlicense yes -uname twsenv \
         -tdwbhostname localhost -tdwbport {port} 2>&1"
    );
    let (said, seen) = watched(&host, &line, &[&key]);
    assert!(said.contains("AWSFAB033I"), "{said}");
    let still = seen.images.iter().filter(|((_, image), (shown, _))| image == "sealed" && *shown > 0);
    assert_eq!(still.count(), 0, "{:?}", seen.images);

    let lock = host.read("/opt/HCL/TWA_twsenv/TWSDATA/gatepass/state/lock").expect("an agent");
    let agent = Path::new("/proc").join(lock.trim());
    let environment = fs::read(agent.join("environ")).expect("it runs");
    assert!(!contains(&environment, key.as_bytes()));
    let limits = fs::read_to_string(agent.join("limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // What cannot be dumped belongs to root in /proc, whoever runs it.
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(agent.join("environ")).expect("it runs")),
        0
    );
}

#[test]
fn the_scripts_of_the_source_tree_hide_the_key_from_a_trace() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = "gpk_of_a_trace";
    for script in ["twsinst", "AgentCertificateDownloader.sh"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
        let fake = dir.path().join("target/debug/gatepass");
        fs::create_dir_all(fake.parent().expect("a directory")).expect("made");
        write(&fake, "#!/bin/sh\necho \"$1 $2 ${#3}\"\n");
        fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
        let mut command = crate::support::tool("/bin/sh");
        command
            .arg("-x")
            .arg(&file)
            .args(["-apikey", key])
            .env("CARGO_TARGET_DIR", dir.path().join("target"));
        let ended = crate::support::Output::of(&mut command).expect(0);
        assert!(!ended.stderr.contains(key), "{}", ended.stderr);
        assert_eq!(ended.stdout.trim(), format!("{} -apikey {}", script.trim_end_matches(".sh"), key.len()));
    }
}
