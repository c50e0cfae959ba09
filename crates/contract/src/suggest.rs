//! For people who mistype a name.

/// The known key nearest to the unknown one, from the message serde makes for it ("unknown field `a`, expected one of
/// `b`, `c`"); `None` for every other message, or when nothing is near.
#[must_use]
pub fn nearest_key(message: &str) -> Option<String> {
    let quoted = message.strip_prefix("unknown field ")?;
    let mut words = quoted.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    nearest(unknown, words).map(str::to_owned)
}

/// The known name nearest to the unknown one, if any is near. Upper and lower case are alike.
#[must_use]
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let unknown = unknown.to_lowercase();
    let distance = |known: &&str| strsim::damerau_levenshtein(&unknown, &known.to_lowercase());
    known.min_by_key(distance).filter(|known| distance(known) <= 1 + known.len() / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let expected = "expected one of `masters`, `name`, `state_dir`";
        assert_eq!(nearest_key(&format!("unknown field `mastres`, {expected}")).as_deref(), Some("masters"));
        assert_eq!(nearest_key(&format!("unknown field `zzz`, {expected}")), None);
        assert_eq!(nearest_key("invalid type: integer `3`, expected a string"), None);
    }
}
