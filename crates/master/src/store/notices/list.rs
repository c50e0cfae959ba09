//! Notices as people see them, and sent again because people ask for it.

use gatepass_contract::id::NoticeId;
use gatepass_contract::name::MailAddress;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{NoticeQuery, NoticeState, NoticeView};
use serde_json::json;

use super::{insert, routing};
use crate::domain::audit::{Action, Actor, Cause, Subject};
use crate::domain::notice::{About, Destination, Facts, NoticeEvent};
use crate::store::ledger::Ledger;
use crate::store::sql::{self, Bind as _, Conn, Row, Value, params};
use crate::store::{Store, StoreError, writer};

/// What became of the wish to send a notice again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resent {
    /// It is due now.
    Done(NoticeView),
    /// It is on its way at this moment.
    UnderWay,
    /// There is none.
    Unknown,
}

impl Store {
    /// Those that `query` wants, youngest first, behind `after`.
    pub async fn list_notices(
        &self,
        query: NoticeQuery,
        after: Option<(UnixTime, NoticeId)>,
        limit: u32,
    ) -> Result<Vec<NoticeView>, StoreError> {
        self.scan(move |conn| list(conn, &query, after, limit)).await
    }

    /// A test to that address; `None` where there is no mail.
    pub async fn test_notice(&self, cause: Cause, to: MailAddress) -> Result<Option<NoticeView>, StoreError> {
        self.write(writer::NOTICES, move |ledger| test(ledger, &cause, &to)).await
    }

    /// Sends one again, whatever became of it.
    pub async fn resend_notice(&self, cause: Cause, id: NoticeId) -> Result<Resent, StoreError> {
        self.write(writer::NOTICES, move |ledger| resend(ledger, &cause, id)).await
    }
}

const VIEW: &str = "SELECT id, event, severity, about, channel, recipient, state, attempts, created, due, sent, error FROM notice";

fn view(row: &Row<'_>) -> sql::Result<NoticeView> {
    Ok(NoticeView {
        id: NoticeId(row.bytes(0)?),
        event: row.text(1)?.to_owned(),
        severity: row.parsed(2)?,
        about: row.text(3)?.to_owned(),
        channel: row.parsed(4)?,
        to: row.text(5)?.to_owned(),
        state: row.parsed(6)?,
        attempts: row.number(7)?,
        created: row.instant(8)?,
        due: row.opt_instant(9)?,
        sent: row.opt_instant(10)?,
        error: row.opt_text(11)?.map(str::to_owned),
    })
}

/// Each kind of wish is answered along an index; they are named in the schema.
fn list(
    conn: Conn<'_>,
    query: &NoticeQuery,
    after: Option<(UnixTime, NoticeId)>,
    limit: u32,
) -> sql::Result<Vec<NoticeView>> {
    let state = query.state.map(NoticeState::as_str);
    let (mut wanted, mut values) = (Vec::new(), Vec::<Value<'_>>::new());
    if let Some(state) = &state {
        values.push(state.value());
        wanted.push(format!("state = ?{}", values.len()));
    }
    if let Some(about) = &query.about {
        values.push(about.value());
        wanted.push(format!("about = ?{}", values.len()));
    }
    if let Some((created, id)) = &after {
        values.extend([created.value(), id.value()]);
        wanted.push(format!("(created, id) < (?{}, ?{})", values.len() - 1, values.len()));
    }
    values.push(limit.value());
    let condition = if wanted.is_empty() { String::new() } else { format!("WHERE {}", wanted.join(" AND ")) };
    let select = format!("{VIEW} {condition} ORDER BY created DESC, id DESC LIMIT ?{}", values.len());
    conn.query(&select, &values, view)
}

fn one(conn: Conn<'_>, id: NoticeId) -> sql::Result<Option<NoticeView>> {
    conn.one(&format!("{VIEW} WHERE id = ?1"), params![id], view)
}

fn test(ledger: &mut Ledger<'_>, cause: &Cause, to: &MailAddress) -> sql::Result<Option<NoticeView>> {
    if !routing(ledger.conn)?.is_some_and(|routing| routing.mail) {
        return Ok(None);
    }
    let facts = Facts {
        requester: person(&cause.actor),
        ..Facts::new(NoticeEvent::Test, cause.at, About::Nothing, "")
    };
    let id = insert(ledger.conn, &Destination::Mail(to.clone()), &facts)?;
    ledger.done(cause, Action::NoticeTest, Subject::Notice(id), json!({ "to": to }))?;
    one(ledger.conn, id)
}

fn person(actor: &Actor) -> Option<String> {
    match actor {
        Actor::User(name, _) => Some(name.to_string()),
        Actor::Anonymous | Actor::Agent(_) | Actor::Master => None,
    }
}

fn resend(ledger: &mut Ledger<'_>, cause: &Cause, id: NoticeId) -> sql::Result<Resent> {
    let Some(before) = one(ledger.conn, id)? else { return Ok(Resent::Unknown) };
    if ledger.conn.execute(AGAIN, params![NoticeState::Waiting.as_str(), cause.at, id])? == 0 {
        return Ok(Resent::UnderWay);
    }
    let detail = json!({ "to": before.to, "before": { "state": before.state, "attempts": before.attempts } });
    ledger.done(cause, Action::NoticeResend, Subject::Notice(id), detail)?;
    Ok(one(ledger.conn, id)?.map_or(Resent::Unknown, Resent::Done))
}

const AGAIN: &str =
    "UPDATE notice SET state = ?1, due = ?2, attempts = 0, sent = NULL, error = NULL, lease = NULL, leased = NULL
    WHERE id = ?3 AND (leased IS NULL OR leased <= ?2)";
