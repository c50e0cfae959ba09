//! What templates make of hostile values, and what of hostile templates.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gatepass_contract::id::KeyId;
use gatepass_contract::time::UnixTime;

use super::*;
use crate::domain::notice::{About, Facts, NoticeEvent};

const KEY: About = About::ApiKey(KeyId([7; 10]));

fn built_in() -> Templates {
    let url = "https://gatepass.example.com".parse().expect("a URL");
    Templates::load(Path::new("/nonexistent"), &url).expect("ours are good")
}

fn facts(event: NoticeEvent) -> Facts {
    Facts {
        owner: Some("ada".to_owned()),
        requester: Some("grace".to_owned()),
        requested: Some(UnixTime(1_795_379_123_456)),
        decided_by: Some("edsger".to_owned()),
        reason: Some("it is needed".to_owned()),
        expires: Some(UnixTime(1_795_379_123_456)),
        ..Facts::new(event, UnixTime(1_795_379_123_456), KEY, "backup")
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own file")]
fn with_own(name: &str, text: &[u8]) -> Result<Templates, TemplateError> {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(name), text).expect("written");
    Templates::load(dir.path(), &"https://localhost:443".parse().expect("a URL"))
}

#[test]
fn each_event_says_what_happened_to_what() {
    let templates = built_in();
    for &event in NoticeEvent::ALL {
        let Rendered { subject, text, html } = templates.render(&facts(event)).expect("renders");
        if event == NoticeEvent::Test {
            continue;
        }
        assert!(subject.contains("backup") || event.as_str().starts_with("token."), "{event}: {subject}");
        for part in [&text, &html] {
            assert!(part.contains("A4DQOBYHA4DQOBYH"), "{event}: {part}");
            assert!(
                part.contains("https:") && part.contains("gatepass.example.com:31116"),
                "{event}: {part}"
            );
        }
        assert!(html.contains(&format!("<div class=\"{}\">", event.severity())), "{event}: {html}");
    }
    let approved = templates.render(&facts(NoticeEvent::KeyCreationApproved)).expect("renders");
    assert_eq!(approved.subject, "API key backup was approved");
    assert!(
        approved
            .text
            .contains("Expires:    2026-11-22 20:25 UTC\nDecided by: edsger\nReason:     it is needed\n")
    );
}

#[test]
fn an_operators_template_takes_the_place_of_ours_with_the_names_of_the_product_it_came_from() {
    let text = b"${entity.name}|${request.date}|${policycontext.apikey}|${policycontext.consumer.name}|\
        ${apikey.expirationdate}|${api.usage}|${entity.BUIapprovalURL}|${entity.bui.userpreferences.url}|$5 {x} ${ key.id }";
    let templates = with_own("PendingApprovalNotification.txt", text).expect("good");
    let rendered = templates.render(&facts(NoticeEvent::KeyCreationPending)).expect("renders");
    assert_eq!(
        rendered.text,
        "backup|2026-11-22 20:25 UTC|A4DQOBYHA4DQOBYH|ada|2026-11-22 20:25 UTC|send it to https://localhost/ in the \
         header `Authorization: Bearer ...`|https://localhost/api/v1/apikeys/A4DQOBYHA4DQOBYH|https://localhost/|$5 {x} \
         A4DQOBYHA4DQOBYH"
    );
    assert!(rendered.html.contains("<table>"), "the other parts are still ours");
}

#[test]
fn values_are_neither_templates_nor_markup_nor_headers() {
    let templates = built_in();
    let hostile = "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>\"' onload=${owner} {% if 1 %} {{ 7*7 }} \u{202E}\u{2028}\0\x7f";
    for &event in NoticeEvent::ALL {
        let hostile_facts = Facts {
            name: hostile.to_owned(),
            owner: Some(hostile.to_owned()),
            requester: Some(hostile.to_owned()),
            decided_by: Some(hostile.to_owned()),
            reason: Some(hostile.to_owned()),
            ..facts(event)
        };
        let Rendered { subject, text, html } = templates.render(&hostile_facts).expect("renders");
        assert!(!subject.contains(|c: char| c.is_control()), "{subject:?}");
        assert!(!html.contains("<script") && !html.contains("\"' onload"), "{html}");
        for part in [&subject, &text, &html] {
            assert!(!part.contains(['\r', '\0', '\x7f', '\u{202E}', '\u{2028}']), "{part:?}");
            assert!(!part.contains("\nBcc"), "{part:?}");
            assert!(!part.contains("49"), "{part:?}");
        }
        if text.contains("onload") {
            assert!(text.contains("onload=${owner} {% if 1 %} {{ 7*7 }}"), "{text}");
        }
    }
}

#[test]
fn a_template_that_cannot_be_used_is_found_when_it_is_loaded() {
    for (name, text, want) in [
        ("APIKeyGenerationSuccess.html", "${no.such.name}", "cannot be used for key.created"),
        ("APIKeyGenerationSuccess.subject", "${entity.nme}", "cannot be used"),
        ("RejectionNotification.txt", "{% if reason %}", "cannot be used"),
        ("RejectionNotification.txt", "${", "cannot be used"),
        (
            "TestNotification.txt",
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
            "cannot be used",
        ),
        ("TestNotification.txt", "${ 'x' * 1000000 }", "cannot be used"),
        ("TestNotification.html", "{% include \"/etc/passwd\" %}", "cannot be used"),
        ("ApiKeyGenerationSuccess.html", "hello", "is no template that is used; there are: layout.html"),
    ] {
        let error = with_own(name, text.as_bytes()).expect_err(text);
        assert!(error.to_string().contains(want), "{text}: {error}");
    }
    let latin = with_own("TestNotification.txt", b"gr\xfc\xdfe").expect_err("not UTF-8");
    assert!(matches!(latin, TemplateError::Read { .. }), "{latin}");
    let large = with_own("TestNotification.txt", "x".repeat(300_000).as_bytes()).expect_err("too large");
    assert!(matches!(large, TemplateError::Read { .. }), "{large}");
    with_own("notes.md", b"${nothing}").expect("no template, and not taken for one");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own file")]
fn a_secret_is_one_line_that_not_everybody_can_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("password");
    for (content, mode, want) in [
        ("secret\n", 0o600, Ok("secret")),
        ("two words\r\n", 0o440, Ok("two words")),
        ("secret\n", 0o604, Err("chmod 600")),
        ("", 0o600, Err("does not hold one line")),
        ("two\nlines\n", 0o600, Err("does not hold one line")),
    ] {
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("set");
        let read = SecretFile::locate(&path, None, Path::new("/elsewhere")).line();
        match want {
            Ok(want) => assert_eq!(read.expect(want).as_str(), want),
            Err(want) => assert!(read.expect_err(want).to_string().contains(want), "{want}"),
        }
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
    let name = Path::new("password");
    assert_eq!(
        SecretFile::locate(name, Some(dir.path()), Path::new("/etc")),
        SecretFile::locate(&path, None, Path::new("/etc")),
        "a credential of that name comes first"
    );
    assert_eq!(
        SecretFile::locate(name, Some(Path::new("/nonexistent")), dir.path()),
        SecretFile::locate(&path, None, Path::new("/etc")),
        "then a file beside the database"
    );
}
