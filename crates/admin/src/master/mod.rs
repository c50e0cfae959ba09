//! The master as seen from here: one verified connection, typed calls.
//!
//! Invariant: a [`Master`] exists only behind a [`Connection`] whose anchors vouch for it, and only its calls carry the
//! credential.

mod calls;
mod connection;
mod pages;

pub use calls::{Alias, Capability};
pub use connection::Connection;
pub use pages::Extent;

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::Change;
use gatepass_contract::wire::agent::TimeReply;
use gatepass_contract::wire::{IDEMPOTENCY_KEY, path};
use reqwest::header::IF_MATCH;
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access::Access;
use crate::credential::Credential;
use crate::error::CtlError;

/// An authenticated master, and what it is shown.
#[derive(Debug)]
pub struct Master {
    connection: Connection,
    credential: Credential,
}

impl Master {
    /// Gets ready to talk to it.
    pub async fn connect(access: Access) -> Result<Self, CtlError> {
        let connection = Connection::open(access.url, access.trust).await?;
        Ok(Self::new(connection, access.credential))
    }

    /// Behind a connection that there is.
    #[must_use]
    pub const fn new(connection: Connection, credential: Credential) -> Self {
        Self { connection, credential }
    }

    /// How it is reached.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What it is shown.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// What its clock shows.
    pub async fn time(&self) -> Result<UnixTime, CtlError> {
        let reply: TimeReply = self.get(path::TIME).await?;
        Ok(reply.sent)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CtlError> {
        self.connection.answer(self.request(Method::GET, path)).await
    }

    /// Makes something new. Safe to repeat when the answer is lost: the master knows the request by its key.
    async fn create<T: DeserializeOwned>(&self, path: &str, wanted: &impl Serialize) -> Result<T, CtlError> {
        let request =
            self.request(Method::POST, path).header(IDEMPOTENCY_KEY, idempotency_key()).json(wanted);
        self.connection.answer(request).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CtlError> {
        self.connection.answer(self.request(Method::POST, path).json(body)).await
    }

    /// Changes something as it was when it was read, and not otherwise.
    async fn edit<T: DeserializeOwned>(
        &self,
        path: &str,
        version: u64,
        edit: &impl Serialize,
    ) -> Result<T, CtlError> {
        let request = self.request(Method::PATCH, path).header(IF_MATCH, format!("\"{version}\"")).json(edit);
        self.connection.answer(request).await
    }

    /// Changes the state of something.
    async fn change<T: DeserializeOwned>(&self, path: &str, change: &Change) -> Result<T, CtlError> {
        self.connection.answer(with_reason(self.request(Method::POST, path), change)).await
    }

    /// Removes something. What the master says about what is gone is of no interest.
    async fn remove(&self, path: &str, change: &Change) -> Result<(), CtlError> {
        self.connection.done(with_reason(self.request(Method::DELETE, path), change)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.connection.request(method, path).bearer_auth(&*self.credential.reveal())
    }
}

/// The body of such a change may be left out altogether.
fn with_reason(request: RequestBuilder, change: &Change) -> RequestBuilder {
    if change.annotation.is_some() { request.json(change) } else { request }
}

/// Random: two people who ask for the same thing want it twice.
fn idempotency_key() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the system has random numbers");
    HEXLOWER.encode(&bytes)
}

/// A path with the id it is about.
fn of(template: &str, id: &impl ToString) -> String {
    template.replace("{id}", &id.to_string())
}

/// A path with the name it is about. A URL takes a backslash for a slash, and names may have one; the rest is either
/// allowed in a path or written for it by the URL itself.
fn named(template: &str, name: &impl ToString) -> String {
    template.replace("{name}", &name.to_string().replace('\\', "%5C"))
}

#[cfg(test)]
mod tests {
    use gatepass_contract::address::MasterUrl;

    use super::*;

    #[test]
    fn a_name_stays_one_part_of_the_path() {
        let url: MasterUrl = "https://m:1".parse().expect("a URL");
        for (name, want) in [
            ("API Token Manager", "https://m:1/api/v1/users/API%20Token%20Manager"),
            ("CORP\\ann", "https://m:1/api/v1/users/CORP%5Cann"),
            ("ann@example.com", "https://m:1/api/v1/users/ann@example.com"),
        ] {
            assert_eq!(url.at(&named(path::USER, &name)).as_str(), want);
        }
    }

    #[test]
    fn no_two_requests_have_the_same_key() {
        assert_ne!(idempotency_key(), idempotency_key());
        assert_eq!(idempotency_key().len(), 32);
    }
}
