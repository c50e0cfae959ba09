//! The document of the interface, generated from the handlers. A diff in the committed one is a reviewed decision.

mod complete;
mod examples;

use std::collections::BTreeMap;

use gatepass_contract::wire::Problem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, License, OpenApi, OpenApiBuilder, Ref, RefOr, Response};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema as _};

/// What agents call.
pub(super) const AGENTS: &str = "agents";
/// What administrators call.
pub(super) const ADMINISTRATION: &str = "administration";
/// What monitoring calls.
pub(super) const OBSERVE: &str = "monitoring";

/// The whole document.
#[must_use]
pub fn document() -> OpenApi {
    complete::complete(super::interface().into_openapi())
}

/// What no handler can say: who this is, and how callers show who they are.
pub(super) fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Gatepass master")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(License::new(env!("CARGO_PKG_LICENSE"))))
        .build();
    let mut document = OpenApiBuilder::new().info(info).build();
    let components = document.components.get_or_insert_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (name, format, description) in SCHEMES {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format(format)
            .description(Some(description))
            .build();
        components.add_security_scheme(name, SecurityScheme::Http(bearer));
    }
    let certificate = SecurityScheme::MutualTls {
        description: Some(String::from("The certificate issued to the agent, in the TLS handshake")),
        deprecated: None,
        extensions: None,
    };
    components.add_security_scheme("client_certificate", certificate);
    document
}

const DESCRIPTION: &str = "Agents trade an API key for an identity of their own and keep it alive; administrators look \
    after keys and agents. Every answer carries the header x-request-id; every problem is a problem document (RFC 9457) \
    with a stable code.";

const SCHEMES: [(&str, &str, &str); 4] = [
    ("api_key", "gpk", "An API key, gpk_ and 107 letters and digits"),
    ("api_token", "JWT", "An API token, or the token of somebody who has signed in"),
    ("proof", "JWT", "A JWT of type gatepass-proof+jwt, signed with the agent's key for this one request"),
    ("agent_token", "JWT", "The JWT issued to the agent"),
];

/// What every call may be answered with instead.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = Ref::new(format!("#/components/responses/{}", complete::PROBLEM));
        BTreeMap::from([("default".to_owned(), problem.into())])
    }
}

#[cfg(test)]
mod tests {
    /// A changed interface is written out with `UPDATE=1 cargo test -p gatepass-master openapi`.
    #[test]
    fn the_committed_document_is_that_of_the_code() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let mut generated = super::document().to_pretty_json().expect("a document is plain JSON");
        generated.push('\n');
        if std::env::var_os("UPDATE").is_some() {
            #[expect(clippy::disallowed_methods, reason = "a file of the repository, under version control")]
            std::fs::write(&path, &generated).expect("the repository can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "openapi.json is out of date: run with UPDATE=1 and review the difference"
        );
    }
}
