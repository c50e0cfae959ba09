//! API keys.

use gatepass_contract::id::KeyId;
use gatepass_contract::wire::admin::{ApiKeyView, CreateApiKey, CreatedApiKey, Expiry, Page};
use gatepass_contract::wire::path;

use super::Session;
use crate::cli::{CreateArguments, KeyCommand};
use crate::confirm::confirm;
use crate::error::CtlError;
use crate::find::{find, key_id};
use crate::master::Master;
use crate::output::{self, Form};
use crate::secret_file::SecretFile;
use crate::table;

pub(super) async fn run(command: KeyCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        KeyCommand::Create(arguments) => create(arguments, session).await,
        KeyCommand::List => {
            let all = Page { items: session.master.keys().await?, next: None };
            session.print(&all, |all, now, width| table::keys(&all.items, now, width)).await
        }
        KeyCommand::Show(wanted) => {
            session.print(&pick(&wanted.id, &session.master).await?, table::key).await
        }
        KeyCommand::Suspend(wanted) => {
            let id = id_of(&wanted.id, &session.master).await?;
            change(path::API_KEY_SUSPEND, id, session).await
        }
        KeyCommand::Resume(wanted) => {
            let id = id_of(&wanted.id, &session.master).await?;
            change(path::API_KEY_RESUME, id, session).await
        }
        KeyCommand::Revoke(last) => {
            let id = if last.yes {
                id_of(&last.id, &session.master).await?
            } else {
                let key = pick(&last.id, &session.master).await?;
                confirm(&format!("revoke key {} ({})", key.name, key.id))?;
                key.id
            };
            change(path::API_KEY_REVOKE, id, session).await
        }
    }
}

async fn pick(wanted: &str, master: &Master) -> Result<ApiKeyView, CtlError> {
    match key_id(wanted) {
        Some(id) => master.key(id).await,
        None => find(wanted, master.keys().await?),
    }
}

/// Who names the whole id need not be allowed to read keys.
async fn id_of(wanted: &str, master: &Master) -> Result<KeyId, CtlError> {
    match key_id(wanted) {
        Some(id) => Ok(id),
        None => Ok(pick(wanted, master).await?.id),
    }
}

async fn change(how: &str, id: KeyId, session: &Session) -> Result<(), CtlError> {
    let changed = session.master.change_key(how, id).await?;
    session.outcome(&changed, |key| format!("key {} ({}) is {}", key.name, key.id, key.state))
}

async fn create(arguments: CreateArguments, session: &Session) -> Result<(), CtlError> {
    let file = arguments.out.as_deref().map(SecretFile::create).transpose()?;
    let expires = match arguments.expires {
        Some(expires) => Some(expires.from(session.master.time().await?)),
        None => None,
    };
    let created = session.master.create_key(&body(arguments, expires)).await?;
    hand_over(&created, file, session.form)
        .map_err(|source| CtlError::SecretLost { id: created.key.id.to_string(), source })
}

fn body(arguments: CreateArguments, expires: Option<Expiry>) -> CreateApiKey {
    CreateApiKey {
        kind: arguments.kind,
        name: arguments.name,
        description: arguments.description,
        groups: arguments.groups,
        capabilities: arguments.capabilities,
        expires,
        networks: arguments.networks,
        uses: arguments.uses.map(Into::into),
    }
}

/// The secret first and alone: whatever fails after that loses nothing.
fn hand_over(created: &CreatedApiKey, file: Option<SecretFile>, form: Form) -> std::io::Result<()> {
    let secret = created.secret.reveal();
    let stored = file.is_some();
    if let Some(file) = file {
        file.fill(secret)?;
    }
    match (form, stored) {
        (Form::Json, true) => return output::write(&output::json(&created.key)),
        (Form::Json, false) => return output::write(&output::json(created)),
        (Form::Human, true) => {}
        (Form::Human, false) => output::write(secret)?,
    }
    output::talk(table::key(&created.key, created.key.created, None));
    Ok(())
}
