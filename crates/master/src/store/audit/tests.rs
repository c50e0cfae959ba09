//! What holds for reading and pruning the audit, on each engine; `store/tests.rs` runs it.

use std::time::Duration;

use gatepass_contract::audit::Beginning;
use gatepass_contract::wire::admin::AuditQuery;
use serde_json::json;

use super::*;
use crate::domain::audit::{Actor, Credential, Event};
use crate::store::tests::{DAY, Master, NOW, cause};

/// One record a day by two users in turn, the first of them `NOW`.
async fn days(master: &Master, count: u32) {
    for day in 0..count {
        let user = if day % 2 == 0 { "even" } else { "even-odd" };
        let actor = Actor::User(user.parse().expect("a name"), Credential::Password);
        let event = Event {
            action: Action::SignIn,
            subject: Subject::None,
            refused: None,
            detail: json!({ "day": day }),
        };
        let cause = Cause { actor, ..cause(NOW + DAY * day) };
        master.store.audit(cause, event).await.expect("the database works");
    }
}

async fn listed(master: &Master, query: AuditQuery, limit: u32) -> Vec<u64> {
    let found = master.store.list_audit(query, limit).await.expect("readable");
    found.records.iter().map(|record| record.seq).collect()
}

pub(in crate::store) async fn what_retention_drops_is_told_and_the_rest_proves_itself(master: Master) {
    days(&master, 10).await;
    let whole = master.audit_is_whole().await;
    let prune = async |day: u32| {
        let late = cause(NOW + DAY * 20);
        master.store.prune_audit(late, NOW + DAY * day).await.expect("the database works")
    };
    let dropped = prune(4).await;
    assert_eq!(prune(4).await, 0, "nothing is left that is as old");
    let verified = async || {
        let verified = master.store.verified_audit().await.expect("readable").expect("the chain holds");
        verified.expect("records are left")
    };
    let left = verified().await;
    assert_eq!((left.first, left.beginning), (u64::from(dropped) + 1, Beginning::Pruned));
    assert_eq!(left.last.seq, whole.seq + 1, "one record tells of it");
    let more = prune(7).await;
    assert_eq!(more, 3);
    let left = verified().await;
    assert_eq!((left.first, left.beginning), (u64::from(dropped + more) + 1, Beginning::Pruned));
    assert_eq!(prune(1000).await, 5, "three days, and what told of them");
    assert_eq!(verified().await.beginning, Beginning::Pruned);
}

pub(in crate::store) async fn the_audit_is_listed_as_asked(master: Master) {
    let before = master.audit_is_whole().await.seq;
    days(&master, 6).await;
    let of = |user: &str| AuditQuery { user: Some(user.parse().expect("a name")), ..AuditQuery::default() };
    let seqs = |days: &[u64]| days.iter().map(|day| before + 1 + day).collect::<Vec<_>>();
    assert_eq!(listed(&master, of("even"), 100).await, seqs(&[0, 2, 4]), "no other name that begins alike");
    assert_eq!(listed(&master, of("even-odd"), 2).await, seqs(&[1, 3]));
    let request = RequestId([9; 10]);
    let other = Event { action: Action::Read, subject: Subject::None, refused: None, detail: json!({}) };
    let cause = Cause { request, ..cause(NOW + DAY * 5) };
    master.store.audit(cause, other).await.expect("the database works");
    let of_request = AuditQuery { request: Some(request), ..AuditQuery::default() };
    assert_eq!(listed(&master, of_request, 100).await, seqs(&[6]));
    let noon = Duration::from_hours(12);
    let (since, until) = (Some(NOW + DAY + noon), Some(NOW + DAY * 4));
    let between = AuditQuery { since, until, ..AuditQuery::default() };
    assert_eq!(listed(&master, between.clone(), 100).await, seqs(&[2, 3]));
    let going_on = AuditQuery { after: Some(before + 3), ..between };
    assert_eq!(listed(&master, going_on, 100).await, seqs(&[3]));
    let never = AuditQuery { since: Some(NOW + DAY * 100), ..AuditQuery::default() };
    assert_eq!(listed(&master, never, 100).await, seqs(&[]));
    let page = master.store.list_audit(AuditQuery::default(), 2).await.expect("readable");
    assert_eq!(page.next, page.records.last().map(|record| record.seq));
    let all = master.store.list_audit(AuditQuery::default(), 500).await.expect("readable");
    assert_eq!((all.records.len() as u64, all.next), (before + 7, None));
}
