//! The support archive: what helps is in it, what is secret is not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::Story;
use crate::support::{Output, tool, write};

/// Unpacked; what is in it by name.
fn unpacked(archive: &std::path::Path) -> (PathBuf, Vec<String>) {
    let dir = archive.with_extension("unpacked");
    let script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    Output::of(tool("python3").args(["-c", script]).arg(archive).arg(&dir)).expect(0);
    let inside = dir.join("gatepass-support");
    let mut names: Vec<_> = std::fs::read_dir(&inside)
        .expect("it has a directory")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    (inside, names)
}

#[test]
fn it_tells_everything_but_secrets() {
    let story = Story::new();
    let place = tempfile::tempdir().expect("a directory");
    let (key, auth) = (place.path().join("key"), place.path().join("proxy-auth"));
    std::fs::copy(story.master.path("hosts.key"), &key).expect("copied");
    write(&auth, "proxyuser:proxy-hunter2\n");
    let out = place.path().join("out");
    let more = format!(
        "proxy_auth_file = '{}'\n[[output]]\ndir = '{}'\n[[hook]]\nname = 'reload'\nrun = ['/bin/true', 'hook-hunter2']\n",
        auth.display(),
        out.display()
    );
    let mut agent = story.copy(&more);
    agent.run(&["download"]).expect(0);
    let secret = |path: PathBuf| std::fs::read_to_string(path).expect("a secret");
    let trouble = agent.state().join("state.json");
    let said = secret(trouble.clone()).replace("\"trouble\": null", &format!(
        "\"trouble\": {{\"at\": \"2026-01-01T00:00:00.000Z\", \"message\": \"{} was refused by proxyuser:proxy-hunter2\", \"hint\": null, \"needsHuman\": false}}",
        secret(key).trim()
    ));
    write(&trouble, said);
    let env_key = story.master.api_key("environment", &[]);
    agent.set_env("GATEPASS_APIKEY", secret(env_key.clone()).trim());
    let archive = place.path().join("support.zip");
    let check = agent.run(&["check", "--bundle", archive.to_str().expect("a path of ours")]);
    assert!(check.stderr.contains("support.zip") && check.stdout.contains("identity.fits"), "{check:?}");
    let bits = std::fs::metadata(&archive).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(bits, 0o600);

    let (inside, names) = unpacked(&archive);
    for name in [
        "config.toml",
        "files.txt",
        "findings.json",
        "findings.txt",
        "status.json",
        "status.txt",
        "versions.txt",
    ] {
        assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
    }
    let text = |name: &str| std::fs::read_to_string(inside.join(name)).expect("text");
    assert!(
        text("files.txt").contains("tls.key") && text("files.txt").contains("100600"),
        "{}",
        text("files.txt")
    );
    assert!(text("config.toml").contains(story.master.url()) && text("config.toml").contains("/bin/true"));
    assert!(text("findings.txt").contains("daemon.trouble") && text("findings.txt").contains("[removed]"));

    let mut secrets = vec![
        "proxy-hunter2".to_owned(),
        "hook-hunter2".to_owned(),
        "gpk_".to_owned(),
        "PRIVATE KEY".to_owned(),
    ];
    for file in [story.master.path("hosts.key"), env_key, agent.state().join("current/agent.jwt")] {
        secrets.push(secret(file).trim().to_owned());
    }
    let pem = secret(agent.state().join("current/tls.key"));
    secrets.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    for secret in secrets {
        let leaked = Output::of(tool("grep").args(["-rlF", "--", &secret]).arg(&inside));
        assert_eq!(leaked.code, Some(1), "{secret:.12}… is in {}", leaked.stdout);
    }
}

#[test]
fn where_nothing_else_is_known_it_still_tells_why() {
    let story = Story::new();
    let agent = story.copy("nonsense = 1");
    let archive = agent.path().join("support.zip");
    agent.run(&["check", "--bundle", archive.to_str().expect("a path of ours")]).expect(4);
    let (inside, names) = unpacked(&archive);
    assert!(names.contains(&"findings.txt".to_owned()), "{names:?}");
    let findings = std::fs::read_to_string(inside.join("findings.txt")).expect("text");
    assert!(findings.contains("config.wrong"), "{findings}");
}
