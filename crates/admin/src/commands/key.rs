//! API keys: making, showing and changing them.

use gatepass_contract::id::KeyId;
use gatepass_contract::name::DisplayName;
use gatepass_contract::wire::admin::{
    ApiKeyView, ApprovalQuery, CreateApiKey, CreatedApiKey, Decision, EditApiKey, Expiry, KeyQuery, KeyState,
    RenewApiKey, RotateApiKey, RotationState,
};
use gatepass_contract::wire::path;

use super::handing::{self, Place, key_name};
use super::key_end;
use super::session::Session;
use crate::cli::{
    ApproveKey, CreateKey, EditKey, KeyCommand, ListApprovals, ListKeys, MoveKey, RejectKey, RenewKey,
    RotateKey, WaitArguments,
};
use crate::error::CtlError;
use crate::find::{find, key_id, may_begin_an_id};
use crate::master::{Extent, Master};
use crate::output::{self, Form};
use crate::table;
use crate::wait::{self, Asked, Request};

pub(super) async fn run(command: KeyCommand, session: &Session) -> Result<(), CtlError> {
    let master = &session.master;
    match command {
        KeyCommand::Create(arguments) => create(*arguments, session).await,
        KeyCommand::List(arguments) => list(arguments, session).await,
        KeyCommand::Show(wanted) => session.print(&shown(&wanted.id, master).await?, table::key).await,
        KeyCommand::Edit(arguments) => edit(arguments, session).await,
        KeyCommand::Renew(arguments) => renew(arguments, session).await,
        KeyCommand::Rotate(arguments) => rotate(arguments, session).await,
        KeyCommand::Suspend(arguments) => change(path::API_KEY_SUSPEND, arguments, session).await,
        KeyCommand::Resume(arguments) => change(path::API_KEY_RESUME, arguments, session).await,
        KeyCommand::Approve(arguments) => approve(arguments, session).await,
        KeyCommand::Reject(arguments) => reject(arguments, session).await,
        KeyCommand::Revoke(arguments) => key_end::revoke(arguments, session).await,
        KeyCommand::Delete(arguments) => key_end::delete(arguments, session).await,
        KeyCommand::Summary => session.print(&master.key_summary().await?, table::key_summary).await,
        KeyCommand::Usage(wanted) => {
            let id = id_of(&wanted.id, master).await?;
            session.print(&master.key_usage(id).await?, usage).await
        }
    }
}

pub(super) async fn approvals(arguments: ListApprovals, session: &Session) -> Result<(), CtlError> {
    let state = (!arguments.all).then_some(arguments.state);
    let query = ApprovalQuery { state, ..ApprovalQuery::default() };
    session.list(&session.master.approvals(query, arguments.list.into()).await?, table::approvals).await
}

async fn list(arguments: ListKeys, session: &Session) -> Result<(), CtlError> {
    let query = KeyQuery {
        after: None,
        limit: None,
        sort: arguments.sort,
        standing: arguments.standing,
        state: arguments.state,
        kind: arguments.kind,
        owner: arguments.owner,
        group: arguments.group,
        expiring_within: arguments.expiring_within,
        name: arguments.name,
    };
    session.list(&session.master.keys(query, arguments.list.into()).await?, table::keys).await
}

/// Headed by whom it is about: the table itself does not say.
fn usage(
    usage: &gatepass_contract::wire::admin::KeyUsage,
    now: gatepass_contract::time::UnixTime,
    width: table::Width,
) -> String {
    format!("{}\n{}", key_name(&usage.key), table::key_usage(usage, now, width))
}

/// The key that is meant, as a list has it.
pub(super) async fn pick(wanted: &str, master: &Master) -> Result<ApiKeyView, CtlError> {
    if let Some(id) = key_id(wanted) {
        return master.key(id).await;
    }
    if let Ok(name) = wanted.parse::<DisplayName>() {
        let query = KeyQuery { name: Some(name), ..KeyQuery::default() };
        let named = master.keys(query, Extent::All).await?.items;
        if !named.is_empty() {
            return find(wanted, named);
        }
    }
    let beginning = if may_begin_an_id(wanted) { master.keys_beginning(wanted).await? } else { Vec::new() };
    find(wanted, beginning)
}

/// The same with what only the key itself is shown with.
async fn shown(wanted: &str, master: &Master) -> Result<ApiKeyView, CtlError> {
    match key_id(wanted) {
        Some(id) => master.key(id).await,
        None => master.key(pick(wanted, master).await?.id).await,
    }
}

/// Who names the whole id need not be allowed to read keys.
pub(super) async fn id_of(wanted: &str, master: &Master) -> Result<KeyId, CtlError> {
    match key_id(wanted) {
        Some(id) => Ok(id),
        None => Ok(pick(wanted, master).await?.id),
    }
}

async fn change(how: &str, arguments: MoveKey, session: &Session) -> Result<(), CtlError> {
    let id = id_of(&arguments.wanted.id, &session.master).await?;
    let changed = session.master.move_key(how, id, &arguments.reason.into()).await?;
    session.outcome(&changed, |key| format!("{} is {}", key_name(key), key.state))
}

async fn approve(arguments: ApproveKey, session: &Session) -> Result<(), CtlError> {
    let id = id_of(&arguments.wanted.id, &session.master).await?;
    let decision = Decision { reason: arguments.reason, annotation: arguments.annotation.annotation() };
    let key = session.master.decide(path::API_KEY_APPROVE, id, &decision).await?;
    session.outcome(&key, |key| format!("approved: {} is {}", key_name(key), key.state))
}

async fn reject(arguments: RejectKey, session: &Session) -> Result<(), CtlError> {
    let id = id_of(&arguments.wanted.id, &session.master).await?;
    let decision = Decision { reason: arguments.reason, annotation: arguments.annotation.annotation() };
    let key = session.master.decide(path::API_KEY_REJECT, id, &decision).await?;
    session.outcome(&key, |key| format!("rejected: {} is {}", key_name(key), key.state))
}

async fn edit(arguments: EditKey, session: &Session) -> Result<(), CtlError> {
    let key = pick(&arguments.wanted.id, &session.master).await?;
    let edited = session.master.edit_key(&key, &edit_body(arguments)).await?;
    session.outcome(&edited, |key| format!("{} is changed", key_name(key)))
}

fn edit_body(arguments: EditKey) -> EditApiKey {
    let uses = arguments.uses.map(|most| Some(most.get()));
    EditApiKey {
        name: arguments.name,
        description: arguments.description,
        networks: (arguments.anywhere || !arguments.networks.is_empty()).then_some(arguments.networks),
        enabled: switched(arguments.enable, arguments.disable),
        uses: if arguments.unlimited { Some(None) } else { uses },
        annotation: arguments.reason.annotation(),
    }
}

/// What two flags that exclude each other come to.
pub(super) fn switched(on: bool, off: bool) -> Option<bool> {
    (on || off).then_some(on)
}

async fn create(arguments: CreateKey, session: &Session) -> Result<(), CtlError> {
    let place = Place::of(&arguments.secret)?;
    let patience = arguments.wait;
    let expires = session.end(arguments.expires).await?;
    let created = session.master.create_key(&body(arguments, expires)).await?;
    let again = format!("run `gatepassctl key revoke {}` and create another", created.key.id);
    hand_over(&created, place, again, session)?;
    if created.key.state == KeyState::Pending {
        let approval = created.key.pending.as_ref().map(|pending| pending.id);
        wait_if(patience, Request { key: created.key.id, asked: Asked::Creation, approval }, session).await?;
    }
    Ok(())
}

fn body(arguments: CreateKey, expires: Option<Expiry>) -> CreateApiKey {
    CreateApiKey {
        kind: arguments.kind,
        name: arguments.name,
        description: arguments.description,
        owner: arguments.owner,
        groups: arguments.groups,
        capabilities: arguments.capabilities,
        roles: arguments.roles,
        expires,
        networks: arguments.networks,
        uses: arguments.uses.map(Into::into),
        annotation: arguments.reason.annotation(),
    }
}

async fn rotate(arguments: RotateKey, session: &Session) -> Result<(), CtlError> {
    let id = id_of(&arguments.wanted.id, &session.master).await?;
    let place = Place::of(&arguments.secret)?;
    let rotation = RotateApiKey { overlap: arguments.overlap, annotation: arguments.reason.annotation() };
    let rotated = session.master.rotate_key(id, &rotation).await?;
    let again = "the former secret stays good until the deadline: create another key before that".to_owned();
    hand_over(&rotated, place, again, session)?;
    if rotated.key.rotation.is_some_and(|rotation| rotation.state == RotationState::Pending) {
        let approval = rotated.key.pending.as_ref().map(|pending| pending.id);
        wait_if(arguments.wait, Request { key: id, asked: Asked::Rotation, approval }, session).await?;
    }
    Ok(())
}

/// Gives a new secret away, then says what it is for.
fn hand_over(
    created: &CreatedApiKey,
    place: Place,
    again: String,
    session: &Session,
) -> Result<(), CtlError> {
    let master = session.master.connection().url().to_string();
    handing::key(created, place, master, session.form).map_err(|source| CtlError::SecretLost {
        what: key_name(&created.key),
        again,
        source,
    })?;
    if session.form == Form::Table {
        let key = &created.key;
        let now = key.rotation.map_or(key.created, |rotation| rotation.started);
        output::talk(table::key(key, now, None));
    }
    Ok(())
}

async fn renew(arguments: RenewKey, session: &Session) -> Result<(), CtlError> {
    let id = id_of(&arguments.wanted.id, &session.master).await?;
    let expires = session.end(arguments.expires).await?;
    let renewal = RenewApiKey { expires, annotation: arguments.reason.annotation() };
    let mut renewed = session.master.renew_key(id, &renewal).await?;
    if let Some(pending) = &renewed.pending {
        let end = pending.expires.or(expires).unwrap_or(renewed.expires);
        let request = Request { key: id, asked: Asked::Renewal(end), approval: Some(pending.id) };
        if wait_if(arguments.wait, request, session).await? {
            renewed = session.master.key(id).await?;
        }
    }
    session.print(&renewed, table::key).await
}

/// Waits for an approver if that is wanted, and says so in any case. Whether it waited.
async fn wait_if(arguments: WaitArguments, request: Request, session: &Session) -> Result<bool, CtlError> {
    output::talk(format_args!(
        "gatepassctl: this waits for approval; an approver runs `gatepassctl key approve {}`",
        request.key
    ));
    let Some(patience) = arguments.wait else { return Ok(false) };
    wait::decided(request, patience.duration(), &session.master).await?;
    output::talk("gatepassctl: approved");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn edit_of(line: &str) -> serde_json::Value {
        let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
        let Command::Key(KeyCommand::Edit(edit)) = arguments.command else { panic!("{line}") };
        serde_json::to_value(edit_body(edit)).expect("JSON")
    }

    #[test]
    fn an_edit_says_what_changes_and_no_more() {
        for (line, want) in [
            ("gatepassctl key edit ci --uses 3", serde_json::json!({ "uses": 3 })),
            ("gatepassctl key edit ci --unlimited", serde_json::json!({ "uses": null })),
            (
                "gatepassctl key edit ci --anywhere --disable",
                serde_json::json!({ "networks": [], "enabled": false }),
            ),
            (
                "gatepassctl key edit ci --network 10.0.0.0/8 --annotate moved --ticket C-1",
                serde_json::json!({
                    "networks": ["10.0.0.0/8"], "annotation": { "text": "moved", "ticket": "C-1" }
                }),
            ),
        ] {
            assert_eq!(edit_of(line), want, "{line}");
        }
    }
}
