//! Versions: every reply with one resource names it, and an edit says which one it is of (RFC 9110, section 13.1.1).

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use gatepass_contract::wire::Code;
use serde::Serialize;

use super::call::Call;
use super::failure::Failure;
use crate::domain::version::Expected;

/// A reply with one resource, its version in the `ETag`.
pub(super) struct Versioned<T> {
    version: u64,
    body: T,
}

/// `body`, which shows something of that version.
pub(super) const fn versioned<T>(version: u64, body: T) -> Versioned<T> {
    Versioned { version, body }
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, tagged(self.version))], Json(self.body)).into_response()
    }
}

/// The version an edit is of; it must say so.
pub(super) fn required(call: &Call) -> Result<Expected, Failure> {
    let missing =
        || Failure::open(Code::PreconditionRequired, "an edit says in If-Match which version it is of");
    expected(call)?.ok_or_else(missing)
}

/// The version a change is of, if it says so.
pub(super) fn optional(call: &Call) -> Result<Expected, Failure> {
    Ok(expected(call)?.unwrap_or(Expected::Any))
}

/// When the version is another one by now.
pub(super) fn changed(present: u64) -> Failure {
    Failure::open(
        Code::PreconditionFailed,
        format!("it has version {present} by now, If-Match: {}", tagged(present)),
    )
}

fn expected(call: &Call) -> Result<Option<Expected>, Failure> {
    Ok(call.header_values("if-match")?.map(|values| parse(&values)))
}

/// What is no tag of ours is of no version there is: whoever sends it is told that it is another one by now.
fn parse(values: &str) -> Expected {
    if values.trim() == "*" {
        return Expected::Any;
    }
    Expected::OneOf(values.split(',').filter_map(|tag| version(tag.trim())).collect())
}

/// A weak tag is never that of a version (RFC 9110, section 13.1.1), nor is one that is written in another way than ours.
fn version(tag: &str) -> Option<u64> {
    let number: u64 = tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    (tag == tagged(number)).then_some(number)
}

fn tagged(version: u64) -> String {
    format!("\"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_a_star_or_a_list_of_tags() {
        for (header, want) in [
            ("*", Expected::Any),
            ("\"3\"", Expected::OneOf(vec![3])),
            (" \"3\" , \"4\",", Expected::OneOf(vec![3, 4])),
            ("\"abc\", \"4\"", Expected::OneOf(vec![4])),
        ] {
            assert_eq!(parse(header), want, "{header}");
        }
        for none in ["W/\"3\"", "\"03\"", "\"+3\"", "3", "\"3", "\"", "", " , ", "\"*\""] {
            assert_eq!(parse(none), Expected::OneOf(Vec::new()), "{none}");
        }
    }
}
