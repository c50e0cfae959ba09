//! What can be allowed: one table, with what each right is called in the products that Gatepass stands in for.

use serde::Serialize;

use crate::wire::words::words;

words! {
    /// One right.
    Capability, "capability" {
        /// Enrol agents.
        AgentEnrol = "agent.enrol",
        /// See agents.
        AgentRead = "agent.read",
        /// Revoke agents.
        AgentRevoke = "agent.revoke",
        /// Create personal API keys of one's own, with at most one's own capabilities.
        KeyCreate = "key.create",
        /// Create service API keys, and keys for other users.
        KeyCreateService = "key.create-service",
        /// See every API key; one's own can always be seen.
        KeyRead = "key.read",
        /// Edit, renew, rotate, suspend, resume and revoke every API key; one's own can always be.
        KeyManage = "key.manage",
        /// Delete every API key; one's own can always be.
        KeyDelete = "key.delete",
        /// Approve or reject what others have requested.
        KeyApprove = "key.approve",
        /// Create API tokens for oneself.
        TokenCreate = "token.create",
        /// See every API token; one's own can always be seen.
        TokenRead = "token.read",
        /// Create, edit, expire and delete API tokens of every user.
        TokenManage = "token.manage",
        /// Unlock other users' API tokens: make a new JWT and see it.
        TokenUnlock = "token.unlock",
        /// See users, groups and roles.
        UserRead = "user.read",
        /// Manage users, groups and roles.
        UserManage = "user.manage",
        /// Read the audit.
        AuditRead = "audit.read",
        /// See notices and how their delivery goes.
        NoticeRead = "notice.read",
        /// Send test notices, and send again what was given up.
        NoticeManage = "notice.manage",
        /// Read the master's metrics from everywhere.
        MasterMonitor = "master.monitor",
        /// Carried for others: manage the appliance.
        MasterManage = "master.manage",
        /// Carried for others: download software.
        SoftwareDownload = "software.download",
        /// Carried for others: query the flow inventory.
        InventoryQuery = "inventory.query",
        /// Carried for others: upload user data.
        DataUpload = "data.upload",
        /// Carried for others: manage application policies.
        AppPolicyManage = "app-policy.manage",
        /// Carried for others: integrate external systems.
        ExternalIntegration = "external.integrate",
    }
}

words! {
    /// A product whose key management Gatepass stands in for.
    Product, "product" {
        /// HCL/IBM Workload Automation.
        WorkloadAutomation = "workload-automation",
        /// Cisco Secure Workload.
        SecureWorkload = "secure-workload",
        /// Software AG's `CentraSite`.
        CentraSite = "centrasite",
        /// Signed API tokens in the manner of 12Port.
        ApiTokens = "api-tokens",
    }
}

/// What a right is called elsewhere. One name there may stand for several rights here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alias {
    /// Where.
    pub product: Product,
    /// How.
    pub name: &'static str,
}

const fn alias(product: Product, name: &'static str) -> Alias {
    Alias { product, name }
}

impl Capability {
    /// What it is called in the products (their manuals' spelling).
    #[must_use]
    pub const fn aliases(self) -> &'static [Alias] {
        use Product::{ApiTokens, CentraSite, SecureWorkload, WorkloadAutomation};
        const MODIFY: Alias = alias(CentraSite, "Modify Assets");
        const MANAGE: Alias = alias(CentraSite, "Manage Assets");
        match self {
            Self::AgentEnrol => {
                const {
                    &[
                        alias(WorkloadAutomation, "AGENT_CERTIFICATE"),
                        alias(SecureWorkload, "sensor_management"),
                    ]
                }
            }
            Self::AgentRead | Self::AgentRevoke => const { &[alias(SecureWorkload, "sensor_management")] },
            Self::KeyCreate => const { &[alias(WorkloadAutomation, "CREATEPERSONALAPIKEY"), MODIFY] },
            Self::KeyCreateService => const { &[alias(WorkloadAutomation, "CREATESERVICEAPIKEY"), MODIFY] },
            Self::KeyRead => const { &[alias(WorkloadAutomation, "LISTALLAPIKEYS"), MODIFY] },
            Self::KeyManage => const { &[MODIFY] },
            Self::KeyDelete => const { &[alias(WorkloadAutomation, "DELETEALLAPIKEYS"), MODIFY] },
            Self::KeyApprove => const { &[MANAGE] },
            Self::TokenRead | Self::TokenManage => const { &[alias(ApiTokens, "API Token Manager")] },
            Self::TokenUnlock => const { &[alias(ApiTokens, "Administrator")] },
            Self::UserRead | Self::UserManage => {
                const { &[alias(SecureWorkload, "user_role_scope_management")] }
            }
            Self::MasterMonitor => const { &[alias(SecureWorkload, "appliance_monitoring")] },
            Self::MasterManage => const { &[alias(SecureWorkload, "appliance_management")] },
            Self::SoftwareDownload => const { &[alias(SecureWorkload, "software_download")] },
            Self::InventoryQuery => const { &[alias(SecureWorkload, "flow_inventory_query")] },
            Self::DataUpload => const { &[alias(SecureWorkload, "user_data_upload")] },
            Self::AppPolicyManage => const { &[alias(SecureWorkload, "app_policy_management")] },
            Self::ExternalIntegration => const { &[alias(SecureWorkload, "external_integration")] },
            Self::TokenCreate | Self::AuditRead | Self::NoticeRead | Self::NoticeManage => &[],
        }
    }

    /// Whether it is for site administrators only: no role but theirs can hold it.
    #[must_use]
    pub const fn is_for_the_site(self) -> bool {
        matches!(self, Self::MasterMonitor | Self::MasterManage)
    }

    /// All that a product calls `name`.
    pub fn called(product: Product, name: &str) -> impl Iterator<Item = Self> {
        let known = move |alias: &Alias| alias.product == product && alias.name == name;
        Self::ALL.iter().copied().filter(move |capability| capability.aliases().iter().any(known))
    }
}

/// A right, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CapabilityView {
    /// Which.
    pub capability: Capability,
    /// Whether only site administrators can have it.
    pub site_only: bool,
    /// What it is called elsewhere.
    pub aliases: &'static [Alias],
}

impl CapabilityView {
    /// The whole table.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let view = |&capability: &Capability| Self {
            capability,
            site_only: capability.is_for_the_site(),
            aliases: capability.aliases(),
        };
        Capability::ALL.iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_products_stands_for_something() {
        use Product::{ApiTokens, CentraSite, SecureWorkload, WorkloadAutomation};
        for (product, names) in [
            (
                WorkloadAutomation,
                &[
                    "AGENT_CERTIFICATE",
                    "CREATEPERSONALAPIKEY",
                    "CREATESERVICEAPIKEY",
                    "LISTALLAPIKEYS",
                    "DELETEALLAPIKEYS",
                ][..],
            ),
            (
                SecureWorkload,
                &[
                    "sensor_management",
                    "software_download",
                    "flow_inventory_query",
                    "user_role_scope_management",
                    "user_data_upload",
                    "app_policy_management",
                    "external_integration",
                    "appliance_management",
                    "appliance_monitoring",
                ],
            ),
            (CentraSite, &["Modify Assets", "Manage Assets"]),
            (ApiTokens, &["Administrator", "API Token Manager"]),
        ] {
            for name in names {
                assert!(Capability::called(product, name).next().is_some(), "{product} {name}");
            }
        }
        assert_eq!(Capability::called(SecureWorkload, "CREATESERVICEAPIKEY").next(), None);
    }
}
