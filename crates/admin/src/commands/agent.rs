//! Agents.

use gatepass_contract::id::AgentId;
use gatepass_contract::wire::admin::{AgentView, Page};

use super::Session;
use crate::cli::AgentCommand;
use crate::confirm::confirm;
use crate::error::CtlError;
use crate::find::{agent_id, find};
use crate::master::Master;
use crate::table;

pub(super) async fn run(command: AgentCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        AgentCommand::List => {
            let all = Page { items: session.master.agents().await?, next: None };
            session.print(&all, |all, now, width| table::agents(&all.items, now, width)).await
        }
        AgentCommand::Show(wanted) => {
            session.print(&pick(&wanted.id, &session.master).await?, table::agent).await
        }
        AgentCommand::Revoke(last) => {
            let id = if last.yes {
                id_of(&last.id, &session.master).await?
            } else {
                let agent = pick(&last.id, &session.master).await?;
                confirm(&format!("revoke agent {} ({})", agent.name, agent.id))?;
                agent.id
            };
            let revoked = session.master.revoke_agent(id).await?;
            session
                .outcome(&revoked, |agent| format!("agent {} ({}) is {}", agent.name, agent.id, agent.state))
        }
    }
}

async fn pick(wanted: &str, master: &Master) -> Result<AgentView, CtlError> {
    match agent_id(wanted) {
        Some(id) => master.agent(id).await,
        None => find(wanted, master.agents().await?),
    }
}

/// Who names the whole id need not be allowed to read agents.
async fn id_of(wanted: &str, master: &Master) -> Result<AgentId, CtlError> {
    match agent_id(wanted) {
        Some(id) => Ok(id),
        None => Ok(pick(wanted, master).await?.id),
    }
}
