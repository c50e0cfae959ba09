//! How the types that are text on the wire stand in the OpenAPI document: with the very form that is asked of them, so that
//! whoever keeps to the document is not refused for it.

use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One of a closed set of words.
pub(crate) fn words(what: &str, all: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).description(Some(what)).enum_values(Some(all)).into()
}

fn text(format: &str, description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom(format.to_owned())))
        .description(Some(description))
}

macro_rules! text {
    ($($type:path, $format:literal, $pattern:literal, $description:literal;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                text($format, $description).pattern((!$pattern.is_empty()).then_some($pattern)).into()
            }
        }

        impl ToSchema for $type {}
    )*};
}

text! {
    crate::time::UnixTime, "date-time", "", "RFC 3339, UTC";
    crate::span::Span, "duration", "^[0-9]{1,6} ?(y|d|h|min|s|ms)( ?[0-9]{1,6} ?(y|d|h|min|s|ms))*$",
        "like 12h or 1d 12h; units y, d, h, min, s, ms";
    crate::digest::Sha256, "sha256", "^[0-9a-f]{64}$", "64 hex digits";
    crate::id::AgentId, "agent-id", "^[0-9A-F]{32}$", "32 upper-case hex digits";
    crate::id::KeyId, "key-id", "^[A-Z2-7]{16}$", "16 characters of base32";
    crate::id::TokenId, "token-id", "^[A-Z2-7]{16}$", "16 characters of base32";
    crate::id::ApprovalId, "approval-id", "^[A-Z2-7]{16}$", "16 characters of base32";
    crate::id::NoticeId, "notice-id", "^[A-Z2-7]{16}$", "16 characters of base32";
    crate::id::RequestId, "request-id", "^[A-Z2-7]{16}$", "16 characters of base32";
    crate::name::DisplayName, "display-name",
        r"^[\p{L}\p{N}._@:/+-]([\p{L}\p{N} ._@:/+-]{0,62}[\p{L}\p{N}._@:/+-])?$",
        "1 to 64 letters and digits of any script, inner spaces or ._-@:/+";
    crate::name::HostName, "hostname",
        r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?){0,3}$", "RFC 1123, lower case";
    crate::name::RoleName, "role-name", "^[A-Za-z0-9._-]([A-Za-z0-9 ._-]{0,62}[A-Za-z0-9._-])?$",
        "1 to 64 letters, digits, inner spaces or ._-";
    crate::name::UserName, "user-name", r"^[A-Za-z0-9._@\\-]{1,64}$", "1 to 64 letters, digits or ._-@\\";
    crate::name::MailAddress, "email", "", "like ops@example.com";
    crate::name::GroupName, "group-name", "^[A-Za-z0-9._-]{1,64}$", "1 to 64 letters, digits or ._-";
}

impl PartialSchema for crate::secret::Password {
    fn schema() -> RefOr<Schema> {
        text("password", "10 to 128 characters").min_length(Some(10)).max_length(Some(128)).into()
    }
}

impl ToSchema for crate::secret::Password {}

impl PartialSchema for crate::network::Network {
    /// IPv6 stands here in its longest form alone; every other one is understood too.
    fn schema() -> RefOr<Schema> {
        let form = |format: &str, pattern: &str, description: &str| {
            let pattern = (!pattern.is_empty()).then_some(pattern);
            text(format, description).pattern(pattern).build()
        };
        OneOfBuilder::new()
            .description(Some("an address, a network like 10.0.0.0/8, or a range like 10.0.0.5-10.0.0.9"))
            .item(form("ipv4", "", "an address"))
            .item(form("ipv6", "", "an address"))
            .item(form("network", NETWORK, "a network"))
            .item(form("range", RANGE, "from the first to the last address"))
            .into()
    }
}

impl ToSchema for crate::network::Network {}
