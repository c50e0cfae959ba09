//! What follows from the rest of the document and no handler has to say: versions, idempotency keys, bodies that may be
//! left out, problems, examples.

use std::collections::BTreeMap;

use gatepass_contract::wire::{IDEMPOTENCY_KEY, PROBLEM_JSON, Problem, path};
use serde_json::Value;
use utoipa::ToSchema as _;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{
    Content, ContentBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use super::examples;

/// The components' response that stands for every problem.
pub(super) const PROBLEM: &str = "Problem";

/// Adds all of it.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let examples = examples::all();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            conditions(path, method, operation);
            bodies(operation, &examples);
        }
    }
    let components = document.components.get_or_insert_default();
    components.responses.insert(PROBLEM.to_owned(), problems().into());
    for (name, value) in examples {
        let example = ExampleBuilder::new().value(Some(value)).build();
        components.examples.insert(name, example.into());
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", item.get.as_mut()),
        ("POST", item.post.as_mut()),
        ("PUT", item.put.as_mut()),
        ("PATCH", item.patch.as_mut()),
        ("DELETE", item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// What has a version, and so what can be changed only if it is still the one that was read.
const VERSIONED: [&str; 5] = [path::API_KEY, path::TOKEN, path::USER, path::GROUP, path::ROLE];

/// What can be sent again when its answer was lost.
const REPEATABLE: [&str; 7] = [
    path::API_KEYS,
    path::API_KEY_ROTATE,
    path::TOKENS,
    path::TOKEN_UNLOCK,
    path::USERS,
    path::GROUPS,
    path::ROLES,
];

fn conditions(path: &str, method: &str, operation: &mut Operation) {
    let is_versioned = VERSIONED.iter().any(|versioned| path.starts_with(versioned));
    if is_versioned && matches!(method, "PATCH" | "PUT") {
        header(operation, ("If-Match", IF_MATCH), Required::True);
    } else if is_versioned && matches!(method, "POST" | "DELETE") {
        header(operation, ("If-Match", IF_MATCH), Required::False);
    }
    if method == "POST" && REPEATABLE.contains(&path) {
        header(operation, (IDEMPOTENCY_KEY, AGAIN), Required::False);
    }
}

const IF_MATCH: &str = "The `ETag` of what is changed, or *";
const AGAIN: &str = "1 to 255 visible ASCII characters that name this request: sent again with the same, it is not carried \
    out again but answered as before, for a day";

fn header(operation: &mut Operation, (name, description): (&str, &str), required: Required) {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let schema =
        if name == IDEMPOTENCY_KEY { text.pattern(Some("^[!-~]{1,255}$")) } else { text.examples(["\"4\""]) };
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(schema))
        .build();
    operation.parameters.get_or_insert_default().push(parameter.into());
}

/// Bodies of which everything can be left out can themselves be.
const OPTIONAL: [&str; 4] = ["Change", "Decision", "RenewApiKey", "RotateApiKey"];

fn bodies(operation: &mut Operation, examples: &BTreeMap<String, Value>) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut().filter_map(inline) {
            if name(content).is_some_and(|name| OPTIONAL.contains(&name.as_str())) {
                body.required = Some(Required::False);
            }
            exemplify(content, examples);
        }
    }
    for response in operation.responses.responses.values_mut().filter_map(inline) {
        let mut contents = response.content.values_mut().filter_map(inline).peekable();
        let version = contents.peek().and_then(|content| name(content));
        contents.for_each(|content| exemplify(content, examples));
        if version.is_some_and(|name| HAVE_VERSION.contains(&name.as_str())) {
            response.headers.insert("ETag".to_owned(), etag());
        }
    }
}

/// Replies that show one thing with a version.
const HAVE_VERSION: [&str; 7] =
    ["ApiKeyView", "CreatedApiKey", "TokenView", "UnlockedToken", "UserView", "GroupView", "RoleView"];

fn etag() -> RefOr<utoipa::openapi::Header> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(schema)).description(Some("Its version, for If-Match")).build().into()
}

fn inline<T>(item: &mut RefOr<T>) -> Option<&mut T> {
    match item {
        RefOr::T(inline) => Some(inline),
        RefOr::Ref(_) => None,
    }
}

/// Of a body that is one of the components.
fn name(content: &Content) -> Option<String> {
    match content.schema.as_ref()? {
        RefOr::Ref(reference) => reference.ref_location.rsplit('/').next().map(str::to_owned),
        RefOr::T(_) => None,
    }
}

fn exemplify(content: &mut Content, examples: &BTreeMap<String, Value>) {
    if let Some(item) = item(content).and_then(|item| examples.get(&item)) {
        content.example = Some(Value::Array(vec![item.clone()]));
    } else if let Some(name) = name(content) {
        if let Some(item) = name.strip_prefix("Page_").and_then(|item| examples.get(item)) {
            content.example = Some(examples::page(item));
        } else if examples.contains_key(&name) {
            let example = Ref::new(format!("#/components/examples/{name}"));
            content.examples.insert("usual".to_owned(), RefOr::Ref(example));
        }
    }
}

/// Of a list of components.
fn item(content: &Content) -> Option<String> {
    let Some(RefOr::T(Schema::Array(list))) = &content.schema else { return None };
    let list = serde_json::to_value(list).ok()?;
    list["items"]["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)
}

fn problems() -> Response {
    let examples = examples::problems().map(|(code, problem)| {
        (
            code,
            ExampleBuilder::new()
                .summary(problem["title"].as_str().unwrap_or_default())
                .value(Some(problem))
                .build(),
        )
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .examples_from_iter(examples)
        .build();
    ResponseBuilder::new().description("A problem document").content(PROBLEM_JSON, content).build()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    fn has_example(content: &Value) -> bool {
        content.get("example").is_some() || content.get("examples").is_some()
    }

    /// Those of standards: a JWK set, and what is no JSON.
    const OTHERS: [&str; 1] = ["/.well-known/jwks.json"];

    #[test]
    fn every_body_and_every_problem_has_an_example() {
        let document = serde_json::to_value(super::super::document()).expect("plain JSON");
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("methods") {
                let responses = operation["responses"].as_object().expect("responses").values();
                for body in responses.chain([&operation["requestBody"]]) {
                    let Some(json) = body.pointer("/content/application~1json") else { continue };
                    assert!(has_example(json) || OTHERS.contains(&path.as_str()), "{method} {path}: {json}");
                }
                assert!(operation["responses"]["default"].get("$ref").is_some(), "{method} {path}");
            }
        }
        let problem = &document["components"]["responses"]["Problem"]["content"]["application/problem+json"];
        let told = problem["examples"].as_object().expect("examples").len();
        assert_eq!(told, gatepass_contract::wire::Code::ALL.len());
    }
}
