//! What comes with the program: the first user, and roles for the usual tasks.

use gatepass_contract::name::{RoleName, UserName};
use gatepass_contract::wire::admin::Capability;

/// The role whose holders may do everything, and the first user, who holds it.
pub const ADMINISTRATOR: &str = "administrator";

/// The first user.
#[must_use]
pub fn administrator() -> UserName {
    ADMINISTRATOR.parse().expect("a user name")
}

/// The role that may do everything.
#[must_use]
pub fn administrators() -> RoleName {
    ADMINISTRATOR.parse().expect("a role name")
}

/// A role that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltinRole {
    /// What it is called.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// What its holders may do.
    pub capabilities: &'static [Capability],
}

impl BuiltinRole {
    /// Its name.
    #[must_use]
    pub fn role_name(&self) -> RoleName {
        self.name.parse().expect("a role name")
    }
}

const fn builtin(
    name: &'static str,
    description: &'static str,
    capabilities: &'static [Capability],
) -> BuiltinRole {
    BuiltinRole { name, description, capabilities }
}

/// Every role that comes with the program. The database is brought up to them at every start.
pub const BUILTIN: &[BuiltinRole] = {
    use Capability::{
        AgentEnrol, AgentRead, AgentRevoke, AuditRead, KeyApprove, KeyCreate, KeyCreateService, KeyDelete,
        KeyManage, KeyRead, NoticeRead, TokenCreate, TokenManage, TokenRead, UserRead,
    };
    &[
        builtin(ADMINISTRATOR, "may do everything", Capability::ALL),
        builtin("approver", "decides about requests for API keys", &[KeyRead, KeyApprove]),
        builtin(
            "auditor",
            "sees everything and changes nothing",
            &[AgentRead, KeyRead, TokenRead, UserRead, AuditRead, NoticeRead],
        ),
        builtin(
            "key-manager",
            "looks after all API keys",
            &[AgentEnrol, AgentRead, KeyCreate, KeyCreateService, KeyRead, KeyManage, KeyDelete],
        ),
        builtin("operator", "looks after agents", &[AgentEnrol, AgentRead, AgentRevoke, KeyRead]),
        builtin(
            "token-manager",
            "looks after all API tokens, without seeing others'",
            &[TokenCreate, TokenRead, TokenManage, UserRead],
        ),
        builtin("user", "has API keys and API tokens of their own", &[KeyCreate, TokenCreate]),
    ]
};
