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
        ([(header::ETAG, format!("\"{}\"", self.version))], Json(self.body)).into_response()
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
    Failure::open(Code::PreconditionFailed, format!("it has version {present} by now"))
}

fn expected(call: &Call) -> Result<Option<Expected>, Failure> {
    let Some(values) = call.header_values("if-match")? else { return Ok(None) };
    let malformed = || Failure::open(Code::BadRequest, "If-Match is neither * nor a list of entity tags");
    parse(&values).map(Some).ok_or_else(malformed)
}

fn parse(values: &str) -> Option<Expected> {
    if values.trim() == "*" {
        return Some(Expected::Any);
    }
    let tags: Vec<_> = values.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    let opaque = tags.iter().map(|tag| opaque(tag)).collect::<Option<Vec<_>>>()?;
    // One that is none of ours fits nothing; no tag at all is no list.
    (!tags.is_empty()).then(|| Expected::OneOf(opaque.into_iter().filter_map(version).collect()))
}

/// What stands in a tag's quotes, and whether it is a strong one.
fn opaque(tag: &str) -> Option<(bool, &str)> {
    let (strong, quoted) = tag.strip_prefix("W/").map_or((true, tag), |weak| (false, weak));
    let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (opaque.is_ascii() && !opaque.contains(['"', ' '])).then_some((strong, opaque))
}

/// A weak tag is never that of a version (RFC 9110, section 13.1.1), nor is one that is written in another way than ours.
fn version((strong, opaque): (bool, &str)) -> Option<u64> {
    let number: u64 = opaque.parse().ok()?;
    (strong && number.to_string() == opaque).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_a_star_or_a_list_of_tags() {
        for (header, want) in [
            ("*", Some(Expected::Any)),
            ("\"3\"", Some(Expected::OneOf(vec![3]))),
            (" \"3\" , \"4\",", Some(Expected::OneOf(vec![3, 4]))),
            ("W/\"3\"", Some(Expected::OneOf(Vec::new()))),
            ("\"abc\", \"4\"", Some(Expected::OneOf(vec![4]))),
            ("\"03\"", Some(Expected::OneOf(Vec::new()))),
            ("3", None),
            ("\"3", None),
            ("\"", None),
            ("", None),
            (" , ", None),
        ] {
            assert_eq!(parse(header), want, "{header}");
        }
    }
}
