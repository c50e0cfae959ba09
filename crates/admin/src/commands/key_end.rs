//! Ending API keys, and what that would mean.

use gatepass_contract::id::KeyId;
use gatepass_contract::wire::admin::{Annotation, Change, DeleteApiKeys, Page};
use gatepass_contract::wire::path;

use super::handing::key_name;
use super::key::{id_of, pick};
use super::session::{Gone, Session};
use crate::cli::{DeleteKeys, RevokeKey};
use crate::confirm::confirm;
use crate::error::CtlError;
use crate::plan::{self, Deed};

pub(super) async fn revoke(arguments: RevokeKey, session: &Session) -> Result<(), CtlError> {
    let master = &session.master;
    if arguments.plan {
        let usage = master.key_usage(id_of(&arguments.wanted.id, master).await?).await?;
        return session.print(&usage, |usage, now, width| plan::text(Deed::Revoke, usage, now, width)).await;
    }
    let id = if arguments.sure.yes {
        id_of(&arguments.wanted.id, master).await?
    } else {
        let key = pick(&arguments.wanted.id, master).await?;
        confirm(&format!("revoke {}", key_name(&key)))?;
        key.id
    };
    let revoked = master.move_key(path::API_KEY_REVOKE, id, &arguments.reason.into()).await?;
    session.outcome(&revoked, |key| format!("{} is {}", key_name(key), key.state))
}

pub(super) async fn delete(arguments: DeleteKeys, session: &Session) -> Result<(), CtlError> {
    if arguments.plan {
        return delete_plan(&arguments.ids, session).await;
    }
    let ids = if arguments.sure.yes {
        ids(&arguments.ids, session).await?
    } else {
        asked(&arguments.ids, session).await?
    };
    remove(&ids, arguments.reason.annotation(), session).await?;
    let gone = Gone { deleted: ids.iter().map(ToString::to_string).collect() };
    session.outcome(&gone, |gone| format!("deleted: key {}", gone.deleted.join(", key ")))
}

async fn remove(ids: &[KeyId], annotation: Option<Annotation>, session: &Session) -> Result<(), CtlError> {
    match ids {
        [id] => session.master.delete_key(*id, &Change { annotation }).await,
        ids => session.master.delete_keys(&DeleteApiKeys { ids: ids.to_vec(), annotation }).await,
    }
}

/// Each once, however often it was named.
async fn ids(wanted: &[String], session: &Session) -> Result<Vec<KeyId>, CtlError> {
    let mut ids = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let id = id_of(wanted, &session.master).await?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

async fn asked(wanted: &[String], session: &Session) -> Result<Vec<KeyId>, CtlError> {
    let (mut ids, mut names) = (Vec::new(), Vec::new());
    for wanted in wanted {
        let key = pick(wanted, &session.master).await?;
        if !ids.contains(&key.id) {
            names.push(key_name(&key));
            ids.push(key.id);
        }
    }
    confirm(&format!("delete {}", names.join(", ")))?;
    Ok(ids)
}

async fn delete_plan(wanted: &[String], session: &Session) -> Result<(), CtlError> {
    let mut plans = Page { items: Vec::new(), next: None };
    for id in ids(wanted, session).await? {
        plans.items.push(session.master.key_usage(id).await?);
    }
    let text = |plans: &Page<_>, now, width| {
        let each = plans.items.iter().map(|usage| plan::text(Deed::Delete, usage, now, width));
        each.collect::<Vec<_>>().join("\n\n")
    };
    session.print(&plans, text).await
}
