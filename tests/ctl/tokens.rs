//! API tokens and the people they belong to.

use super::{PASSWORD, Person, text};
use crate::support::Master;

#[test]
fn a_token_is_made_used_unlocked_and_ended() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    boss.creates("ann", "auditor");
    let (first, second) = (boss.path("first.jwt"), boss.path("second.jwt"));
    let create = ["token", "create", "reports", "--user", "ann", "--role", "auditor", "--expires", "30d"];
    boss.ctl(&[&create, &["--out", text(&first)][..]].concat()).expect(0);
    let ca = master.dir().join("root-ca.crt");
    let stranger = Person::new();
    let with = |file: &std::path::Path, args: &[&str]| {
        let access = ["--master", master.url(), "--ca-file", text(&ca), "--token-file", text(file)];
        stranger.ctl(&[&access, args].concat())
    };
    let who = with(&first, &["whoami", "--json"]).expect(0).json();
    assert_eq!(
        (&who["user"], &who["credential"], &who["name"]),
        (&"ann".into(), &"token".into(), &"reports".into())
    );
    with(&first, &["audit", "list", "--limit", "1"]).expect(0);
    with(&first, &["user", "disable", "ann"]).expect(4);

    assert!(
        boss.ctl(&["token", "unlock", "reports", "--out", text(&second)]).expect(2).stderr.contains("--yes")
    );
    boss.ctl(&["token", "unlock", "reports", "--yes", "--out", text(&second)]).expect(0);
    with(&first, &["whoami"]).expect(4);
    with(&second, &["whoami"]).expect(0);
    for (edit, code) in [("--disable", 4), ("--enable", 0)] {
        boss.ctl(&["token", "edit", "reports", edit]).expect(0);
        with(&second, &["whoami"]).expect(code);
    }
    boss.ctl(&["user", "disable", "ann"]).expect(0);
    let refused = with(&second, &["whoami"]).expect(4);
    assert!(refused.stderr.contains("owner-inactive") && refused.stderr.contains("hint: "), "{refused:?}");
    boss.ctl(&["user", "enable", "ann"]).expect(0);
    with(&second, &["whoami"]).expect(0);

    let listed = boss.ctl(&["token", "list"]).expect(0);
    assert!(listed.stdout.contains("reports") && !listed.stdout.contains("eyJ"), "{listed:?}");
    let shown = boss.ctl(&["token", "show", "reports", "--json"]).expect(0).json();
    assert_eq!((&shown["unlocked"], &shown["user"]), (&2.into(), &"ann".into()));
    boss.ctl(&["token", "expire", "reports", "--yes"]).expect(0);
    with(&second, &["whoami"]).expect(4);
    assert_eq!(boss.ctl(&["token", "show", "reports", "--json"]).expect(0).json()["standing"], "expired");
    boss.ctl(&["token", "delete", "reports", "--yes"]).expect(0);
    boss.ctl(&["token", "show", "reports"]).expect(1);
}

#[test]
fn people_come_change_and_go() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    boss.ctl(&["role", "create", "Build Master", "--capability", "key.create,agent.enrol"]).expect(0);
    boss.ctl(&["group", "create", "build", "--role", "Build Master", "--description", "who builds"])
        .expect(0);
    boss.creates("ann", "user");
    let may = || {
        let ann = boss.ctl(&["user", "show", "ann", "--json"]).expect(0).json();
        ann["capabilities"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| Some(one.as_str()?.to_owned()))
            .collect::<Vec<_>>()
    };
    assert!(!may().contains(&"agent.enrol".to_owned()));
    boss.ctl(&["user", "edit", "ann", "--add-group", "build", "--email", "ann@example.com"]).expect(0);
    assert!(may().contains(&"agent.enrol".to_owned()), "{:?}", may());
    boss.ctl(&["role", "edit", "Build Master", "--remove-capability", "agent.enrol"]).expect(0);
    assert!(!may().contains(&"agent.enrol".to_owned()));
    assert!(boss.ctl(&["group", "delete", "build", "--yes"]).expect(1).stderr.contains("in-use"));
    boss.ctl(&["user", "edit", "ann", "--remove-group", "build", "--no-email"]).expect(0);
    boss.ctl(&["group", "delete", "build", "--yes"]).expect(0);
    boss.ctl(&["role", "delete", "Build Master", "--yes"]).expect(0);

    let ann = Person::signed_in(&master, "ann", PASSWORD);
    let (new, present) = (ann.file("new", "another horse battery"), ann.file("present", PASSWORD));
    ann.ctl(&["user", "password", "--password-file", text(&new)]).expect(1);
    ann.ctl(&["user", "password", "--password-file", text(&new), "--present-file", text(&present)]).expect(0);
    ann.sign_in(&master, "ann", PASSWORD).expect(4);
    ann.sign_in(&master, "ann", "another horse battery").expect(0);
    let refused = ann.ctl(&["user", "list"]).expect(4);
    assert!(
        refused.stderr.contains("capability-missing") && refused.stderr.contains("hint: "),
        "{refused:?}"
    );
    boss.ctl(&["user", "delete", "ann", "--yes"]).expect(0);
    ann.ctl(&["whoami"]).expect(4);
    let roles = boss.ctl(&["role", "list"]).expect(0).stdout;
    assert!(roles.contains("administrator") && roles.contains("Gatepass"), "{roles}");
    let capabilities = boss.ctl(&["capability", "list"]).expect(0).stdout;
    assert!(capabilities.contains("workload-automation: AGENT_CERTIFICATE"), "{capabilities}");
}
