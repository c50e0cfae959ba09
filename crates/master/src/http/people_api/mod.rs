//! Users, groups and roles: who may do what.

pub(super) mod groups;
pub(super) mod passwords;
pub(super) mod roles;
pub(super) mod users;

use std::str::FromStr;

use gatepass_contract::wire::Code;

use super::failure::Failure;
use super::{idempotency, version};
use crate::domain::token;
use crate::store::Settled;

/// What came of a change, for the caller.
pub(super) fn settled<T, E: Into<token::Unacceptable>>(settled: Settled<T, E>) -> Result<T, Failure> {
    match settled {
        Settled::Done(done) => Ok(done),
        Settled::Refused(why) => {
            let why = why.into();
            Err(Failure::open(why.code(), why.to_string()))
        }
        Settled::NameTaken => Err(Failure::open(Code::NameTaken, "another one has this name")),
        Settled::InUse(by) => Err(Failure::open(Code::InUse, format!("it cannot be deleted: {by}"))),
        Settled::Unknown => Err(nothing_there()),
        Settled::Outdated(present) => Err(version::changed(present)),
        Settled::Otherwise => Err(idempotency::mismatch()),
    }
}

/// What has not even the form of a name or an id names nothing.
pub(super) fn parsed<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| nothing_there())
}

pub(super) fn nothing_there() -> Failure {
    Failure::open(Code::NotFound, "there is nothing with this name")
}

/// Where a list by name goes on.
fn after<T: FromStr>(cursor: Option<&str>) -> Result<Option<T>, Failure> {
    let bad =
        || Failure::open(Code::BadRequest, "the query is not as expected: after is no `next` of a page");
    cursor.map(|text| text.parse().map_err(|_| bad())).transpose()
}
