//! Agents.

use gatepass_contract::id::AgentId;
use gatepass_contract::wire::admin::AgentView;

use super::session::Session;
use crate::cli::{AgentCommand, RevokeAgent};
use crate::confirm::confirm;
use crate::error::CtlError;
use crate::find::{agent_id, find};
use crate::master::{Extent, Master};
use crate::table;

pub(super) async fn run(command: AgentCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        AgentCommand::List(list) => {
            session.list(&session.master.agents(list.into()).await?, table::agents).await
        }
        AgentCommand::Show(wanted) => {
            session.print(&pick(&wanted.id, &session.master).await?, table::agent).await
        }
        AgentCommand::Revoke(arguments) => revoke(arguments, session).await,
    }
}

async fn revoke(arguments: RevokeAgent, session: &Session) -> Result<(), CtlError> {
    let id = if arguments.sure.yes {
        id_of(&arguments.wanted.id, &session.master).await?
    } else {
        let agent = pick(&arguments.wanted.id, &session.master).await?;
        confirm(&format!("revoke agent {} ({})", agent.name, agent.id))?;
        agent.id
    };
    let revoked = session.master.revoke_agent(id, &arguments.reason.into()).await?;
    session.outcome(&revoked, |agent| format!("agent {} ({}) is {}", agent.name, agent.id, agent.state))
}

async fn pick(wanted: &str, master: &Master) -> Result<AgentView, CtlError> {
    match agent_id(wanted) {
        Some(id) => master.agent(id).await,
        None => find(wanted, master.agents(Extent::All).await?.items),
    }
}

/// Who names the whole id need not be allowed to read agents.
async fn id_of(wanted: &str, master: &Master) -> Result<AgentId, CtlError> {
    match agent_id(wanted) {
        Some(id) => Ok(id),
        None => Ok(pick(wanted, master).await?.id),
    }
}
