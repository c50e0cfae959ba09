//! Users, groups and roles: who may do what, and who may give it to whom.
//!
//! Invariants: nobody gives what they do not have, and nobody changes who or what has more than they; there is always
//! somebody who may do everything.

mod builtin;
mod directory;
mod group;
mod password;
mod role;
mod user;

use std::collections::BTreeSet;

use gatepass_contract::name::{GroupName, RoleName};
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::Capability;

pub use builtin::{ADMINISTRATOR, BUILTIN, BuiltinRole, administrator, administrators};
pub use directory::{Directory, Giver, Rights};
pub use group::GroupRecord;
pub use password::{LONGEST_PASSWORD, PasswordHash, SHORTEST_PASSWORD, is_password};
pub use role::RoleRecord;
pub use user::UserRecord;

/// Why people, groups or roles are not changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// It would give more than whoever asks has.
    #[error("you cannot give {0}, which you do not have")]
    Exceeds(Capability),
    /// It is about somebody or something that has more than whoever asks.
    #[error("you cannot change what has {0}, which you do not have")]
    Above(Capability),
    /// There is no such role.
    #[error("there is no role `{0}`")]
    NoRole(RoleName),
    /// There is no such group.
    #[error("there is no group `{0}`")]
    NoGroup(GroupName),
    /// Nobody could undo it.
    #[error("nobody would be left who is active and holds the role administrator")]
    LastAdministrator,
    /// It comes with the program.
    #[error("a built-in role cannot be changed; make one of your own")]
    Builtin,
    /// Only the role administrator has it.
    #[error("{0} is for site administrators only: no other role can have it")]
    SiteOnly(Capability),
    /// It would be of no use.
    #[error("a role needs at least one capability")]
    NoCapability,
    /// Too long, or not one line.
    #[error("a full name is one line of at most {LONGEST_FULL_NAME} characters")]
    FullName,
    /// Too long, or with control characters.
    #[error("a description has at most {LONGEST_DESCRIPTION} characters and no control characters")]
    Description,
    /// Too short or too long.
    #[error("a password has {0} to {LONGEST_PASSWORD} characters")]
    Password(usize),
    /// Whoever changes their own must know it.
    #[error("the present password is missing or wrong")]
    PresentPassword,
}

impl Unacceptable {
    /// What the caller is told, beside the text.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Exceeds(_) | Self::Above(_) => Code::CapabilityMissing,
            Self::NoRole(_)
            | Self::NoGroup(_)
            | Self::LastAdministrator
            | Self::Builtin
            | Self::SiteOnly(_)
            | Self::NoCapability
            | Self::FullName
            | Self::Description
            | Self::Password(_)
            | Self::PresentPassword => Code::Unacceptable,
        }
    }
}

/// Each once, in order.
pub(super) fn sorted<T: Ord + Clone>(names: &[T]) -> Vec<T> {
    names.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

fn description(text: &str) -> Result<String, Unacceptable> {
    if is_description(text) { Ok(text.to_owned()) } else { Err(Unacceptable::Description) }
}

/// Lines may be broken; nothing else that a terminal or a database could stumble over.
#[must_use]
pub fn is_description(text: &str) -> bool {
    text.chars().count() <= LONGEST_DESCRIPTION
        && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
}

const LONGEST_FULL_NAME: usize = 128;
const LONGEST_DESCRIPTION: usize = 256;

#[cfg(test)]
mod tests {
    use super::user::full_name;
    use super::*;
    use gatepass_contract::secret::Password;
    use gatepass_contract::time::UnixTime;
    use gatepass_contract::wire::admin::{CreateRole, CreateUser, EditGroup, EditUser};

    const NOW: UnixTime = UnixTime(1_795_379_123_000);

    fn directory() -> Directory {
        let role = |builtin: &BuiltinRole| RoleRecord {
            name: builtin.role_name(),
            description: builtin.description.to_owned(),
            capabilities: builtin.capabilities.to_vec(),
            builtin: true,
            created: NOW,
            version: 1,
        };
        let group = |name: &str, roles: &[&str]| GroupRecord {
            name: name.parse().expect("a group name"),
            description: String::new(),
            roles: names(roles),
            created: NOW,
            version: 1,
        };
        let groups = vec![group("admins", &[ADMINISTRATOR]), group("hosts", &["operator"])];
        Directory { groups, roles: BUILTIN.iter().map(role).collect() }
    }

    fn names<T: std::str::FromStr<Err: std::fmt::Debug>>(names: &[&str]) -> Vec<T> {
        names.iter().map(|name| name.parse().expect("a name")).collect()
    }

    fn giver(roles: &[&str]) -> Giver {
        Giver { user: administrator(), capabilities: directory().capabilities(&names(roles)) }
    }

    fn request(roles: &[&str], groups: &[&str]) -> CreateUser {
        CreateUser {
            name: "ann".parse().expect("a name"),
            full_name: "Ann".to_owned(),
            email: None,
            roles: names(roles),
            groups: names(groups),
            password: None,
            annotation: None,
        }
    }

    fn user(roles: &[&str], groups: &[&str]) -> UserRecord {
        UserRecord::create(&request(roles, groups), &directory(), &giver(&[ADMINISTRATOR]), NOW)
            .expect("allowed")
    }

    #[test]
    fn builtin_roles_keep_to_their_own_rules() {
        for role in BUILTIN {
            let mut once = role.capabilities.to_vec();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once, role.capabilities, "{}: in order, each once", role.name);
            let of_the_site = role.capabilities.iter().any(|capability| capability.is_for_the_site());
            assert_eq!(of_the_site, role.name == ADMINISTRATOR, "{}", role.name);
            assert_eq!(role.role_name().as_str(), role.name);
        }
    }

    #[test]
    fn a_user_holds_what_their_roles_and_groups_amount_to() {
        let ann = user(&["user"], &["hosts"]);
        assert_eq!(ann.held_roles, names::<RoleName>(&["operator", "user"]));
        let both = ["agent.enrol", "agent.read", "agent.revoke", "key.create", "key.read", "token.create"];
        assert_eq!(ann.capabilities, names::<Capability>(&both));
        let gone = Directory { groups: Vec::new(), ..directory() };
        assert_eq!(gone.rights(&ann.roles, &ann.groups).roles, names::<RoleName>(&["user"]), "no such group");
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let give = |by: &[&str], roles: &[&str], groups: &[&str]| {
            UserRecord::create(&request(roles, groups), &directory(), &giver(by), NOW).err()
        };
        assert_eq!(give(&["operator"], &["operator"], &["hosts"]), None);
        for (by, roles, groups, want) in [
            (&["operator"][..], &["user"][..], &[][..], Unacceptable::Exceeds(Capability::KeyCreate)),
            (&["operator"], &[], &["admins"], Unacceptable::Exceeds(Capability::KeyCreate)),
            (&[ADMINISTRATOR], &["nobody"], &[], Unacceptable::NoRole("nobody".parse().expect("a name"))),
            (&[ADMINISTRATOR], &[], &["nobody"], Unacceptable::NoGroup("nobody".parse().expect("a name"))),
        ] {
            assert_eq!(give(by, roles, groups), Some(want), "{by:?} {roles:?} {groups:?}");
        }
    }

    #[test]
    fn nobody_changes_who_has_more_than_they() {
        let edit = |by: &[&str], of: &UserRecord| {
            let request = EditUser { full_name: Some("Anne".to_owned()), ..EditUser::default() };
            of.edit(&request, &directory(), &giver(by), true).map(|user| user.version)
        };
        assert_eq!(edit(&["operator"], &user(&["operator"], &[])), Ok(2));
        let above = Err(Unacceptable::Above(Capability::KeyCreate));
        assert_eq!(edit(&["operator"], &user(&["user"], &[])), above);
        assert_eq!(user(&["user"], &[]).delete(&giver(&["operator"]), true).map(|_| 0), above);
        let group = &directory().groups[0];
        let change = EditGroup { description: Some("x".to_owned()), ..EditGroup::default() };
        assert_eq!(group.edit(&change, &directory(), &giver(&["operator"])).map(|_| 0), above);
    }

    #[test]
    fn somebody_may_always_do_everything() {
        let (last, all) = (user(&[ADMINISTRATOR], &[]), giver(&[ADMINISTRATOR]));
        let edits = [
            EditUser { enabled: Some(false), ..EditUser::default() },
            EditUser { roles: Some(Vec::new()), ..EditUser::default() },
        ];
        for edit in edits {
            let refused = Err(Unacceptable::LastAdministrator);
            assert_eq!(last.edit(&edit, &directory(), &all, false).map(drop), refused, "{edit:?}");
            assert!(last.edit(&edit, &directory(), &all, true).is_ok(), "another is left: {edit:?}");
        }
        assert_eq!(last.delete(&all, false).map(drop), Err(Unacceptable::LastAdministrator));
        let by_group =
            EditUser { roles: Some(Vec::new()), groups: Some(names(&["admins"])), ..EditUser::default() };
        assert!(last.edit(&by_group, &directory(), &all, false).is_ok(), "still one, through a group");
    }

    #[test]
    fn a_role_of_ones_own_is_made_within_the_rules() {
        use Capability::{AgentEnrol, AgentRead, KeyCreate, MasterManage};
        let make = |by: &[&str], capabilities: &[Capability]| {
            let request = CreateRole {
                name: "API Token Manager".parse().expect("a role name"),
                description: String::new(),
                capabilities: capabilities.to_vec(),
                annotation: None,
            };
            RoleRecord::create(&request, &giver(by), NOW).map(|role| role.capabilities)
        };
        assert_eq!(make(&["operator"], &[AgentRead, AgentEnrol, AgentRead]), Ok(vec![AgentEnrol, AgentRead]));
        assert_eq!(make(&["operator"], &[KeyCreate]), Err(Unacceptable::Exceeds(KeyCreate)));
        assert_eq!(make(&[ADMINISTRATOR], &[MasterManage]), Err(Unacceptable::SiteOnly(MasterManage)));
        assert_eq!(make(&[ADMINISTRATOR], &[]), Err(Unacceptable::NoCapability));
        let builtin = &directory().roles[1];
        assert_eq!(builtin.may_change(&giver(&[ADMINISTRATOR])), Err(Unacceptable::Builtin));
    }

    #[test]
    fn texts_are_bounded_and_cannot_garble() {
        for (name, fits) in [("Ann", true), ("", true), ("a\r\nb", false), ("a\u{1b}[31m", false)] {
            assert_eq!(full_name(name).is_ok(), fits, "{name:?}");
        }
        assert!(full_name(&"ä".repeat(128)).is_ok() && full_name(&"ä".repeat(129)).is_err());
        for (text, fits) in [("two\nlines", true), ("a\u{0}b", false), ("a\rb", false)] {
            assert_eq!(is_description(text), fits, "{text:?}");
        }
        let password = |text: &str| Password::new(zeroize::Zeroizing::new(text.to_owned()));
        for (text, fits) in [("short", false), ("ten chars!", true), (&"x".repeat(129), false)] {
            assert_eq!(is_password(&password(text), SHORTEST_PASSWORD).is_ok(), fits, "{text}");
        }
    }
}
