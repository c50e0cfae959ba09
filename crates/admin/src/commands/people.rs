//! Groups, roles, capabilities.

use gatepass_contract::wire::admin::{self, EditGroup, EditRole};

use super::session::{Gone, Session};
use super::user::with_and_without;
use crate::cli::{
    self, CapabilityCommand, CreateGroup, CreateRole, DeleteGroup, DeleteRole, GroupCommand, RoleCommand,
};
use crate::confirm::confirm;
use crate::error::CtlError;
use crate::table;

pub(super) async fn group(command: GroupCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        GroupCommand::Create(arguments) => create_group(arguments, session).await,
        GroupCommand::List(list) => {
            session.list(&session.master.groups(list.into()).await?, table::groups).await
        }
        GroupCommand::Show { name } => session.print(&session.master.group(&name).await?, table::group).await,
        GroupCommand::Edit(arguments) => edit_group(arguments, session).await,
        GroupCommand::Delete(arguments) => delete_group(arguments, session).await,
    }
}

async fn create_group(arguments: CreateGroup, session: &Session) -> Result<(), CtlError> {
    let wanted = admin::CreateGroup {
        name: arguments.name,
        description: arguments.description,
        roles: arguments.roles,
        annotation: arguments.reason.annotation(),
    };
    let created = session.master.create_group(&wanted).await?;
    session.outcome(&created, |group| format!("group {} is there", group.name))
}

async fn edit_group(arguments: cli::EditGroup, session: &Session) -> Result<(), CtlError> {
    let group = session.master.group(&arguments.name).await?;
    let edit = EditGroup {
        description: arguments.description,
        roles: with_and_without(&group.roles, arguments.add_roles, &arguments.remove_roles),
        annotation: arguments.reason.annotation(),
    };
    let edited = session.master.edit_group(&group, &edit).await?;
    session.outcome(&edited, |group| format!("group {} is changed", group.name))
}

async fn delete_group(arguments: DeleteGroup, session: &Session) -> Result<(), CtlError> {
    if !arguments.sure.yes {
        confirm(&format!("delete group {}", arguments.name))?;
    }
    session.master.delete_group(&arguments.name, &arguments.reason.into()).await?;
    let gone = Gone { deleted: vec![arguments.name.to_string()] };
    session.outcome(&gone, |_| format!("deleted: group {}", arguments.name))
}

pub(super) async fn role(command: RoleCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        RoleCommand::Create(arguments) => create_role(arguments, session).await,
        RoleCommand::List(list) => {
            session.list(&session.master.roles(list.into()).await?, table::roles).await
        }
        RoleCommand::Show { name } => session.print(&session.master.role(&name).await?, table::role).await,
        RoleCommand::Edit(arguments) => edit_role(arguments, session).await,
        RoleCommand::Delete(arguments) => delete_role(arguments, session).await,
    }
}

async fn create_role(arguments: CreateRole, session: &Session) -> Result<(), CtlError> {
    let wanted = admin::CreateRole {
        name: arguments.name,
        description: arguments.description,
        capabilities: arguments.capabilities,
        annotation: arguments.reason.annotation(),
    };
    let created = session.master.create_role(&wanted).await?;
    session.outcome(&created, |role| format!("role {} is there", role.name))
}

async fn edit_role(arguments: cli::EditRole, session: &Session) -> Result<(), CtlError> {
    let role = session.master.role(&arguments.name).await?;
    let edit = EditRole {
        description: arguments.description,
        capabilities: with_and_without(&role.capabilities, arguments.add, &arguments.remove),
        annotation: arguments.reason.annotation(),
    };
    let edited = session.master.edit_role(&role, &edit).await?;
    session.outcome(&edited, |role| format!("role {} is changed", role.name))
}

async fn delete_role(arguments: DeleteRole, session: &Session) -> Result<(), CtlError> {
    if !arguments.sure.yes {
        confirm(&format!("delete role {}", arguments.name))?;
    }
    session.master.delete_role(&arguments.name, &arguments.reason.into()).await?;
    let gone = Gone { deleted: vec![arguments.name.to_string()] };
    session.outcome(&gone, |_| format!("deleted: role {}", arguments.name))
}

pub(super) async fn capability(command: &CapabilityCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        CapabilityCommand::List => {
            let all = session.master.capabilities().await?;
            session.print(&all, |all, _now, width| table::capabilities(all, width)).await
        }
    }
}
