//! How the types that are text on the wire stand in the OpenAPI document.

use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! text {
    ($($type:path, $format:literal, $description:literal;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format(Some(SchemaFormat::Custom($format.to_owned())))
                    .description(Some($description))
                    .into()
            }
        }

        impl ToSchema for $type {}
    )*};
}

text! {
    crate::time::UnixTime, "date-time", "RFC 3339, UTC";
    crate::span::Span, "duration", "like 12h or 1d 12h; units y, d, h, min, s, ms";
    crate::digest::Sha256, "sha256", "64 hex digits";
    crate::id::AgentId, "agent-id", "32 upper-case hex digits";
    crate::id::KeyId, "key-id", "16 characters of base32";
    crate::id::RequestId, "request-id", "16 characters of base32";
    crate::name::DisplayName, "display-name", "1 to 64 letters, digits, spaces or ._-@:/+";
    crate::name::HostName, "hostname", "RFC 1123, lower case";
    crate::name::GroupName, "group-name", "1 to 64 letters, digits or ._-";
}
