//! Lists, fetched page by page and no further than wanted.

use gatepass_contract::wire::admin::{
    ApprovalQuery, AuditQuery, KeyQuery, NoticeQuery, Page, PageQuery, TokenQuery,
};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Master;
use crate::error::CtlError;

/// What is asked for at once.
const PAGE: usize = 200;

/// How much of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All there is.
    All,
    /// From a place on, at most so many.
    Part {
        /// `next` of the page before.
        after: Option<String>,
        /// How many at most.
        most: usize,
    },
}

/// A list's query: whatever its conditions, it says where the page begins and how long it is.
pub(super) trait Paged: Serialize {
    /// From there on, at most so many.
    fn page(&mut self, after: Option<String>, limit: u32);
}

macro_rules! paged {
    ($($query:ty),*) => {
        $(impl Paged for $query {
            fn page(&mut self, after: Option<String>, limit: u32) {
                (self.after, self.limit) = (after, Some(limit));
            }
        })*
    };
}

paged!(PageQuery, KeyQuery, TokenQuery, ApprovalQuery, NoticeQuery);

impl Paged for AuditQuery {
    fn page(&mut self, after: Option<String>, limit: u32) {
        (self.after, self.limit) = (after.and_then(|number| number.parse().ok()), Some(limit));
    }
}

/// A list on its way.
pub(super) struct Pages<'a, Q> {
    master: &'a Master,
    path: &'static str,
    query: Q,
    after: Option<String>,
    left: usize,
    begun: bool,
}

impl<'a, Q: Paged> Pages<'a, Q> {
    pub(super) fn of(master: &'a Master, path: &'static str, query: Q, extent: Extent) -> Self {
        let (after, left) = match extent {
            Extent::All => (None, usize::MAX),
            Extent::Part { after, most } => (after, most),
        };
        Self { master, path, query, after, left, begun: false }
    }

    /// The next page; `None` behind the last one and when enough was fetched. Pages are never longer than what is left,
    /// so nothing of a page is thrown away and the place where a list was cut short is the end of a page.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Vec<T>>, CtlError> {
        if self.left == 0 || (self.begun && self.after.is_none()) {
            return Ok(None);
        }
        let limit = u32::try_from(self.left.min(PAGE)).unwrap_or(u32::MAX);
        self.query.page(self.after.clone(), limit);
        let request = self.master.request(Method::GET, self.path).query(&self.query);
        let page: Page<T> = self.master.connection.answer(request).await?;
        // The same place again would go on for ever.
        self.after = page.next.filter(|next| self.after.as_ref() != Some(next));
        (self.begun, self.left) = (true, self.left.saturating_sub(page.items.len()));
        Ok(Some(page.items))
    }

    /// The rest of it; `next` says where it was cut short.
    pub(super) async fn rest<T: DeserializeOwned>(mut self) -> Result<Page<T>, CtlError> {
        let mut items = Vec::new();
        while let Some(page) = self.next().await? {
            items.extend(page);
        }
        Ok(Page { items, next: self.after })
    }
}
