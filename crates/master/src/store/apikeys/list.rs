//! Pages of keys.
//!
//! Invariant: a page is read from one index, from where the last one ended, and no page looks at more than [`MOST_READ`]
//! rows, wherever it lies and whatever is asked for.
//!
//! # Why
//! Not every combination of filters and orders has an index of its own; those would cost more with every write than they
//! save. The most telling filter picks the index, the others are applied to what comes from it. When few fit, a page ends
//! early and says where the next one begins, instead of reading a million rows to become full.

use std::time::Duration;

use gatepass_contract::id::KeyId;
use gatepass_contract::name::{DisplayName, GroupName, UserName};
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{KeyKind, KeyOrder, KeyQuery, KeyState, Standing};
use serde::{Deserialize, Serialize};

use super::{COLUMNS, NEVER, end, read};
use crate::domain::apikey::ApiKeyRecord;
use crate::store::sql::{self, Bind, Conn, Value};
use crate::store::{Store, StoreError};

/// The most rows one page looks at.
const MOST_READ: usize = 2000;

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    filter: Filter,
    order: KeyOrder,
    after: Option<Place>,
    limit: u32,
}

/// What keys are listed. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    state: Option<KeyState>,
    kind: Option<KeyKind>,
    owner: Option<UserName>,
    group: Option<GroupName>,
    name: Option<DisplayName>,
    /// The first and the last instant at which it may end.
    ends: (UnixTime, UnixTime),
}

/// Where in an order a key stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// By id.
    Id(KeyId),
    /// By name.
    Name(String),
    /// Oldest first.
    Created(UnixTime, KeyId),
    /// Youngest first.
    CreatedDown(UnixTime, KeyId),
    /// By end, in milliseconds.
    Expires(i64, KeyId),
}

impl Place {
    fn of(order: KeyOrder, key: &ApiKeyRecord) -> Self {
        match order {
            KeyOrder::Id => Self::Id(key.id),
            KeyOrder::Name => Self::Name(key.key.name.as_str().to_owned()),
            KeyOrder::Created => Self::Created(key.created, key.id),
            KeyOrder::CreatedDown => Self::CreatedDown(key.created, key.id),
            KeyOrder::Expires => Self::Expires(end(key.key.expires).0, key.id),
        }
    }

    const fn order(&self) -> KeyOrder {
        match self {
            Self::Id(_) => KeyOrder::Id,
            Self::Name(_) => KeyOrder::Name,
            Self::Created(..) => KeyOrder::Created,
            Self::CreatedDown(..) => KeyOrder::CreatedDown,
            Self::Expires(..) => KeyOrder::Expires,
        }
    }

    /// In front of all.
    fn first(order: KeyOrder, earliest: UnixTime) -> Self {
        match order {
            KeyOrder::Id => Self::Id(KeyId([0; 10])),
            KeyOrder::Name => Self::Name(String::new()),
            KeyOrder::Created => Self::Created(UnixTime(i64::MIN), KeyId([0; 10])),
            KeyOrder::CreatedDown => Self::CreatedDown(UnixTime(i64::MAX), KeyId([0xFF; 10])),
            KeyOrder::Expires => Self::Expires(earliest.0, KeyId([0; 10])),
        }
    }
}

impl Listing {
    /// The page that `query` asks for, with the keys as they stand `now`.
    #[must_use]
    pub fn new(query: KeyQuery, (now, advance): (UnixTime, Duration), limit: u32) -> Self {
        let by_end = query.standing.is_some() || query.expiring_within.is_some();
        let usual = if by_end { KeyOrder::Expires } else { KeyOrder::Id };
        let within =
            query.expiring_within.map(|span| (UnixTime(now.0 + 1), (now + span.duration()).min(LAST)));
        let standing = query.standing.map(|standing| match standing {
            Standing::Expired => (UnixTime(i64::MIN), now),
            Standing::Expiring => (UnixTime(now.0 + 1), now + advance),
            Standing::Valid => (UnixTime((now + advance).0.saturating_add(1)), NEVER),
        });
        let whenever = (UnixTime(i64::MIN), NEVER);
        let (a, b) = (within.unwrap_or(whenever), standing.unwrap_or(whenever));
        Self {
            filter: Filter {
                state: query.state,
                kind: query.kind,
                owner: query.owner,
                group: query.group,
                name: query.name,
                ends: (a.0.max(b.0), a.1.min(b.1)),
            },
            order: query.sort.unwrap_or(usual),
            after: None,
            limit,
        }
    }

    /// The same from behind that place; `None` if it is one in another order.
    #[must_use]
    pub fn after(self, place: Option<Place>) -> Option<Self> {
        let fits = place.as_ref().is_none_or(|place| place.order() == self.order);
        fits.then_some(Self { after: place, ..self })
    }

    /// The same, but keys of that user only; `None` if it asks for those of another.
    #[must_use]
    pub fn of(mut self, owner: &UserName) -> Option<Self> {
        let asked = self.filter.owner.get_or_insert_with(|| owner.clone());
        (asked == owner).then_some(self)
    }
}

/// The last instant that is not never.
const LAST: UnixTime = UnixTime(NEVER.0 - 1);

impl Filter {
    fn admits(&self, record: &ApiKeyRecord) -> bool {
        let key = &record.key;
        let end = end(key.expires);
        self.state.map_or(record.state != KeyState::Deleted, |state| record.state == state)
            && self.kind.is_none_or(|kind| key.kind == kind)
            && self.owner.as_ref().is_none_or(|owner| key.owner == *owner)
            && self.group.as_ref().is_none_or(|group| key.groups.contains(group))
            && self.name.as_ref().is_none_or(|name| key.name == *name)
            && (self.ends.0..=self.ends.1).contains(&end)
    }

    /// The condition that picks the index: the one that leaves least to read.
    fn pick(&self, order: KeyOrder) -> Pick<'_> {
        let deleted = self.state.filter(|state| *state == KeyState::Deleted);
        match (self, order) {
            (Self { name: Some(name), .. }, _) => Pick::Name(name),
            (Self { group: Some(group), .. }, KeyOrder::Id) if deleted.is_none() => Pick::Group(group),
            (Self { owner: Some(owner), .. }, _) if deleted.is_none() => Pick::Owner(owner),
            (Self { state: Some(state), .. }, _) => Pick::State(*state),
            (Self { kind: Some(kind), .. }, KeyOrder::Id) => Pick::Kind(*kind),
            _ => Pick::All,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Pick<'a> {
    All,
    Name(&'a DisplayName),
    Group(&'a GroupName),
    Owner(&'a UserName),
    State(KeyState),
    Kind(KeyKind),
}

impl<'a> Pick<'a> {
    fn condition(self) -> Option<(&'static str, &'a str)>
    where
        Self: 'a,
    {
        match self {
            Self::All => None,
            Self::Name(name) => Some(("k.name", name.as_str())),
            Self::Group(group) => Some(("t.team", group.as_str())),
            Self::Owner(owner) => Some(("k.owner", owner.as_str())),
            Self::State(state) => Some(("k.state", state.as_str())),
            Self::Kind(kind) => Some(("k.kind", kind.as_str())),
        }
    }
}

/// A statement with its values.
struct Query<'a> {
    text: String,
    values: Vec<Value<'a>>,
}

impl<'a> Query<'a> {
    fn new(pick: Pick<'a>, place: &'a Place, latest: &'a UnixTime, rows: &'a u32) -> Self {
        let by_group = matches!(pick, Pick::Group(_));
        let table = if by_group { "api_key_team t JOIN api_key k ON k.id = t.api_key" } else { "api_key k" };
        let mut query = Self { text: format!("SELECT {COLUMNS} FROM {table} WHERE "), values: Vec::new() };
        if let Some((column, value)) = pick.condition() {
            let value = query.value(Value::Text(value));
            query.text.extend([column, " = ", &value, " AND "]);
        }
        let order = query.behind(place, latest, if by_group { "t.api_key" } else { "k.id" });
        // What an index leaves out must be left out in these words for it to be used.
        let is_partial =
            matches!(place.order(), KeyOrder::Created | KeyOrder::CreatedDown | KeyOrder::Expires);
        if is_partial && matches!(pick, Pick::All | Pick::Owner(_)) {
            query.text.push_str(" AND k.state <> 'deleted'");
        }
        let rows = query.value(rows.value());
        query.text.extend([" ORDER BY ", &order, " LIMIT ", &rows]);
        query
    }

    fn value(&mut self, value: Value<'a>) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// The condition that something comes behind `place`; the order it is meant in.
    fn behind(&mut self, place: &'a Place, latest: &'a UnixTime, id_column: &str) -> String {
        let (column, value, id, down) = match place {
            Place::Id(id) => return self.behind_one(id_column, id.value()),
            Place::Name(name) => return self.behind_one("k.name", Value::Text(name)),
            Place::Created(at, id) => ("k.created", at.value(), id, false),
            Place::CreatedDown(at, id) => ("k.created", at.value(), id, true),
            Place::Expires(at, id) => ("k.expires", at.value(), id, false),
        };
        let (value, id) = (self.value(value), self.value(id.value()));
        let (sign, order) = if down { ("<", " DESC") } else { (">", "") };
        self.text.extend(["(", column, ", k.id) ", sign, " (", &value, ", ", &id, ")"]);
        if matches!(place, Place::Expires(..)) {
            let latest = self.value(latest.value());
            self.text.extend([" AND k.expires <= ", &latest]);
        }
        format!("{column}{order}, k.id{order}")
    }

    fn behind_one(&mut self, column: &str, value: Value<'a>) -> String {
        let value = self.value(value);
        self.text.extend([column, " > ", &value]);
        column.to_owned()
    }
}

impl Store {
    /// A page of keys, and where the next one begins if there may be more.
    pub async fn list_api_keys(
        &self,
        listing: Listing,
    ) -> Result<(Vec<ApiKeyRecord>, Option<Place>), StoreError> {
        self.scan(move |conn| page(conn, &listing)).await
    }
}

pub(super) fn page(conn: Conn<'_>, listing: &Listing) -> sql::Result<(Vec<ApiKeyRecord>, Option<Place>)> {
    let Listing { filter, order, after, limit } = listing;
    let (pick, limit) = (filter.pick(*order), *limit as usize);
    let (mut found, mut looked_at) = (Vec::with_capacity(limit), 0);
    let mut place = after.clone().unwrap_or_else(|| Place::first(*order, filter.ends.0));
    let mut rows = limit + 1;
    loop {
        let wanted = u32::try_from(rows).expect("a few thousand");
        let query = Query::new(pick, &place, &filter.ends.1, &wanted);
        let chunk = conn.query(&query.text, &query.values, read)?;
        let is_last = chunk.len() < rows;
        looked_at += chunk.len();
        for record in chunk {
            if filter.admits(&record) {
                if found.len() == limit {
                    return Ok((found, Some(place)));
                }
                place = Place::of(*order, &record);
                found.push(record);
            } else {
                place = Place::of(*order, &record);
            }
        }
        if is_last {
            return Ok((found, None));
        }
        if looked_at >= MOST_READ {
            return Ok((found, Some(place)));
        }
        rows = (rows * 4).min(MOST_READ - looked_at);
    }
}

#[cfg(test)]
pub(super) mod plans {
    use super::*;

    /// Every statement there is, with the names of what picks and what orders.
    pub(in crate::store) fn all() -> Vec<(String, String)> {
        let (name, group, owner) = ("n".parse(), "g".parse(), "o".parse());
        let (name, group, owner) = (name.expect("a name"), group.expect("a name"), owner.expect("a name"));
        let state = Pick::State(KeyState::Active);
        let picks = [Pick::All, Pick::Name(&name), Pick::Owner(&owner), state];
        let by_id = [Pick::Group(&group), Pick::Kind(KeyKind::Service)].map(|pick| (pick, KeyOrder::Id));
        let all = picks.into_iter().flat_map(|pick| KeyOrder::ALL.iter().map(move |order| (pick, *order)));
        let text = |(pick, order)| {
            let place = Place::first(order, UnixTime(0));
            (format!("{pick:?} by {order}"), Query::new(pick, &place, &NEVER, &50).text)
        };
        all.chain(by_id).map(text).collect()
    }
}
