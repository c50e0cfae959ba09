//! The calls, by what they are about.

use gatepass_contract::audit::Record;
use gatepass_contract::id::{AgentId, KeyId, NoticeId, TokenId};
use gatepass_contract::name::{GroupName, RoleName, UserName};
use gatepass_contract::wire::admin::{
    AgentView, ApiKeyView, ApprovalQuery, ApprovalView, AuditQuery, CallerSelf, Change, CreateApiKey,
    CreateGroup, CreateRole, CreateToken, CreateUser, CreatedApiKey, Decision, DeleteApiKeys, EditApiKey,
    EditGroup, EditRole, EditToken, EditUser, GroupView, KeyQuery, KeySummary, KeyUsage, NoticeQuery,
    NoticeView, Page, PageQuery, RenewApiKey, RoleView, RotateApiKey, SetPassword, TestNotice, TokenQuery,
    TokenView, UnlockedToken, UserView,
};
use gatepass_contract::wire::path;
use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde::{Deserialize, Serialize};

use super::pages::{Extent, Pages};
use super::{Master, named, of};
use crate::error::CtlError;
use crate::find::Listed;

/// The caller.
impl Master {
    /// Who the caller is to it.
    pub async fn caller(&self) -> Result<CallerSelf, CtlError> {
        self.get(path::CALLER).await
    }

    /// Ends the caller's session.
    pub async fn sign_out(&self) -> Result<(), CtlError> {
        self.remove(path::OWN_SESSION, &Change::default()).await
    }
}

/// API keys.
impl Master {
    /// Creates an API key.
    pub async fn create_key(&self, wanted: &CreateApiKey) -> Result<CreatedApiKey, CtlError> {
        self.create(path::API_KEYS, wanted).await
    }

    /// API keys.
    pub async fn keys(&self, query: KeyQuery, extent: Extent) -> Result<Page<ApiKeyView>, CtlError> {
        Pages::of(self, path::API_KEYS, query, extent).rest().await
    }

    /// Every API key whose id begins so.
    pub async fn keys_beginning(&self, start: &str) -> Result<Vec<ApiKeyView>, CtlError> {
        beginning(Pages::of(self, path::API_KEYS, KeyQuery::default(), Extent::All), start).await
    }

    /// One API key.
    pub async fn key(&self, id: KeyId) -> Result<ApiKeyView, CtlError> {
        self.get(&of(path::API_KEY, &id)).await
    }

    /// Edits an API key.
    pub async fn edit_key(&self, key: &ApiKeyView, edit: &EditApiKey) -> Result<ApiKeyView, CtlError> {
        self.edit(&of(path::API_KEY, &key.id), key.version, edit).await
    }

    /// Changes an API key's state: `change` is one of the paths for that.
    pub async fn move_key(&self, change: &str, id: KeyId, why: &Change) -> Result<ApiKeyView, CtlError> {
        self.change(&of(change, &id), why).await
    }

    /// Agrees to what waits for approval, or refuses it: `way` is one of the paths for that.
    pub async fn decide(&self, way: &str, id: KeyId, decision: &Decision) -> Result<ApiKeyView, CtlError> {
        self.post(&of(way, &id), decision).await
    }

    /// Gives an API key another end.
    pub async fn renew_key(&self, id: KeyId, renewal: &RenewApiKey) -> Result<ApiKeyView, CtlError> {
        self.post(&of(path::API_KEY_RENEW, &id), renewal).await
    }

    /// Gives an API key a second secret.
    pub async fn rotate_key(&self, id: KeyId, rotation: &RotateApiKey) -> Result<CreatedApiKey, CtlError> {
        self.create(&of(path::API_KEY_ROTATE, &id), rotation).await
    }

    /// Deletes an API key.
    pub async fn delete_key(&self, id: KeyId, why: &Change) -> Result<(), CtlError> {
        self.remove(&of(path::API_KEY, &id), why).await
    }

    /// Deletes several, all or none.
    pub async fn delete_keys(&self, which: &DeleteApiKeys) -> Result<(), CtlError> {
        self.connection.done(self.request(Method::POST, path::API_KEYS_DELETE).json(which)).await
    }

    /// How the API keys stand.
    pub async fn key_summary(&self) -> Result<KeySummary, CtlError> {
        self.get(path::API_KEY_SUMMARY).await
    }

    /// Who used an API key.
    pub async fn key_usage(&self, id: KeyId) -> Result<KeyUsage, CtlError> {
        self.get(&of(path::API_KEY_USAGE, &id)).await
    }

    /// What waits for approval, or waited.
    pub async fn approvals(
        &self,
        query: ApprovalQuery,
        extent: Extent,
    ) -> Result<Page<ApprovalView>, CtlError> {
        Pages::of(self, path::APPROVALS, query, extent).rest().await
    }
}

/// API tokens.
impl Master {
    /// Creates an API token.
    pub async fn create_token(&self, wanted: &CreateToken) -> Result<UnlockedToken, CtlError> {
        self.create(path::TOKENS, wanted).await
    }

    /// API tokens.
    pub async fn tokens(&self, query: TokenQuery, extent: Extent) -> Result<Page<TokenView>, CtlError> {
        Pages::of(self, path::TOKENS, query, extent).rest().await
    }

    /// Every API token whose id begins so.
    pub async fn tokens_beginning(&self, start: &str) -> Result<Vec<TokenView>, CtlError> {
        beginning(Pages::of(self, path::TOKENS, TokenQuery::default(), Extent::All), start).await
    }

    /// One API token.
    pub async fn token(&self, id: TokenId) -> Result<TokenView, CtlError> {
        self.get(&of(path::TOKEN, &id)).await
    }

    /// Edits an API token.
    pub async fn edit_token(&self, token: &TokenView, edit: &EditToken) -> Result<TokenView, CtlError> {
        self.edit(&of(path::TOKEN, &token.id), token.version, edit).await
    }

    /// Makes a new JWT for an API token.
    pub async fn unlock_token(&self, id: TokenId, why: &Change) -> Result<UnlockedToken, CtlError> {
        self.create(&of(path::TOKEN_UNLOCK, &id), why).await
    }

    /// Ends an API token.
    pub async fn expire_token(&self, id: TokenId, why: &Change) -> Result<TokenView, CtlError> {
        self.change(&of(path::TOKEN_EXPIRE, &id), why).await
    }

    /// Deletes an API token.
    pub async fn delete_token(&self, id: TokenId, why: &Change) -> Result<(), CtlError> {
        self.remove(&of(path::TOKEN, &id), why).await
    }
}

/// Users, groups, roles.
impl Master {
    /// Creates a user.
    pub async fn create_user(&self, wanted: &CreateUser) -> Result<UserView, CtlError> {
        self.create(path::USERS, wanted).await
    }

    /// Users.
    pub async fn users(&self, extent: Extent) -> Result<Page<UserView>, CtlError> {
        Pages::of(self, path::USERS, PageQuery::default(), extent).rest().await
    }

    /// One user.
    pub async fn user(&self, name: &UserName) -> Result<UserView, CtlError> {
        self.get(&named(path::USER, name)).await
    }

    /// Edits a user.
    pub async fn edit_user(&self, user: &UserView, edit: &EditUser) -> Result<UserView, CtlError> {
        self.edit(&named(path::USER, &user.name), user.version, edit).await
    }

    /// Sets a password. Whatever else was changed about the user meanwhile, the new password is meant to be theirs.
    pub async fn set_password(&self, name: &UserName, password: &SetPassword) -> Result<(), CtlError> {
        let request = self.request(Method::PUT, &named(path::USER_PASSWORD, name)).header(IF_MATCH, "*");
        self.connection.done(request.json(password)).await
    }

    /// Deletes a user.
    pub async fn delete_user(&self, name: &UserName, why: &Change) -> Result<(), CtlError> {
        self.remove(&named(path::USER, name), why).await
    }

    /// Creates a group.
    pub async fn create_group(&self, wanted: &CreateGroup) -> Result<GroupView, CtlError> {
        self.create(path::GROUPS, wanted).await
    }

    /// Groups.
    pub async fn groups(&self, extent: Extent) -> Result<Page<GroupView>, CtlError> {
        Pages::of(self, path::GROUPS, PageQuery::default(), extent).rest().await
    }

    /// One group.
    pub async fn group(&self, name: &GroupName) -> Result<GroupView, CtlError> {
        self.get(&named(path::GROUP, name)).await
    }

    /// Edits a group.
    pub async fn edit_group(&self, group: &GroupView, edit: &EditGroup) -> Result<GroupView, CtlError> {
        self.edit(&named(path::GROUP, &group.name), group.version, edit).await
    }

    /// Deletes a group.
    pub async fn delete_group(&self, name: &GroupName, why: &Change) -> Result<(), CtlError> {
        self.remove(&named(path::GROUP, name), why).await
    }

    /// Creates a role.
    pub async fn create_role(&self, wanted: &CreateRole) -> Result<RoleView, CtlError> {
        self.create(path::ROLES, wanted).await
    }

    /// Roles.
    pub async fn roles(&self, extent: Extent) -> Result<Page<RoleView>, CtlError> {
        Pages::of(self, path::ROLES, PageQuery::default(), extent).rest().await
    }

    /// One role.
    pub async fn role(&self, name: &RoleName) -> Result<RoleView, CtlError> {
        self.get(&named(path::ROLE, name)).await
    }

    /// Edits a role.
    pub async fn edit_role(&self, role: &RoleView, edit: &EditRole) -> Result<RoleView, CtlError> {
        self.edit(&named(path::ROLE, &role.name), role.version, edit).await
    }

    /// Deletes a role.
    pub async fn delete_role(&self, name: &RoleName, why: &Change) -> Result<(), CtlError> {
        self.remove(&named(path::ROLE, name), why).await
    }

    /// Every capability there is.
    pub async fn capabilities(&self) -> Result<Vec<Capability>, CtlError> {
        self.get(path::CAPABILITIES).await
    }
}

/// Agents, notices, the audit.
impl Master {
    /// Agents.
    pub async fn agents(&self, extent: Extent) -> Result<Page<AgentView>, CtlError> {
        Pages::of(self, path::AGENTS, PageQuery::default(), extent).rest().await
    }

    /// One agent.
    pub async fn agent(&self, id: AgentId) -> Result<AgentView, CtlError> {
        self.get(&of(path::AGENT, &id)).await
    }

    /// Cuts an agent off.
    pub async fn revoke_agent(&self, id: AgentId, why: &Change) -> Result<AgentView, CtlError> {
        self.change(&of(path::AGENT_REVOKE, &id), why).await
    }

    /// Notices.
    pub async fn notices(&self, query: NoticeQuery, extent: Extent) -> Result<Page<NoticeView>, CtlError> {
        Pages::of(self, path::NOTICES, query, extent).rest().await
    }

    /// Sends a notice to try out whether it arrives.
    pub async fn test_notice(&self, to: &TestNotice) -> Result<NoticeView, CtlError> {
        self.post(path::NOTICE_TEST, to).await
    }

    /// Sends a notice again.
    pub async fn resend_notice(&self, id: NoticeId, why: &Change) -> Result<NoticeView, CtlError> {
        self.change(&of(path::NOTICE_RESEND, &id), why).await
    }

    /// Audit records.
    pub async fn audit(&self, query: AuditQuery, extent: Extent) -> Result<Page<Record>, CtlError> {
        Pages::of(self, path::AUDIT, query, extent).rest().await
    }

    /// Hands on every audit record behind that one, page by page.
    pub async fn audit_from(
        &self,
        after: Option<u64>,
        mut each: impl FnMut(Record) -> Result<(), CtlError>,
    ) -> Result<(), CtlError> {
        let extent = Extent::Part { after: after.map(|number| number.to_string()), most: usize::MAX };
        let mut pages = Pages::of(self, path::AUDIT, AuditQuery::default(), extent);
        while let Some(page) = pages.next().await? {
            page.into_iter().try_for_each(&mut each)?;
        }
        Ok(())
    }
}

/// A capability as the master explains it. A master that knows more of them than this program can still say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// Which.
    pub capability: String,
    /// Whether only site administrators can have it.
    pub site_only: bool,
    /// What it is called elsewhere.
    pub aliases: Vec<Alias>,
}

/// What a capability is called elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Where.
    pub product: String,
    /// How.
    pub name: String,
}

/// Those of a list whose id begins so. Lists are in the order of ids, so the search ends behind the last that can fit.
async fn beginning<Q: super::pages::Paged, T: Listed + serde::de::DeserializeOwned>(
    mut pages: Pages<'_, Q>,
    start: &str,
) -> Result<Vec<T>, CtlError> {
    let start = start.to_ascii_uppercase();
    let mut fitting = Vec::new();
    while let Some(page) = pages.next::<T>().await? {
        let is_behind = page.last().is_some_and(|last| !last.id().starts_with(&start) && last.id() > start);
        fitting.extend(page.into_iter().filter(|one| one.id().starts_with(&start)));
        if is_behind {
            break;
        }
    }
    Ok(fitting)
}
