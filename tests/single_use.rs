//! A single-use key admits exactly once, however many try at once.

use crate::support::{Caller, Master, key_pair};

const CONTENDERS: usize = 1000;
const AT_ONCE: usize = 64;

#[test]
fn of_a_thousand_parallel_enrolments_exactly_one_is_admitted() {
    let master = Master::start();
    let key = std::fs::read_to_string(master.api_key("once", &["--uses", "1"])).expect("a key");
    let requests = (0..CONTENDERS).map(|_| key_pair().csr()).collect();
    let answers = Caller::of(&master).enrol_all(key.trim(), requests, AT_ONCE);
    let (admitted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((admitted.len(), answers.len()), (1, CONTENDERS));
    for refused in refused {
        assert_eq!(refused.code(), "api-key-used-up");
    }
    let agent = admitted[0].issued().agent.to_string();
    let agents = master.ctl(&["agent", "list", "--json"]).expect(0).json();
    assert_eq!(agents["items"].as_array().map(Vec::len), Some(1));
    let shown = master.ctl(&["key", "show", "once", "--json"]).expect(0).json();
    assert_eq!((&shown["used"], &shown["lastUsed"]["agent"]), (&1.into(), &agent.into()));
}
