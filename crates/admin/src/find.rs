//! Which thing a person means: by its name, its id, or as much of the id as is needed.

use gatepass_contract::id::{AgentId, KeyId, NoticeId, TokenId};
use gatepass_contract::wire::admin::{AgentView, ApiKeyView, NoticeView, TokenView};

use crate::error::CtlError;

/// Something that is listed under an id and a name.
pub trait Listed {
    /// Its kind, in a sentence.
    const KIND: &'static str;
    /// Its id as text.
    fn id(&self) -> String;
    /// Its name.
    fn name(&self) -> &str;
}

/// Implements [`Listed`] for a view with `id` and `name`.
macro_rules! listed {
    ($view:ty, $kind:literal, $name:expr) => {
        impl Listed for $view {
            const KIND: &'static str = $kind;
            fn id(&self) -> String {
                self.id.to_string()
            }
            fn name(&self) -> &str {
                let name: fn(&Self) -> &str = $name;
                name(self)
            }
        }
    };
}

listed!(ApiKeyView, "key", |key| key.name.as_str());
listed!(TokenView, "token", |token| token.name.as_str());
listed!(AgentView, "agent", |agent| agent.name.as_str());
// Notices have no names; what happened serves to tell them apart.
listed!(NoticeView, "notice", |notice| &notice.event);

/// `wanted` as a whole key id, in either case.
#[must_use]
pub fn key_id(wanted: &str) -> Option<KeyId> {
    wanted.to_ascii_uppercase().parse().ok()
}

/// `wanted` as a whole token id, in either case.
#[must_use]
pub fn token_id(wanted: &str) -> Option<TokenId> {
    wanted.to_ascii_uppercase().parse().ok()
}

/// `wanted` as a whole agent id, in either case.
#[must_use]
pub fn agent_id(wanted: &str) -> Option<AgentId> {
    wanted.to_ascii_uppercase().parse().ok()
}

/// `wanted` as a whole notice id, in either case.
#[must_use]
pub fn notice_id(wanted: &str) -> Option<NoticeId> {
    wanted.to_ascii_uppercase().parse().ok()
}

/// Whether an id could begin so: only then is it worth looking through all of them.
#[must_use]
pub fn may_begin_an_id(wanted: &str) -> bool {
    (1..32).contains(&wanted.len()) && wanted.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The one of `all` that `wanted` names. A whole name comes before the beginning of an id; where more than one fits, none
/// is taken.
pub fn find<T: Listed>(wanted: &str, all: Vec<T>) -> Result<T, CtlError> {
    let (named, others): (Vec<T>, Vec<T>) = all.into_iter().partition(|one| one.name() == wanted);
    let fitting = if named.is_empty() { starting_with(wanted, others) } else { named };
    only(wanted, fitting)
}

fn starting_with<T: Listed>(wanted: &str, all: Vec<T>) -> Vec<T> {
    let start = wanted.to_ascii_uppercase();
    all.into_iter().filter(|one| !start.is_empty() && one.id().starts_with(&start)).collect()
}

fn only<T: Listed>(wanted: &str, fitting: Vec<T>) -> Result<T, CtlError> {
    let wanted = wanted.to_owned();
    match <[T; 1]>::try_from(fitting) {
        Ok([one]) => Ok(one),
        Err(none) if none.is_empty() => Err(CtlError::NoSuch { kind: T::KIND, wanted }),
        Err(several) => {
            let fitting = several.iter().map(|one| format!("{} ({})", one.id(), one.name())).collect();
            Err(CtlError::Several { kind: T::KIND, wanted, fitting })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Thing(&'static str, &'static str);

    impl Listed for Thing {
        const KIND: &'static str = "thing";
        fn id(&self) -> String {
            self.0.to_owned()
        }
        fn name(&self) -> &str {
            self.1
        }
    }

    #[test]
    fn one_is_found_by_name_or_by_the_beginning_of_its_id() {
        let all =
            || vec![Thing("AB12", "web"), Thing("AC34", "db"), Thing("BB56", "db"), Thing("CC78", "AB")];
        for (wanted, want) in [
            ("web", Ok("AB12")),
            ("AB12", Ok("AB12")),
            ("ab1", Ok("AB12")),
            ("AC", Ok("AC34")),
            ("AB", Ok("CC78")), // a name, before the beginning of an id
            ("db", Err("2 things fit `db`: AC34 (db), BB56 (db)")),
            ("A", Err("2 things fit `A`: AB12 (web), AC34 (db)")),
            ("x", Err("there is no thing `x`")),
            ("", Err("there is no thing ``")),
        ] {
            let found = find(wanted, all()).map(|thing| thing.id()).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), want, "{wanted}");
        }
    }

    #[test]
    fn ids_are_read_in_either_case() {
        assert!(key_id("abcdefgh234567ab").is_some());
        assert!(key_id("abcdefgh").is_none());
        assert!(agent_id("0123456789abcdef0123456789ABCDEF").is_some());
        for (wanted, want) in [("ABC", true), ("abc7", true), ("db-7", false), ("", false), ("a b", false)] {
            assert_eq!(may_begin_an_id(wanted), want, "{wanted}");
        }
    }
}
