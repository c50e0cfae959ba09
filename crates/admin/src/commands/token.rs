//! API tokens.

use gatepass_contract::id::TokenId;
use gatepass_contract::name::DisplayName;
use gatepass_contract::wire::admin::{self, Expiry, TokenQuery, TokenView, UnlockedToken};

use super::handing::{self, token_name};
use super::key::switched;
use super::session::{Gone, Session};
use crate::cli::{CreateToken, EditToken, EndToken, ListTokens, TokenCommand, UnlockToken};
use crate::confirm::confirm;
use crate::error::CtlError;
use crate::find::{find, may_begin_an_id, token_id};
use crate::master::{Extent, Master};
use crate::output::{self, Form};
use crate::secret_file::SecretFile;
use crate::table;

pub(super) async fn run(command: TokenCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        TokenCommand::Create(arguments) => create(arguments, session).await,
        TokenCommand::List(arguments) => list(arguments, session).await,
        TokenCommand::Show(wanted) => {
            session.print(&pick(&wanted.id, &session.master).await?, table::token).await
        }
        TokenCommand::Edit(arguments) => edit(arguments, session).await,
        TokenCommand::Unlock(arguments) => unlock(arguments, session).await,
        TokenCommand::Expire(arguments) => expire(arguments, session).await,
        TokenCommand::Delete(arguments) => delete(arguments, session).await,
    }
}

async fn list(arguments: ListTokens, session: &Session) -> Result<(), CtlError> {
    let query = TokenQuery { after: None, limit: None, user: arguments.user, name: arguments.name };
    session.list(&session.master.tokens(query, arguments.list.into()).await?, table::tokens).await
}

async fn pick(wanted: &str, master: &Master) -> Result<TokenView, CtlError> {
    if let Some(id) = token_id(wanted) {
        return master.token(id).await;
    }
    if let Ok(name) = wanted.parse::<DisplayName>() {
        let query = TokenQuery { name: Some(name), ..TokenQuery::default() };
        let named = master.tokens(query, Extent::All).await?.items;
        if !named.is_empty() {
            return find(wanted, named);
        }
    }
    let beginning = if may_begin_an_id(wanted) { master.tokens_beginning(wanted).await? } else { Vec::new() };
    find(wanted, beginning)
}

/// The one that is meant, once a person has said yes to `deed`. Who names the whole id and is sure need not be allowed to
/// read tokens.
async fn sure(deed: &str, wanted: &str, yes: bool, master: &Master) -> Result<TokenId, CtlError> {
    if let (true, Some(id)) = (yes, token_id(wanted)) {
        return Ok(id);
    }
    let token = pick(wanted, master).await?;
    if !yes {
        confirm(&format!("{deed} {}", token_name(&token)))?;
    }
    Ok(token.id)
}

async fn create(arguments: CreateToken, session: &Session) -> Result<(), CtlError> {
    let file = arguments.out.as_deref().map(SecretFile::create).transpose()?;
    let expires = session.end(arguments.expires).await?;
    let created = session.master.create_token(&body(arguments, expires)).await?;
    hand_over(&created, file, session)
}

fn body(arguments: CreateToken, expires: Option<Expiry>) -> admin::CreateToken {
    admin::CreateToken {
        name: arguments.name,
        user: arguments.user,
        description: arguments.description,
        roles: arguments.roles,
        expires,
        networks: arguments.networks,
        annotation: arguments.reason.annotation(),
    }
}

async fn unlock(arguments: UnlockToken, session: &Session) -> Result<(), CtlError> {
    let file = arguments.out.as_deref().map(SecretFile::create).transpose()?;
    let deed = "end the JWT in use of";
    let id = sure(deed, &arguments.wanted.id, arguments.sure.yes, &session.master).await?;
    let unlocked = session.master.unlock_token(id, &arguments.reason.into()).await?;
    hand_over(&unlocked, file, session)
}

fn hand_over(unlocked: &UnlockedToken, file: Option<SecretFile>, session: &Session) -> Result<(), CtlError> {
    let token = &unlocked.token;
    handing::token(unlocked, file, session.form).map_err(|source| CtlError::SecretLost {
        what: token_name(token),
        again: format!("run `gatepassctl token unlock {}` for another JWT", token.id),
        source,
    })?;
    if session.form == Form::Table {
        output::talk(table::token(token, token.updated, None));
    }
    Ok(())
}

async fn edit(arguments: EditToken, session: &Session) -> Result<(), CtlError> {
    let token = pick(&arguments.wanted.id, &session.master).await?;
    let expires = session.end(arguments.expires).await?;
    let edited = session.master.edit_token(&token, &edit_body(arguments, expires)).await?;
    session.outcome(&edited, |token| format!("{} is changed", token_name(token)))
}

fn edit_body(arguments: EditToken, expires: Option<Expiry>) -> admin::EditToken {
    admin::EditToken {
        name: arguments.name,
        user: arguments.user,
        description: arguments.description,
        roles: (!arguments.roles.is_empty()).then_some(arguments.roles),
        expires,
        networks: (arguments.anywhere || !arguments.networks.is_empty()).then_some(arguments.networks),
        enabled: switched(arguments.enable, arguments.disable),
        annotation: arguments.reason.annotation(),
    }
}

async fn expire(arguments: EndToken, session: &Session) -> Result<(), CtlError> {
    let id = sure("expire", &arguments.wanted.id, arguments.sure.yes, &session.master).await?;
    let expired = session.master.expire_token(id, &arguments.reason.into()).await?;
    session.outcome(&expired, |token| format!("{} is {}", token_name(token), token.standing))
}

async fn delete(arguments: EndToken, session: &Session) -> Result<(), CtlError> {
    let id = sure("delete", &arguments.wanted.id, arguments.sure.yes, &session.master).await?;
    session.master.delete_token(id, &arguments.reason.into()).await?;
    let gone = Gone { deleted: vec![id.to_string()] };
    session.outcome(&gone, |_| format!("deleted: token {id}"))
}
