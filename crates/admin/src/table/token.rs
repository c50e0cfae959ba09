//! API tokens.

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::admin::{Standing, TokenView};

use super::layout::{
    Width, end, ends, fields, instant, last_use, listed, networks, or_dash, short, since, table, yes,
};

/// Some API tokens.
#[must_use]
pub fn tokens(tokens: &[TokenView], now: UnixTime, width: Width) -> String {
    let header = ["NAME", "ID", "USER", "STATE", "EXPIRES", "LAST USED", "ROLES"];
    let rows = tokens.iter().map(|token| {
        vec![
            token.name.to_string(),
            short(token.id, width),
            token.user.to_string(),
            state(token),
            ends(token.expires, now),
            since(token.last_used.map(|used| used.at), now),
            listed(&token.roles),
        ]
    });
    table(&header, rows, width)
}

/// One API token.
#[must_use]
pub fn token(token: &TokenView, now: UnixTime, width: Width) -> String {
    let rows = [
        ("name", token.name.to_string()),
        ("id", token.id.to_string()),
        ("description", or_dash(&token.description)),
        ("user", token.user.to_string()),
        ("made by", token.creator.to_string()),
        ("roles", listed(&token.roles)),
        ("state", state(token)),
        ("enabled", yes(token.enabled)),
        ("expires", end(token.expires, now)),
        ("networks", networks(&token.networks)),
        ("JWTs made", format!("{}, the last one is good", token.unlocked)),
        ("created", instant(token.created, now)),
        ("edited", instant(token.updated, now)),
        ("last used", last_use(token.last_used, now)),
    ];
    fields(rows, width)
}

/// What time has done to it, and whether it is switched off.
fn state(token: &TokenView) -> String {
    match (token.standing, token.enabled) {
        (standing @ (Standing::Expired | Standing::Expiring | Standing::Valid), true) => standing.to_string(),
        (Standing::Expired, false) => "expired, off".to_owned(),
        (Standing::Expiring | Standing::Valid, false) => "off".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::samples::{NOW, some_token};

    #[test]
    fn tokens_are_listed_by_user_and_role_and_never_with_their_jwt() {
        assert_eq!(
            tokens(&[some_token()], NOW, None),
            "NAME    ID                USER  STATE  EXPIRES  LAST USED  ROLES\n\
             nagios  CEIRCEIRCEIRCEIR  ann   valid  never    never      API user, auditor"
        );
        let text = token(&some_token(), NOW, None);
        for part in ["3, the last one is good", "anywhere", "2026-11-21T20:25:23.456Z (1d ago)"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_token_that_is_off_says_so() {
        for (standing, enabled, want) in [
            (Standing::Valid, true, "valid"),
            (Standing::Valid, false, "off"),
            (Standing::Expired, false, "expired, off"),
        ] {
            assert_eq!(state(&TokenView { standing, enabled, ..some_token() }), want);
        }
    }
}
