//! From a change to the mail about it, with real programs: every event arrives, a server that is away costs nothing but
//! time, and what a dead master left behind is delivered by the next.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{
    Cluster, Fake, Mail, Master, MasterOptions, Output, Smtp, Way, eventually, http, program, tool,
};

/// A master that sends mail through that server.
fn master(smtp: &Smtp, more: &str) -> Master {
    master_on(None, smtp, more)
}

/// The same on a database server.
fn master_on(database: Option<String>, smtp: &Smtp, more: &str) -> Master {
    let config = format!(
        "\n[notices]\nprovider = [\"ops@example.com\"]\nfrom = \"Gatepass <gatepass@example.com>\"\n\
         base_url = \"https://gatepass.example.com:443\"\nscan_every = \"1s\"\nretry_after = \"1s\"\n{}\n{more}\n",
        smtp.config()
    );
    let master = Master::with(MasterOptions { config: config.leak(), database, ..MasterOptions::default() });
    master.ctl(&["user", "edit", "administrator", "--email", "root@example.com"]).expect(0);
    master
}

/// A key of nobody's concern but its owner's and the provider's.
fn key(master: &Master, name: &str, more: &[&str]) {
    let file = master.path(&format!("{name}.key"));
    let file = file.to_str().expect("a path of ours");
    let mut args =
        vec!["key", "create", name, "--kind", "personal", "--capability", "agent.enrol", "--out", file];
    args.extend(more);
    master.ctl(&args).expect(0);
}

/// Somebody who decides about requests, with a key of hers in a file.
fn approver(master: &Master) -> PathBuf {
    master.ctl(&["user", "create", "grace", "--email", "grace@example.com", "--role", "approver"]).expect(0);
    let file = master.path("grace.key");
    let out = file.to_str().expect("a path of ours");
    let create = ["key", "create", "grace", "--kind", "personal", "--owner", "grace", "--out", out];
    master.ctl(&[&create[..], &["--capability", "key.approve,key.read"]].concat()).expect(0);
    file
}

/// Subjects by receiver, in no order: mails overtake each other.
fn arrived(mails: &[Mail]) -> Vec<(String, String)> {
    let mut arrived: Vec<_> =
        mails.iter().map(|mail| (mail.header("to").to_owned(), mail.header("subject").to_owned())).collect();
    arrived.sort();
    arrived
}

#[track_caller]
fn expect(smtp: &Smtp, seen: &mut usize, want: &[(&str, &str)]) -> Vec<Mail> {
    let mails = smtp.expect(*seen + want.len()).split_off(*seen);
    *seen += want.len();
    let mut want: Vec<_> =
        want.iter().map(|(to, subject)| ((*to).to_owned(), (*subject).to_owned())).collect();
    want.sort();
    assert_eq!(arrived(&mails), want);
    mails
}

const ROOT: &str = "root@example.com";
const OPS: &str = "ops@example.com";
const GRACE: &str = "grace@example.com";

#[test]
fn each_change_of_a_key_is_told_to_whom_it_concerns() {
    let smtp = Smtp::start(Way::Starttls);
    let master = master(&smtp, "[approval]\ncreation = [\"service\"]\n");
    let grace = approver(&master);
    let mut seen = 0;
    let created =
        expect(&smtp, &mut seen, &[(GRACE, "API key grace was created"), (OPS, "API key grace was created")]);
    let secret = std::fs::read_to_string(&grace).expect("the key");
    for mail in &created {
        assert!(
            mail.encrypted && !mail.raw.contains(secret.trim()) && !mail.raw.contains("gpk_"),
            "{mail:?}"
        );
    }

    master.api_key("backup", &[]);
    let pending = "Approval needed: API key backup";
    let mails = expect(&smtp, &mut seen, &[(GRACE, pending), (OPS, pending)]);
    assert!(mails[0].text.contains("administrator asked for a new API key"), "{}", mails[0].text);
    assert!(mails[0].text.contains("https://gatepass.example.com/api/v1/apikeys/"), "{}", mails[0].text);
    master.ctl_with(&grace, &["key", "approve", "backup"]).expect(0);
    let approved = "API key backup was approved";
    let mails = expect(&smtp, &mut seen, &[(ROOT, approved), (OPS, approved)]);
    assert!(mails[0].text.contains("Decided by: grace"), "{}", mails[0].text);

    master.api_key("second", &[]);
    expect(
        &smtp,
        &mut seen,
        &[(GRACE, "Approval needed: API key second"), (OPS, "Approval needed: API key second")],
    );
    let reason = "<script>alert('${owner}')</script> {% if 1 %}";
    master.ctl_with(&grace, &["key", "reject", "second", "--reason", reason]).expect(0);
    let mails = expect(&smtp, &mut seen, &[(ROOT, "Rejected: creation of API key second")]);
    assert!(mails[0].text.contains(reason), "{}", mails[0].text);
    assert!(!mails[0].html.contains("<script>"), "{}", mails[0].html);

    for (args, to, subject) in [
        (&["key", "renew", "backup", "--expires", "30d"][..], &[ROOT, OPS][..], "API key backup was renewed"),
        (&["key", "suspend", "backup"], &[ROOT], "API key backup was suspended"),
        (&["key", "resume", "backup"], &[ROOT], "API key backup can be used again"),
        (&["key", "rotate", "backup"], &[ROOT, OPS], "API key backup is being rotated"),
        (&["key", "revoke", "backup", "--yes"], &[ROOT], "API key backup was revoked"),
    ] {
        master.ctl(args).expect(0);
        let want: Vec<_> = to.iter().map(|to| (*to, subject)).collect();
        expect(&smtp, &mut seen, &want);
    }
    let sent = || {
        let listed = master.ctl(&["notice", "list", "--state", "sent", "--json"]).expect(0).json();
        listed["items"].as_array().map(Vec::len)
    };
    // That a mail has left is written down after it has arrived.
    eventually("all are listed", Duration::from_secs(10), || sent() == Some(seen));
}

#[test]
fn an_end_is_told_of_before_and_after() {
    let smtp = Smtp::start(Way::Tls);
    let master = master(&smtp, "");
    key(&master, "shortlived", &["--expires", "8s"]);
    let subjects = |mails: &[Mail]| -> Vec<String> {
        mails.iter().map(|mail| mail.header("subject").to_owned()).collect()
    };
    let mails = smtp.expect(6);
    for (what, severity) in [("was created", "info"), ("expires on", "warning"), ("has expired", "critical")]
    {
        let found: Vec<_> = mails.iter().filter(|mail| mail.header("subject").contains(what)).collect();
        let mut to: Vec<_> = found.iter().map(|mail| mail.header("to")).collect();
        to.sort_unstable();
        assert_eq!(to, [OPS, ROOT], "{what}: {:?}", subjects(&mails));
        assert!(found[0].html.contains(&format!("<div class=\"{severity}\">")), "{}", found[0].html);
    }
}

#[test]
fn a_mail_server_that_is_away_delays_mails_and_no_change() {
    let mut smtp = Smtp::start(Way::Starttls);
    let master = master(&smtp, "");
    key(&master, "backup", &[]);
    smtp.expect(2);
    smtp.stop();
    master.ctl(&["key", "suspend", "backup"]).expect(0);
    let waiting = || master.ctl(&["notice", "list", "--state", "waiting", "--json"]).expect(0).json();
    let mut listed = waiting();
    eventually("the notice says why it waits", Duration::from_secs(20), || {
        listed = waiting();
        listed["items"][0]["attempts"].as_u64() > Some(0)
    });
    let error = listed["items"][0]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains(&format!("the mail server localhost:{} cannot be used", smtp.port())), "{error}");
    smtp.restart();
    smtp.set("busy", true);
    eventually("it is refused for now", Duration::from_secs(20), || {
        waiting()["items"][0]["error"].as_str().is_some_and(|error| error.contains("451"))
    });
    smtp.set("busy", false);
    let mails = smtp.expect(3);
    assert_eq!(mails[2].header("subject"), "API key backup was suspended");
    assert_eq!(waiting()["items"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_a_killed_master_was_delivering_is_delivered_by_the_next_under_the_same_id() {
    let smtp = Smtp::start(Way::Plain);
    let mut master = master(&smtp, "");
    key(&master, "backup", &[]);
    smtp.expect(2);
    smtp.set("stall", true);
    master.ctl(&["key", "suspend", "backup"]).expect(0);
    master.ctl(&["key", "revoke", "backup", "--yes"]).expect(0);
    smtp.expect(4);
    master.kill();
    smtp.set("stall", false);
    master.restart(Vec::new());
    let mails = smtp.expect(6).split_off(2);
    let mut ids: Vec<_> = mails.iter().map(|mail| mail.header("message-id").to_owned()).collect();
    ids.sort();
    assert!(ids[0] == ids[1] && ids[1] != ids[2] && ids[2] == ids[3], "{ids:?}");
    eventually("both are known to have arrived", Duration::from_secs(10), || {
        let sent = master.ctl(&["notice", "list", "--state", "sent", "--json"]).expect(0).json();
        sent["items"].as_array().map(Vec::len) == Some(4)
    });
    smtp.expect(6);
}

#[test]
fn of_several_masters_one_delivers_and_another_takes_over_what_a_killed_one_had_in_hand() {
    let smtp = Smtp::start(Way::Plain);
    let mut one = master_on(Some(Cluster::shared().database()), &smtp, "");
    eventually("it leads", Duration::from_secs(10), || one.log().contains("leading the periodic work"));
    let two = one.another();
    for number in 0..10 {
        key(if number % 2 == 0 { &one } else { &two }, &format!("key {number}"), &[]);
    }
    let ids = |mails: &[Mail]| -> BTreeSet<String> {
        mails.iter().map(|mail| mail.header("message-id").to_owned()).collect()
    };
    assert_eq!(ids(&smtp.expect(20)).len(), 20);
    smtp.set("stall", true);
    two.ctl(&["key", "suspend", "key 1"]).expect(0);
    smtp.expect(21);
    one.kill();
    smtp.set("stall", false);
    let mails = smtp.expect(22);
    assert_eq!(ids(&mails[20..]).len(), 1, "{mails:#?}");
    eventually("it is known to have arrived", Duration::from_secs(10), || {
        let sent = two.ctl(&["notice", "list", "--state", "sent", "--json"]).expect(0).json();
        sent["items"].as_array().map(Vec::len) == Some(21)
    });
}

#[test]
fn a_mail_that_was_taken_is_not_sent_twice_by_a_master_that_dies_after_that_was_written_down() {
    let smtp = Smtp::start(Way::Plain);
    let mut master = master(&smtp, "");
    key(&master, "backup", &[]);
    smtp.expect(2);
    eventually("both are written down", Duration::from_secs(10), || {
        let sent = master.ctl(&["notice", "list", "--state", "sent", "--json"]).expect(0).json();
        sent["items"].as_array().map(Vec::len) == Some(2)
    });
    master.kill();
    master.restart(Vec::new());
    master.ctl(&["key", "suspend", "backup"]).expect(0);
    let mails = smtp.expect(3);
    assert_eq!(mails[2].header("subject"), "API key backup was suspended");
}

#[test]
fn a_receiver_that_does_not_exist_is_given_up_at_once_and_tried_again_when_asked_for() {
    let smtp = Smtp::start(Way::Starttls);
    let master = master(&smtp, "");
    master.ctl(&["user", "edit", "administrator", "--email", "refused@example.com"]).expect(0);
    key(&master, "backup", &[]);
    smtp.expect(1);
    let failed = || master.ctl(&["notice", "list", "--state", "failed", "--json"]).expect(0).json();
    eventually("it is given up", Duration::from_secs(10), || failed()["items"][0].is_object());
    let listed = failed();
    assert_eq!(listed["items"][0]["attempts"], 1, "{listed:#}");
    assert!(listed["items"][0]["error"].as_str().is_some_and(|error| error.contains("550")), "{listed:#}");
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();
    master.ctl(&["notice", "resend", &id]).expect(0);
    eventually("it is given up again", Duration::from_secs(10), || {
        failed()["items"][0]["attempts"].as_u64() == Some(1)
    });
    let audit = master.ctl(&["audit", "list", "--json"]).expect(0).stdout;
    assert!(audit.contains("notice.resend"), "{audit}");
}

#[test]
fn a_test_notice_shows_whether_mail_works() {
    let smtp = Smtp::start(Way::Tls);
    let master = master(&smtp, "");
    master.ctl(&["notice", "test", "--to", "me@example.com"]).expect(0);
    let mails = smtp.expect(1);
    assert_eq!(arrived(&mails), [("me@example.com".to_owned(), "Gatepass: a test".to_owned())]);
    assert!(mails[0].text.contains("Asked for by: administrator"), "{}", mails[0].text);
    let silent = Master::start();
    let refused = silent.ctl(&["notice", "test", "--to", "me@example.com"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("sends no mail"), "{refused:?}");
}

#[test]
fn webhooks_get_what_they_are_configured_for() {
    let fake = Fake::start(None, |_: &str| http("204 No Content", "", ""));
    let url = fake.url().replace("https", "http");
    let (dir, smtp) = (tempfile::tempdir().expect("a directory"), Smtp::start(Way::Plain));
    let secret = dir.path().join("siem.key");
    let script = "umask 077; echo whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= > \"$0\"";
    Output::of(tool("sh").args(["-c", script]).arg(&secret)).expect(0);
    let hook = format!(
        "[[notices.webhook]]\nname = \"siem\"\nurl = \"{url}/in\"\nsecret_file = \"{}\"\nevents = [\"key.revoked\"]\n",
        secret.display()
    );
    let master = master(&smtp, &hook);
    key(&master, "backup", &[]);
    master.ctl(&["key", "revoke", "backup", "--yes", "--annotate", "it was lost"]).expect(0);
    eventually("the webhook is told", Duration::from_secs(20), || !fake.told().is_empty());
    smtp.expect(3);
    let told = fake.told();
    let [request] = told.as_slice() else { panic!("{told:?}") };
    let (head, body) = request.split_once("\r\n\r\n").expect("a body");
    for name in ["webhook-id: ", "webhook-timestamp: ", "webhook-signature: v1,"] {
        assert!(head.contains(name), "{head}");
    }
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&body["type"], &body["data"]["name"]), (&"key.revoked".into(), &"backup".into()), "{body:#}");
    assert_eq!(body["data"]["reason"], "it was lost", "{body:#}");
}

#[test]
fn an_operators_template_is_used_and_one_that_is_wrong_is_refused_before_it_is_needed() {
    let smtp = Smtp::start(Way::Plain);
    let mut master = master(&smtp, "");
    let template = |text: &str| {
        let script = "mkdir -p \"$0\" && printf %s \"$1\" > \"$0/APIKeyGenerationSuccess.txt\"";
        Output::of(tool("sh").args(["-c", script]).arg(master.dir().join("templates")).arg(text)).expect(0);
    };
    let validate = || {
        let file = master.dir().join("master.toml");
        Output::of(tool(program("gatepass-master")).args(["config", "validate"]).arg(file))
    };
    template("${entity.nme} is not a name that there is");
    let refused = validate();
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(
        refused.stderr.contains("the template APIKeyGenerationSuccess.txt cannot be used"),
        "{refused:?}"
    );
    let started = Output::of(
        tool(program("gatepass-master"))
            .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
            .arg(master.dir()),
    );
    assert_eq!(started.code, Some(4), "{started:?}");
    template("Dear ${policycontext.consumer.name}, ${entity.name} ends ${apikey.expirationdate}.");
    validate().expect(0);
    master.kill();
    master.restart(Vec::new());
    key(&master, "backup", &["--expires", "2030-01-01T00:00:00Z"]);
    for mail in smtp.expect(2) {
        assert_eq!(mail.text.trim_end(), "Dear administrator, backup ends 2030-01-01 00:00 UTC.");
    }
}
