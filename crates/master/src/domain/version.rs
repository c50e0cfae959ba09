//! Which version of something a change is meant for: what keeps two editors from undoing each other.

/// What a change expects to find. The store asks [`Expected::fits`] inside the transaction that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// One of these; of none of ours, if it is empty.
    OneOf(Vec<u64>),
}

impl Expected {
    /// Whether that is the version, or one of them.
    #[must_use]
    pub fn fits(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}
