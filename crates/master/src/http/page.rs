//! Lists come in pages. A cursor is the last item's place in the order, so items that come or go in between shift nothing.

use data_encoding::BASE64URL_NOPAD;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::Page;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;

const USUAL: u32 = 100;
const MOST: u32 = 500;

/// How many items a page is to have.
pub(super) fn limit(wanted: Option<u32>) -> Result<u32, Failure> {
    let limit = wanted.unwrap_or(USUAL);
    let bad =
        || Failure::open(Code::BadRequest, format!("the query is not as expected: limit is 1 to {MOST}"));
    (1..=MOST).contains(&limit).then_some(limit).ok_or_else(bad)
}

/// One more than fits was read, to know whether there is a next page.
pub(super) fn cut<T>(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}

/// A place in an order of several parts.
pub(super) fn cursor(place: &impl Serialize) -> String {
    BASE64URL_NOPAD.encode(&serde_json::to_vec(place).expect("places are plain JSON"))
}

/// The place that [`cursor`] has written.
pub(super) fn after<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Failure> {
    let read = |text: &str| {
        let json = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        serde_json::from_slice(&json).ok()
    };
    cursor.map(|text| read(text).ok_or_else(no_place)).transpose()
}

/// When `after` is none.
pub(super) fn no_place() -> Failure {
    Failure::open(Code::BadRequest, "the query is not as expected: after is no `next` of a page")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_and_nonsense_is_refused() {
        let place = (12_i64, "AAAA".to_owned());
        assert_eq!(after(Some(&cursor(&place))).expect("ours"), Some(place));
        assert!(after::<(i64, String)>(Some("nonsense!")).is_err());
        assert!(after::<(i64, String)>(Some(&cursor(&"x"))).is_err());
        assert_eq!(after::<(i64, String)>(None).expect("none"), None);
    }

    #[test]
    fn a_page_that_is_cut_says_where_the_next_begins() {
        let page = |count: u32, limit| cut((0..count).collect(), limit, u32::to_string);
        assert_eq!((page(3, 2).items, page(3, 2).next), (vec![0, 1], Some("1".to_owned())));
        assert_eq!((page(2, 2).items, page(2, 2).next), (vec![0, 1], None));
    }
}
