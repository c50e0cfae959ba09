//! From an HTTP answer to what was asked for, or to why not.

use std::time::Duration;

use gatepass_contract::wire::Problem;
use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::http::response;
use serde::de::DeserializeOwned;

use super::error::Refusal;
use super::fault::Fault;

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// What is not a success.
#[derive(Debug)]
pub(super) enum No {
    /// Another server may do better.
    Fault(Fault),
    /// Every master would say the same.
    Refused(Box<Refusal>),
}

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Answer {
    pub(super) fn new(head: &response::Parts, body: Vec<u8>) -> Self {
        Self { status: head.status, retry_after: retry_after(&head.headers), body }
    }

    /// The body of a success.
    pub(super) fn body(self) -> Result<Vec<u8>, No> {
        match self.status.as_u16() {
            200..300 => Ok(self.body),
            300..400 => Err(Fault::Redirect.into()),
            status => Err(self.problem(status)),
        }
    }

    fn problem(self, status: u16) -> No {
        let retry_after = self.retry_after;
        let Ok(problem) = serde_json::from_slice::<Problem>(&self.body) else {
            return Fault::Status { status, retry_after }.into();
        };
        let refusal = Box::new(Refusal { problem, retry_after });
        if status < 500 { No::Refused(refusal) } else { Fault::Failing(refusal).into() }
    }
}

/// Reads a JSON body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::Garbage(error.to_string()))
}

/// Seconds, as masters send it. A longer wait than a day is nobody's honest word.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(Duration::from_hours(24)))
}
