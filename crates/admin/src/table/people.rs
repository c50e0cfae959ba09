//! Users, groups, roles, capabilities, the caller, and profiles.

use gatepass_contract::address::MasterUrl;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{CallerSelf, Expiry, GroupView, RoleView, UserView};

use super::layout::{Width, end, few, fields, instant, listed, or_dash, since, table, yes};
use crate::master::Capability;
use crate::profile::{Profile, ProfileName};

/// Some users.
#[must_use]
pub fn users(users: &[UserView], now: UnixTime, width: Width) -> String {
    let header = ["NAME", "FULL NAME", "STATE", "ROLES", "GROUPS", "MAIL", "LAST SIGN-IN"];
    let rows = users.iter().map(|user| {
        vec![
            user.name.to_string(),
            or_dash(&user.full_name),
            user.state.to_string(),
            listed(&user.roles),
            listed(&user.groups),
            user.email.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            since(user.last_sign_in, now),
        ]
    });
    table(&header, rows, width)
}

/// One user.
#[must_use]
pub fn user(user: &UserView, now: UnixTime, width: Width) -> String {
    let rows = [
        ("name", user.name.to_string()),
        ("full name", or_dash(&user.full_name)),
        ("mail", user.email.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
        ("state", user.state.to_string()),
        ("roles", listed(&user.roles)),
        ("groups", listed(&user.groups)),
        ("may", listed(&user.capabilities)),
        ("password", yes(user.has_password)),
        ("created", instant(user.created, now)),
        ("last sign-in", user.last_sign_in.map_or_else(|| "never".to_owned(), |at| instant(at, now))),
    ];
    fields(rows, width)
}

/// Some groups.
#[must_use]
pub fn groups(groups: &[GroupView], _now: UnixTime, width: Width) -> String {
    let rows = groups
        .iter()
        .map(|group| vec![group.name.to_string(), listed(&group.roles), or_dash(&group.description)]);
    table(&["NAME", "ROLES", "DESCRIPTION"], rows, width)
}

/// One group.
#[must_use]
pub fn group(group: &GroupView, now: UnixTime, width: Width) -> String {
    let rows = [
        ("name", group.name.to_string()),
        ("description", or_dash(&group.description)),
        ("roles", listed(&group.roles)),
        ("created", instant(group.created, now)),
    ];
    fields(rows, width)
}

/// Some roles.
#[must_use]
pub fn roles(roles: &[RoleView], _now: UnixTime, width: Width) -> String {
    let rows = roles.iter().map(|role| {
        let of = if role.builtin { "Gatepass" } else { "-" };
        vec![role.name.to_string(), of.to_owned(), few(&role.capabilities), or_dash(&role.description)]
    });
    table(&["NAME", "PART OF", "MAY", "DESCRIPTION"], rows, width)
}

/// One role.
#[must_use]
pub fn role(role: &RoleView, now: UnixTime, width: Width) -> String {
    let rows = [
        ("name", role.name.to_string()),
        ("description", or_dash(&role.description)),
        ("may", listed(&role.capabilities)),
        ("part of Gatepass", yes(role.builtin)),
        ("created", instant(role.created, now)),
    ];
    fields(rows, width)
}

/// Every capability, and what other products call it.
#[must_use]
pub fn capabilities(all: &[Capability], width: Width) -> String {
    let rows = all.iter().map(|one| {
        let elsewhere: Vec<_> =
            one.aliases.iter().map(|alias| format!("{}: {}", alias.product, alias.name)).collect();
        let who = if one.site_only { "site administrators" } else { "anybody" };
        vec![one.capability.clone(), who.to_owned(), listed(&elsewhere)]
    });
    table(&["CAPABILITY", "FOR", "ELSEWHERE"], rows, width)
}

/// Who the caller is.
#[must_use]
pub fn caller(caller: &CallerSelf, master: &MasterUrl, now: UnixTime, width: Width) -> String {
    let name = if caller.name.is_empty() { String::new() } else { format!(" {}", caller.name) };
    let rows = [
        ("user", caller.user.to_string()),
        ("by", format!("{}{name} ({})", caller.credential, caller.id)),
        ("groups", listed(&caller.groups)),
        ("may", listed(&caller.capabilities)),
        ("until", end(caller.expires, now)),
        ("master", master.to_string()),
    ];
    fields(rows, width)
}

/// The profiles; the one in use has a star.
#[must_use]
pub fn profiles(all: &[(ProfileName, bool, Option<Profile>)], width: Width) -> String {
    let rows = all.iter().map(|(name, in_use, profile)| {
        let star = if *in_use { "*" } else { "" };
        let of =
            |text: fn(&Profile) -> String| profile.as_ref().map_or_else(|| "unreadable".to_owned(), text);
        vec![
            star.to_owned(),
            name.to_string(),
            of(|profile| profile.master.to_string()),
            of(|profile| profile.user.to_string()),
            of(|profile| profile.kind.to_string()),
        ]
    });
    table(&["", "NAME", "MASTER", "USER", "CREDENTIAL"], rows, width)
}

/// One profile; never its secret. No clock is asked: the master may be out of reach.
#[must_use]
pub fn profile(name: &ProfileName, profile: &Profile, file: &std::path::Path, width: Width) -> String {
    let fingerprints = profile.fingerprints();
    let trust = if fingerprints.is_empty() { "the system's list".to_owned() } else { listed(&fingerprints) };
    let rows = [
        ("name", name.to_string()),
        ("file", file.display().to_string()),
        ("master", profile.master.to_string()),
        ("CA fingerprint", trust),
        ("user", profile.user.to_string()),
        ("credential", profile.kind.to_string()),
        (
            "expires",
            match profile.expires {
                Expiry::At(at) => at.to_string(),
                Expiry::Never => "never".to_owned(),
            },
        ),
    ];
    fields(rows, width)
}

#[cfg(test)]
mod tests {
    use gatepass_contract::wire::admin::{Capability as Right, CredentialKind, UserState};

    use super::*;
    use crate::table::samples::NOW;

    #[test]
    fn a_user_shows_what_their_roles_amount_to() {
        let ann = UserView {
            name: "ann".parse().expect("a name"),
            full_name: "Ann \u{202e}Other".to_owned(),
            email: Some("ann@example.com".parse().expect("an address")),
            state: UserState::Disabled,
            roles: vec!["auditor".parse().expect("a role")],
            groups: vec![],
            capabilities: vec![Right::AuditRead],
            has_password: true,
            created: NOW,
            last_sign_in: None,
            version: 1,
        };
        let text = user(&ann, NOW, None);
        for part in ["Ann \u{fffd}Other", "audit.read", "disabled", "never"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(users(&[ann], NOW, None).contains("ann@example.com"));
    }

    #[test]
    fn a_caller_is_a_user_with_a_credential() {
        let me = CallerSelf {
            user: "ann".parse().expect("a name"),
            credential: CredentialKind::ApiKey,
            id: "AEAQCAIBAEAQCAIB".to_owned(),
            name: "ci".to_owned(),
            groups: vec![],
            capabilities: vec![Right::KeyRead],
            expires: Expiry::Never,
        };
        let text = caller(&me, &"https://m:1".parse().expect("a URL"), NOW, None);
        assert!(text.contains("apikey ci (AEAQCAIBAEAQCAIB)") && text.contains("key.read"), "{text}");
    }

    #[test]
    fn what_is_called_otherwise_elsewhere_is_said() {
        let alias =
            crate::master::Alias { product: "centrasite".to_owned(), name: "Manage Assets".to_owned() };
        let all =
            [Capability { capability: "key.approve".to_owned(), site_only: false, aliases: vec![alias] }];
        assert!(capabilities(&all, None).contains("key.approve  anybody  centrasite: Manage Assets"));
    }
}
