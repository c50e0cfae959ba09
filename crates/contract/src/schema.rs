//! How the types that are text on the wire stand in the OpenAPI document: with the very form that is asked of them, so that
//! whoever keeps to the document is not refused for it.

use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ObjectBuilder, OneOfBuilder, SchemaFormat, Type,
};
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
    crate::span::Span, "span", "^[0-9]{1,6} ?(y|d|h|min|s|ms)( ?[0-9]{1,6} ?(y|d|h|min|s|ms))*$",
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
        r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$", "RFC 1123, lower case";
    crate::name::MailAddress, "email", "", "like ops@example.com";
}

/// Names that stand in paths: `.` and `..` are none.
macro_rules! steps {
    ($($type:path, $inner:literal, $rest:literal, $description:literal;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let pattern = format!("^([.]{{0,2}}[{0}]|[.]{{3}}){1}$", $inner, $rest);
                let text = ObjectBuilder::new().schema_type(Type::String).description(Some($description));
                text.pattern(Some(pattern)).max_length(Some(64)).into()
            }
        }

        impl ToSchema for $type {}
    )*};
}

steps! {
    crate::name::RoleName, "A-Za-z0-9_-", "([A-Za-z0-9 ._-]*[A-Za-z0-9._-])?",
        "1 to 64 letters, digits, inner spaces or ._-, not . or ..";
    crate::name::UserName, r"A-Za-z0-9_@\\-", r"[A-Za-z0-9._@\\-]*", "1 to 64 letters, digits or ._-@\\, not . or ..";
    crate::name::GroupName, "A-Za-z0-9_-", "[A-Za-z0-9._-]*", "1 to 64 letters, digits or ._-, not . or ..";
}

impl PartialSchema for crate::secret::Password {
    fn schema() -> RefOr<Schema> {
        text("password", "10 to 128 characters").min_length(Some(10)).max_length(Some(128)).into()
    }
}

impl ToSchema for crate::secret::Password {}

impl PartialSchema for crate::network::Network {
    fn schema() -> RefOr<Schema> {
        let (v4, v6) = (v4(), v6());
        any(
            "an address, a network like 10.0.0.0/8, or a range like 10.0.0.5-10.0.0.9",
            [
                (format!("{v4}(/([12]?[0-9]|3[0-2]))?"), "an IPv4 address or network"),
                (format!("{v6}(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"), "an IPv6 address or network"),
                (format!("{v4}-{v4}"), "from the first to the last IPv4 address"),
                (format!("{v6}-{v6}"), "from the first to the last IPv6 address"),
            ],
        )
    }
}

impl ToSchema for crate::network::Network {}

/// Stands for an [`std::net::IpAddr`].
pub(crate) struct Address;

impl PartialSchema for Address {
    fn schema() -> RefOr<Schema> {
        any("an IPv4 or IPv6 address", [(v4(), "IPv4"), (v6(), "IPv6")])
    }
}

impl ToSchema for Address {}

/// Nothing but the instant beside `at`, which utoipa's own derivation does not say.
impl PartialSchema for crate::wire::admin::Expiry {
    fn schema() -> RefOr<Schema> {
        let at = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("at", crate::time::UnixTime::schema())
            .required("at")
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
        let never = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["never"]));
        OneOfBuilder::new().description(Some("When something ends")).item(at).item(never).into()
    }
}

impl ToSchema for crate::wire::admin::Expiry {}

fn any<const N: usize>(description: &str, forms: [(String, &str); N]) -> RefOr<Schema> {
    let builder = AnyOfBuilder::new().description(Some(description));
    let form = |(pattern, description): (String, &str)| {
        let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        text.pattern(Some(format!("^{pattern}$"))).build()
    };
    forms.into_iter().fold(builder, |builder, one| builder.item(form(one))).into()
}

fn v4() -> String {
    let octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!("{octet}([.]{octet}){{3}}")
}

/// RFC 4291, section 2.2, without the form that ends like IPv4.
fn v6() -> String {
    V6.replace('h', "[0-9A-Fa-f]{1,4}")
}

const V6: &str = "((h:){7}h|(h:){1,7}:|(h:){1,6}:h|(h:){1,5}(:h){1,2}|(h:){1,4}(:h){1,3}|(h:){1,3}(:h){1,4}\
    |(h:){1,2}(:h){1,5}|h:(:h){1,6}|:(:h){1,7}|::)";
