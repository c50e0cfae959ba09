//! `gatepass install` and what undoes it, on fresh hosts.

use crate::support::Host;

#[test]
fn what_is_done_on_a_fresh_host_is_listed_and_does_not_reach_this_one() {
    let Some(host) = Host::fresh() else { return };
    assert_eq!(host.changes(), Vec::<String>::new());
    host.sh("mkdir /etc/of-a-test && echo one >/etc/of-a-test/file && rm /etc/hostname").expect(0);
    assert_eq!(host.changes(), ["/etc/hostname", "/etc/of-a-test", "/etc/of-a-test/file"]);
    assert!(!std::path::Path::new("/etc/of-a-test").exists());
    assert!(std::path::Path::new("/etc/hostname").exists());
    assert_eq!(host.read("/etc/of-a-test/file").as_deref(), Some("one\n"));
}
