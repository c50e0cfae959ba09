//! Approvals, notices, audit records.

use gatepass_contract::audit::{DONE, Record};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{ApprovalView, NoticeState, NoticeView};

use super::layout::{Width, about, ends, or_dash, relative, short, table};

/// Some requests.
#[must_use]
pub fn approvals(requests: &[ApprovalView], now: UnixTime, width: Width) -> String {
    let header = ["KEY", "ID", "WANTS", "BY", "WHEN", "STATE", "DECIDED BY", "REASON"];
    let rows = requests.iter().map(|request| {
        let end = request.expires.map(|end| format!(" (to end {})", ends(end, now))).unwrap_or_default();
        vec![
            request.key_name.to_string(),
            short(request.key, width),
            format!("{}{end}", request.kind),
            request.by.to_string(),
            about(request.at, now),
            request.state.to_string(),
            request.decided_by.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            or_dash(&request.reason),
        ]
    });
    table(&header, rows, width)
}

/// Some notices.
#[must_use]
pub fn notices(notices: &[NoticeView], now: UnixTime, width: Width) -> String {
    let header = ["ID", "EVENT", "SEVERITY", "ABOUT", "TO", "STATE", "MADE", "TRIED"];
    let rows = notices.iter().map(|notice| {
        vec![
            short(notice.id, width),
            notice.event.clone(),
            notice.severity.to_string(),
            notice.about.clone(),
            format!("{} {}", notice.channel, notice.to),
            state(notice, now),
            about(notice.created, now),
            notice.attempts.to_string(),
        ]
    });
    table(&header, rows, width)
}

fn state(notice: &NoticeView, now: UnixTime) -> String {
    let error = notice.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    match (notice.state, notice.due) {
        (NoticeState::Waiting, Some(due)) if due > now => format!("again {}{error}", relative(due, now)),
        (NoticeState::Waiting, _) => format!("waiting{error}"),
        (NoticeState::Sent, _) => "sent".to_owned(),
        (NoticeState::Failed, _) => format!("given up{error}"),
    }
}

/// Some audit records.
#[must_use]
pub fn audit(records: &[Record], _now: UnixTime, width: Width) -> String {
    let header = ["NUMBER", "WHEN", "WHO", "DID", "TO", "OUTCOME", "FROM", "WHY"];
    let rows = records.iter().map(|record| {
        let outcome =
            if record.outcome == DONE { DONE.to_owned() } else { format!("refused: {}", record.outcome) };
        vec![
            record.seq.to_string(),
            record.at.to_string(),
            record.actor.clone(),
            record.action.clone(),
            or_dash(&record.subject),
            outcome,
            record.from.to_string(),
            why(record),
        ]
    });
    table(&header, rows, width)
}

/// The annotation in a record's detail: text and ticket.
fn why(record: &Record) -> String {
    let detail: serde_json::Value = serde_json::from_str(&record.detail).unwrap_or_default();
    let said = |what: &str| detail["annotation"][what].as_str().filter(|text| !text.is_empty());
    match (said("text"), said("ticket")) {
        (None, _) => "-".to_owned(),
        (Some(text), None) => text.to_owned(),
        (Some(text), Some(ticket)) => format!("{text} ({ticket})"),
    }
}

#[cfg(test)]
mod tests {
    use gatepass_contract::audit::{Entry, Head};
    use gatepass_contract::id::RequestId;
    use gatepass_contract::wire::admin::{NoticeChannel, Severity};

    use super::*;
    use crate::table::samples::{NOW, some_approval};

    #[test]
    fn requests_say_who_wants_what() {
        assert_eq!(
            approvals(&[some_approval()], NOW, None),
            "KEY  ID                WANTS                   BY   WHEN    STATE    DECIDED BY  REASON\n\
             ci   AEAQCAIBAEAQCAIB  renewal (to end in 1d)  ann  1d ago  pending  -           -"
        );
    }

    #[test]
    fn a_notice_says_how_its_delivery_goes() {
        let notice = |state, due, error: Option<&str>| NoticeView {
            id: "AEAQCAIBAEAQCAIB".parse().expect("an id"),
            event: "key.revoked".to_owned(),
            severity: Severity::Warning,
            about: "apikey:AEAQCAIBAEAQCAIB".to_owned(),
            channel: NoticeChannel::Mail,
            to: "ann@example.com".to_owned(),
            state,
            attempts: 2,
            created: NOW,
            due,
            sent: None,
            error: error.map(str::to_owned),
        };
        for (state_, due, error, want) in [
            (
                NoticeState::Waiting,
                Some(UnixTime(NOW.0 + 60_000)),
                Some("no route"),
                "again in 1min: no route",
            ),
            (NoticeState::Waiting, None, None, "waiting"),
            (NoticeState::Sent, None, None, "sent"),
            (NoticeState::Failed, None, Some("no such mailbox"), "given up: no such mailbox"),
        ] {
            assert_eq!(state(&notice(state_, due, error), NOW), want);
        }
    }

    #[test]
    fn a_record_says_why_and_what_was_refused() {
        let record = |outcome: &str, detail: &str| {
            Head::EMPTY.append(Entry {
                at: NOW,
                request: RequestId([1; 10]),
                actor: "user:ann/apikey:AEAQCAIBAEAQCAIB".to_owned(),
                action: "key.revoke".to_owned(),
                subject: "apikey:AEAQCAIBAEAQCAIB".to_owned(),
                outcome: outcome.to_owned(),
                from: "192.0.2.7".parse().expect("an address"),
                detail: detail.to_owned(),
            })
        };
        let done = record(DONE, r#"{"annotation":{"text":"it leaked","ticket":"CHG-1"}}"#);
        assert_eq!(why(&done), "it leaked (CHG-1)");
        let text = audit(&[record("not-found", "{}")], NOW, None);
        assert!(text.contains("refused: not-found  192.0.2.7  -"), "{text}");
    }
}
