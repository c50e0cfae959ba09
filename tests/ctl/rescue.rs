//! When the network or somebody else gets in between.

use super::{Person, text};
use crate::support::{Master, Mishap, Proxy};

#[test]
fn a_creation_whose_answer_is_lost_is_repeated_and_happens_once() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    let proxy = Proxy::before(master.url());
    let (address, long) = (proxy.url(), "long enough to be recognised on its way ".repeat(6));
    let through = ["--master", &address];
    let create =
        ["key", "create", "once", "--kind", "personal", "--capability", "agent.read", "--description", &long];
    for (mishap, name) in [(Mishap::LoseAnswer, "once"), (Mishap::LoseRequest, "twice")] {
        let file = boss.path(name);
        let mut create = create.to_vec();
        create[2] = name;
        proxy.set_once(mishap);
        let before = proxy.happened();
        boss.ctl(&[&through, &create[..], &["--out", text(&file)]].concat()).expect(0);
        assert_eq!(proxy.happened(), before + 1, "{mishap:?} happened");
        let who = boss.ctl(&["whoami", "--json", "--apikey-file", text(&file)]).expect(0).json();
        assert_eq!(who["name"], name, "the secret that came is the key's");
    }
    let keys = boss.ctl(&["key", "list", "--json"]).expect(0).json();
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(3), "one each, and the administrator's own");
    proxy.set(Mishap::LoseAnswer);
    let mut create = create.to_vec();
    create[2] = "never";
    let lost = boss.ctl(&[&through, &create[..]].concat()).expect(3);
    assert!(lost.stderr.contains("cannot reach the master"), "{lost:?}");
}

#[test]
fn lists_are_fetched_as_far_as_wanted_and_say_where_to_go_on() {
    let master = Master::start();
    let boss = Person::administrator(&master);
    for n in 0..4 {
        let name = format!("key {n}");
        boss.ctl(&["key", "create", &name, "--kind", "personal", "--capability", "agent.read"]).expect(0);
    }
    let names = |args: &[&str]| {
        let page = boss.ctl(&[&["key", "list", "--sort", "name", "--json"], args].concat()).expect(0).json();
        let names: Vec<String> =
            page["items"].as_array().expect("a list").iter().map(|key| key["name"].to_string()).collect();
        (names, page["next"].as_str().map(str::to_owned))
    };
    let (all, end) = names(&[]);
    assert_eq!((all.len(), end), (5, None));
    let (first, next) = names(&["--limit", "3"]);
    let (rest, end) = names(&["--limit", "3", "--after", &next.expect("there are more")]);
    assert_eq!(([first, rest].concat(), end), (all, None));
    let cut = boss.ctl(&["key", "list", "--limit", "1"]).expect(0);
    assert!(cut.stdout.lines().count() == 2 && cut.stderr.contains("there are more"), "{cut:?}");
    let one = boss.ctl(&["key", "list", "--name", "key 2", "--json"]).expect(0).json();
    let id = one["items"][0]["id"].as_str().expect("an id").to_owned();
    for wanted in ["key 2", &id, &id.to_lowercase(), &id[..7]] {
        assert_eq!(
            boss.ctl(&["key", "show", wanted, "--json"]).expect(0).json()["id"],
            id.as_str(),
            "{wanted}"
        );
    }
}

#[test]
fn what_policy_demands_is_said_with_the_option_that_gives_it() {
    let config = "[audit]\nannotation_required = ['key.suspend']\n";
    let options = crate::support::MasterOptions { config, ..crate::support::MasterOptions::default() };
    let master = Master::with(options);
    let boss = Person::administrator(&master);
    boss.ctl(&["key", "create", "x", "--kind", "personal", "--capability", "agent.read"]).expect(0);
    let refused = boss.ctl(&["key", "suspend", "x"]).expect(1);
    assert!(
        refused.stderr.contains("annotation-required") && refused.stderr.contains("--annotate"),
        "{refused:?}"
    );
    boss.ctl(&["key", "suspend", "x", "--annotate", "on holiday"]).expect(0);
}
