//! One notice on its way: to a real mail server in every mode, to a webhook over TLS, and what becomes of it where it is
//! not taken.

use std::path::Path;

use gatepass_contract::id::{KeyId, NoticeId};
use gatepass_contract::time::UnixTime;
use gatepass_master::domain::notice::{About, Destination, Facts, NoticeEvent, Outgoing};
use gatepass_master::notify::{
    Courier, MailSettings, NotifyError, SecretFile, Security, Settings, Undelivered, WebhookSettings,
};

use crate::support::{Ca, Fake, LOGIN, Mail, Smtp, Way, days, http};

const NOW: UnixTime = UnixTime(1_795_379_123_456);
const ID: NoticeId = NoticeId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);

fn settings(mail: Option<MailSettings>, webhooks: Vec<WebhookSettings>) -> Settings {
    let base_url = "https://gatepass.example.com:443".parse().expect("a URL");
    Settings { templates: "/nonexistent".into(), base_url, mail, webhooks }
}

/// As the server wants it.
fn mail_settings(smtp: &Smtp, way: Way) -> MailSettings {
    let secret = |path: &Path| SecretFile::locate(path, None, Path::new("/"));
    MailSettings {
        host: "localhost".to_owned(),
        port: smtp.port(),
        security: match way {
            Way::Plain => Security::None,
            Way::Starttls => Security::Starttls,
            Way::Tls => Security::Tls,
        },
        login: (way != Way::Plain).then(|| (LOGIN.0.to_owned(), secret(&smtp.password_file()))),
        ca_file: (way != Way::Plain).then(|| smtp.ca_file()),
        from: "Gatepass <gatepass@example.com>".parse().expect("a sender"),
        reply_to: Some("ops@example.com".parse().expect("a sender")),
        hello: "gatepass.example.com".to_owned(),
    }
}

fn to(receiver: &str) -> Outgoing {
    let facts = Facts {
        owner: Some("ada".to_owned()),
        reason: Some("<b>Zeiß & Söhne</b>\r\nBcc: eve@example.com".to_owned()),
        ..Facts::new(
            NoticeEvent::KeyRevoked,
            NOW,
            About::ApiKey(KeyId([7; 10])),
            "größer\r\nBcc: eve@example.com",
        )
    };
    Outgoing { id: ID, to: Destination::Mail(receiver.parse().expect("an address")), facts }
}

fn deliver(settings: &Settings, outgoing: &Outgoing) -> Result<(), Undelivered> {
    let courier = Courier::open(settings).expect("the settings are good");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(courier.deliver(outgoing, NOW))
}

#[track_caller]
fn refused(settings: &Settings, outgoing: &Outgoing, permanent: bool, want: &str) {
    let error = deliver(settings, outgoing).expect_err(want);
    assert_eq!(error.permanent, permanent, "{error}");
    assert!(error.why.contains(want), "{error}");
}

#[track_caller]
fn is_whole(mail: &Mail) {
    assert_eq!(mail.receivers, ["ada@example.com"]);
    assert_eq!(mail.sender, "gatepass@example.com");
    assert_eq!(mail.header("subject"), "API key größer  Bcc: eve@example.com was revoked");
    assert_eq!(mail.header("from"), "Gatepass <gatepass@example.com>");
    assert_eq!(mail.header("reply-to"), "ops@example.com");
    assert_eq!(mail.header("to"), "ada@example.com");
    assert_eq!(mail.header("message-id"), format!("<{ID}@example.com>"));
    assert_eq!(mail.header("date"), "Sun, 22 Nov 2026 20:25:23 +0000");
    assert_eq!(mail.header("auto-submitted"), "auto-generated");
    assert!(mail.header("content-type").starts_with("multipart/alternative"));
    assert!(!mail.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("bcc")), "{mail:?}");
    assert!(mail.text.contains("<b>Zeiß & Söhne</b>  Bcc: eve@example.com\n"), "{}", mail.text);
    assert!(mail.html.contains("&lt;b&gt;Zeiß &amp; Söhne&lt;"), "{}", mail.html);
    assert!(mail.html.contains("<div class=\"warning\">"), "{}", mail.html);
}

#[test]
fn a_mail_arrives_whole_in_every_mode_and_the_same_when_sent_again() {
    for (way, login) in
        [(Way::Plain, None), (Way::Starttls, Some("PLAIN gatepass")), (Way::Tls, Some("LOGIN gatepass"))]
    {
        let smtp = Smtp::start(way);
        let settings = settings(Some(mail_settings(&smtp, way)), Vec::new());
        for _ in 0..2 {
            deliver(&settings, &to("ada@example.com")).unwrap_or_else(|error| panic!("{way:?}: {error}"));
        }
        let mails = smtp.expect(2);
        is_whole(&mails[0]);
        assert_eq!(mails[0].encrypted, way != Way::Plain);
        assert_eq!(mails[0].login.as_deref(), login);
        assert_eq!(mails[0].header("message-id"), mails[1].header("message-id"));
    }
}

#[test]
fn what_another_attempt_cannot_change_is_told_from_what_it_can() {
    let mut smtp = Smtp::start(Way::Starttls);
    let good = mail_settings(&smtp, Way::Starttls);
    let with = |change: &dyn Fn(&mut MailSettings)| {
        let mut mail = good.clone();
        change(&mut mail);
        settings(Some(mail), Vec::new())
    };
    let good = with(&|_| {});
    refused(&good, &to("refused@example.com"), true, "550");
    refused(&good, &to("later@example.com"), false, "451");
    let other = Smtp::start(Way::Tls);
    let wrong_ca = with(&|mail| mail.ca_file = Some(other.ca_file()));
    refused(&wrong_ca, &to("ada@example.com"), false, "certificate");
    let own_roots = with(&|mail| mail.ca_file = None);
    // Without a single root, the settings are refused already; with them, the server is.
    if Courier::open(&own_roots).is_ok() {
        refused(&own_roots, &to("ada@example.com"), false, "certificate");
    }
    let wrong_name = with(&|mail| mail.host = "127.0.0.1".to_owned());
    refused(&wrong_name, &to("ada@example.com"), false, "certificate");
    let stranger =
        with(&|mail| mail.login = mail.login.take().map(|(_, password)| ("nobody".to_owned(), password)));
    refused(&stranger, &to("ada@example.com"), false, "refused the login");
    let no_login = with(&|mail| mail.login = None);
    refused(&no_login, &to("ada@example.com"), false, "530");
    assert_eq!(smtp.mails(), []);
    smtp.stop();
    refused(&good, &to("ada@example.com"), false, "cannot be used");
}

#[test]
fn nothing_is_said_to_a_server_without_the_tls_that_is_asked_for() {
    let plain = Smtp::start(Way::Plain);
    let with = |security: Security| {
        let mut mail = mail_settings(&plain, Way::Plain);
        mail.security = security;
        mail.ca_file = Some(plain.ca_file());
        settings(Some(mail), Vec::new())
    };
    refused(&with(Security::Starttls), &to("ada@example.com"), false, "STARTTLS is not supported");
    let secret = Smtp::start(Way::Tls);
    let mut stripped = mail_settings(&secret, Way::Tls);
    stripped.security = Security::Starttls;
    stripped.port = plain.port();
    refused(
        &settings(Some(stripped), Vec::new()),
        &to("ada@example.com"),
        false,
        "STARTTLS is not supported",
    );
    assert_eq!(plain.mails(), []);
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let smtp = Smtp::start(Way::Plain);
    let mut mail = mail_settings(&smtp, Way::Plain);
    mail.security = Security::Tls;
    mail.ca_file = Some(smtp.password_file());
    let error = Courier::open(&settings(Some(mail.clone()), Vec::new())).expect_err("no certificate in it");
    assert!(matches!(error, NotifyError::Trust { .. }), "{error}");
    mail.ca_file = Some(smtp.ca_file());
    mail.login = Some(("me".to_owned(), SecretFile::locate(Path::new("/nonexistent"), None, Path::new("/"))));
    let error = Courier::open(&settings(Some(mail), Vec::new())).expect_err("no password");
    assert!(matches!(error, NotifyError::Secret(_)), "{error}");
}

/// A webhook with that answer: where it listens, and who vouches for it.
fn webhook(answer: &'static str, headers: &'static str) -> (Fake, WebhookSettings, tempfile::TempDir) {
    use std::io::Write as _;
    let (dir, ca) = (tempfile::tempdir().expect("a directory"), Ca::new());
    let keep = |name: &str, text: &str| {
        let mut file = tempfile::NamedTempFile::new_in(dir.path()).expect("a file");
        file.write_all(text.as_bytes()).expect("room");
        file.persist(dir.path().join(name)).expect("ours");
        dir.path().join(name)
    };
    let fake =
        Fake::start(Some(ca.server("localhost", days(1, 10))), move |_: &str| http(answer, headers, ""));
    let settings = WebhookSettings {
        name: "siem".to_owned(),
        url: format!("{}/in?tenant=7", fake.url()).try_into().expect("https"),
        secret: SecretFile::locate(
            &keep("key", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
            None,
            Path::new("/"),
        ),
        ca_file: Some(keep("ca.crt", &ca.anchors())),
    };
    (fake, settings, dir)
}

fn to_siem() -> Outgoing {
    Outgoing { to: Destination::Webhook("siem".to_owned()), ..to("ada@example.com") }
}

#[test]
fn a_webhook_gets_the_event_signed_so_that_python_agrees() {
    let (fake, webhook, _files) = webhook("204 No Content", "");
    deliver(&settings(None, vec![webhook]), &to_siem()).expect("taken");
    let told = fake.told();
    let [request] = told.as_slice() else { panic!("{told:?}") };
    let (head, body) = request.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("POST /in?tenant=7 HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| {
        let found = head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name));
        found.unwrap_or_else(|| panic!("no {name}: {head}")).1
    };
    assert_eq!(header("webhook-id"), ID.to_string());
    assert_eq!(header("webhook-timestamp"), "1795379123");
    let check = "import base64,hashlib,hmac,sys; k=base64.b64decode(sys.argv[1]); \
        print('v1,'+base64.b64encode(hmac.new(k,sys.argv[2].encode(),hashlib.sha256).digest()).decode())";
    let signed = format!("{ID}.1795379123.{body}");
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let python =
        crate::support::Output::of(crate::support::tool("python3").args(["-c", check, key, &signed]));
    assert_eq!(header("webhook-signature"), python.expect(0).stdout.trim());
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["type"], "key.revoked");
    assert_eq!(body["timestamp"], "2026-11-22T20:25:23.456Z");
    assert_eq!(body["data"]["about"], "apikey:A4DQOBYHA4DQOBYH");
    assert_eq!(body["data"]["url"], "https://gatepass.example.com/api/v1/apikeys/A4DQOBYHA4DQOBYH");
}

#[test]
fn only_a_2xx_from_the_webhook_itself_is_a_delivery() {
    for (answer, headers, permanent, want) in [
        ("302 Found", "location: https://localhost:1/\r\n", false, "302 Found, which is not followed"),
        ("410 Gone", "", true, "answered 410 Gone"),
        ("404 Not Found", "", false, "answered 404"),
        ("503 Service Unavailable", "", false, "answered 503"),
    ] {
        let (fake, webhook, _files) = webhook(answer, headers);
        refused(&settings(None, vec![webhook]), &to_siem(), permanent, want);
        assert_eq!(fake.told().len(), 1, "{answer}");
    }
    let (fake, mut stranger, _files) = webhook("204 No Content", "");
    let (_other, trusted, _more) = webhook("204 No Content", "");
    stranger.ca_file = trusted.ca_file;
    refused(&settings(None, vec![stranger]), &to_siem(), false, "cannot be reached");
    assert_eq!(fake.told(), Vec::<String>::new());
    refused(&settings(None, Vec::new()), &to_siem(), false, "no webhook called `siem`");
    refused(&settings(None, Vec::new()), &to("ada@example.com"), false, "no mail server is configured");
}
