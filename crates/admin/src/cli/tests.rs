//! Command lines, good and bad.

use clap::Parser as _;

use super::*;
use crate::output::Form;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_sound() {
    crate::command().debug_assert();
}

#[test]
fn what_can_be_refused_here_is_refused_here() {
    for (line, reason) in [
        ("gatepassctl key create ci --kind service --capability agent.enrol", "--group"),
        ("gatepassctl key create ci --kind personal", "--capability"),
        ("gatepassctl key create ci --kind robot --capability agent.enrol", "service"),
        ("gatepassctl key create ci --kind personal --capability agent.fly", "agent.enrol"),
        ("gatepassctl key create ci --kind personal --capability agent.enrol --uses 0", "--uses"),
        ("gatepassctl key create ci --kind personal --capability agent.enrol --expires 90", "90d"),
        ("gatepassctl key create ci --kind personal --role x --network 10.0.0.0/33", "--network"),
        ("gatepassctl key create ci --kind personal --role x --out a --download b", "--download"),
        ("gatepassctl key create ci --kind personal --role x --ticket CHG-1", "--annotate"),
        ("gatepassctl key edit ci", "--name"),
        ("gatepassctl key edit ci --enable --disable", "--disable"),
        ("gatepassctl key reject ci", "--reason"),
        ("gatepassctl key revoke ci --plan --yes", "--plan"),
        ("gatepassctl key delete", "ID"),
        ("gatepassctl token create ci", "--role"),
        ("gatepassctl user edit ann", "--add-role"),
        ("gatepassctl --master http://master key list", "https://"),
        ("gatepassctl --profile ../x key list", "profile"),
        ("gatepassctl --apikey-file a --token-file b key list", "--token-file"),
        ("gatepassctl login --password-file p", "--user"),
        ("gatepassctl key revoke", "ID"),
        ("gatepassctl notice test", "--to"),
    ] {
        let refused = parse(line).expect_err(line).to_string();
        assert!(refused.contains(reason), "{line}: {refused}");
    }
}

#[test]
fn access_may_stand_before_or_behind_the_command() {
    for line in [
        "gatepassctl --master https://m:1 --json key list",
        "gatepassctl key list --json --master https://m:1",
    ] {
        let arguments = parse(line).expect(line);
        assert!(arguments.access.form() == Form::Json && arguments.access.url.is_some(), "{line}");
    }
}

#[test]
fn the_form_of_the_answer_is_chosen_by_name() {
    for (line, want) in [
        ("gatepassctl key list", Form::Table),
        ("gatepassctl key list -o table", Form::Table),
        ("gatepassctl -o json key list", Form::Json),
        ("gatepassctl key list -o yaml", Form::Yaml),
        ("gatepassctl key list --json", Form::Json),
    ] {
        assert_eq!(parse(line).expect(line).access.form(), want, "{line}");
    }
    assert!(parse("gatepassctl key list -o xml").is_err());
}

#[test]
fn waiting_has_a_default_and_takes_no_other_argument_away() {
    for (line, want) in [
        ("gatepassctl key renew ci", None),
        ("gatepassctl key renew --wait ci", Some("1h")),
        ("gatepassctl key renew --wait=5min ci", Some("5min")),
    ] {
        let Command::Key(KeyCommand::Renew(renew)) = parse(line).expect(line).command else {
            panic!("{line}");
        };
        assert_eq!(renew.wait.wait.map(|span| span.to_string()).as_deref(), want, "{line}");
    }
}
