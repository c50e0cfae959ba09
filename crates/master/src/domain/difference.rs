//! What a change has changed, for the audit: the members that differ, before and after, and nothing secret, for it is made
//! of what may be shown.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// What something new is.
#[must_use]
pub fn made(after: &impl Serialize) -> Value {
    json!({ "after": members(after) })
}

/// What was before and is no more.
#[must_use]
pub fn gone(before: &impl Serialize) -> Value {
    json!({ "before": members(before) })
}

/// What is different.
#[must_use]
pub fn between<T: Serialize>(before: &T, after: &T) -> Value {
    let (mut before, mut after) = (members(before), members(after));
    let same: Vec<_> = before.iter().filter(|&(name, was)| after.get(name) == Some(was)).collect();
    let same: Vec<_> = same.into_iter().map(|(name, _)| name.clone()).collect();
    for name in same {
        before.remove(&name);
        after.remove(&name);
    }
    json!({ "before": before, "after": after })
}

fn members(of: &impl Serialize) -> Map<String, Value> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(of) else { return Map::new() };
    for derived in DERIVED {
        members.remove(derived);
    }
    members
}

/// Follows from other members, from time, or from the record itself.
const DERIVED: [&str; 6] = ["version", "updated", "standing", "lastUsed", "created", "lastSignIn"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({ "name": "a", "roles": ["x"], "email": null, "version": 1 });
        let after = json!({ "name": "a", "roles": ["x", "y"], "email": "a@example.com", "version": 2 });
        let want = json!({
            "before": { "roles": ["x"], "email": null },
            "after": { "roles": ["x", "y"], "email": "a@example.com" },
        });
        assert_eq!(between(&before, &after), want);
        assert_eq!(made(&json!({ "name": "a", "version": 1 })), json!({ "after": { "name": "a" } }));
        assert_eq!(gone(&json!({ "name": "a" })), json!({ "before": { "name": "a" } }));
    }
}
