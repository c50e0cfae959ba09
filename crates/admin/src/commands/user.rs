//! Users.

use gatepass_contract::name::UserName;
use gatepass_contract::secret::Password;
use gatepass_contract::wire::admin::{self, EditUser, SetPassword, UserView};

use super::session::{Gone, Session};
use crate::cli::{self, CreateUser, DeleteUser, PasswordArguments, SwitchUser, UserCommand};
use crate::confirm::{confirm, hidden, new_password, password, somebody_is_there};
use crate::error::CtlError;
use crate::table;

pub(super) async fn run(command: UserCommand, session: &Session) -> Result<(), CtlError> {
    match command {
        UserCommand::Create(arguments) => create(arguments, session).await,
        UserCommand::List(list) => {
            session.list(&session.master.users(list.into()).await?, table::users).await
        }
        UserCommand::Show { name } => session.print(&session.master.user(&name).await?, table::user).await,
        UserCommand::Edit(arguments) => edit(arguments, session).await,
        UserCommand::Enable(arguments) => switch(arguments, true, session).await,
        UserCommand::Disable(arguments) => switch(arguments, false, session).await,
        UserCommand::Password(arguments) => set_password(arguments, session).await,
        UserCommand::Delete(arguments) => delete(arguments, session).await,
    }
}

async fn create(arguments: CreateUser, session: &Session) -> Result<(), CtlError> {
    let wanted = admin::CreateUser {
        password: first_password(&arguments)?,
        name: arguments.name,
        full_name: arguments.full_name,
        email: arguments.email,
        roles: arguments.roles,
        groups: arguments.groups,
        annotation: arguments.reason.annotation(),
    };
    let created = session.master.create_user(&wanted).await?;
    session.outcome(&created, |user| format!("user {} is {}", user.name, user.state))
}

fn first_password(arguments: &CreateUser) -> Result<Option<Password>, CtlError> {
    let is_wanted = arguments.password || arguments.password_file.is_some();
    is_wanted.then(|| new_password(arguments.password_file.as_deref())).transpose()
}

async fn edit(arguments: cli::EditUser, session: &Session) -> Result<(), CtlError> {
    let user = session.master.user(&arguments.name).await?;
    let edited = session.master.edit_user(&user, &edit_body(arguments, &user)).await?;
    session.outcome(&edited, |user| format!("user {} is changed", user.name))
}

fn edit_body(arguments: cli::EditUser, user: &UserView) -> EditUser {
    EditUser {
        full_name: arguments.full_name,
        email: if arguments.no_email { Some(None) } else { arguments.email.map(Some) },
        enabled: None,
        roles: with_and_without(&user.roles, arguments.add_roles, &arguments.remove_roles),
        groups: with_and_without(&user.groups, arguments.add_groups, &arguments.remove_groups),
        annotation: arguments.reason.annotation(),
    }
}

/// What there is, with some more and without some; `None` when nothing was named.
pub(super) fn with_and_without<T: Clone + PartialEq>(
    present: &[T],
    more: Vec<T>,
    less: &[T],
) -> Option<Vec<T>> {
    if more.is_empty() && less.is_empty() {
        return None;
    }
    let mut all: Vec<T> = present.iter().filter(|one| !less.contains(one)).cloned().collect();
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    Some(all)
}

async fn switch(arguments: SwitchUser, enabled: bool, session: &Session) -> Result<(), CtlError> {
    let user = session.master.user(&arguments.name).await?;
    let annotation = arguments.reason.annotation();
    let edit = EditUser { enabled: Some(enabled), annotation, ..EditUser::default() };
    let edited = session.master.edit_user(&user, &edit).await?;
    session.outcome(&edited, |user| format!("user {} is {}", user.name, user.state))
}

async fn set_password(arguments: PasswordArguments, session: &Session) -> Result<(), CtlError> {
    let me = session.master.caller().await?.user;
    let name = arguments.name.clone().unwrap_or_else(|| me.clone());
    let present = if name == me { present(&arguments, &name)? } else { None };
    let password = new_password(arguments.password_file.as_deref())?;
    let wanted = SetPassword { password, present, annotation: arguments.reason.annotation() };
    session.master.set_password(&name, &wanted).await?;
    let done = serde_json::json!({ "user": name });
    session.outcome(&done, |_| format!("user {name} has a new password"))
}

/// One's own present password. The first one is set without: then a person just presses enter.
fn present(arguments: &PasswordArguments, name: &UserName) -> Result<Option<Password>, CtlError> {
    let file = arguments.present_file.as_deref();
    if file.is_none() && !somebody_is_there() {
        return Ok(None);
    }
    if file.is_some() {
        return password(file, "present password").map(Some);
    }
    let typed = hidden(&format!("present password of {name} (empty if there is none)"))?;
    Ok((!typed.is_empty()).then(|| Password::new(typed)))
}

async fn delete(arguments: DeleteUser, session: &Session) -> Result<(), CtlError> {
    if !arguments.sure.yes {
        confirm(&format!("delete user {}", arguments.name))?;
    }
    session.master.delete_user(&arguments.name, &arguments.reason.into()).await?;
    let gone = Gone { deleted: vec![arguments.name.to_string()] };
    session.outcome(&gone, |_| format!("deleted: user {}", arguments.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_changed_by_what_comes_and_goes() {
        for (more, less, want) in [
            (vec![], vec![], None),
            (vec!["c"], vec![], Some(vec!["a", "b", "c"])),
            (vec!["a"], vec![], Some(vec!["a", "b"])),
            (vec![], vec!["a", "x"], Some(vec!["b"])),
            (vec!["c"], vec!["a", "b"], Some(vec!["c"])),
        ] {
            assert_eq!(with_and_without(&["a", "b"], more, &less), want);
        }
    }
}
