//! One thing that was looked at, and all of them.

use std::fmt;

use serde::Serialize;

use super::id::Id;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Fine,
    /// It works, and something is worth a look.
    Warning,
    /// It does not work, or soon will not.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stays the same from version to version.
    pub id: Id,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn fine(id: Id, message: impl Into<String>) -> Self {
        Self { id, severity: Severity::Fine, message: message.into(), hint: None }
    }

    /// Worth a look; the hint is what the id says in general.
    pub fn warning(id: Id, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::fine(id, message) }.with_hint(None)
    }

    /// It does not work.
    pub fn broken(id: Id, message: impl Into<String>) -> Self {
        Self { severity: Severity::Broken, ..Self::fine(id, message) }.with_hint(None)
    }

    /// The same with a hint about this very case; without one, what the id says in general.
    #[must_use]
    pub fn with_hint(self, hint: Option<String>) -> Self {
        let general = || Some(self.id.remedy().to_owned()).filter(|text| !text.is_empty());
        Self { hint: hint.or_else(general), ..self }
    }

    /// The same, as bad as that.
    #[must_use]
    pub fn as_bad_as(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// Everything that was looked at, in the order in which an enrolment would meet it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// The worst of it.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.0.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Fine)
    }

    /// One by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, more: T) {
        self.0.extend(more);
    }
}

impl From<Finding> for Findings {
    fn from(only: Finding) -> Self {
        Self(vec![only])
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.0.iter().enumerate() {
            let mark = match finding.severity {
                Severity::Fine => "ok",
                Severity::Warning => "warn",
                Severity::Broken => "fail",
            };
            writeln!(f, "{:>2} {mark:<4} {:<20} {}", number + 1, finding.id, finding.message)?;
            if let Some(hint) = &finding.hint {
                writeln!(f, "   {:25} -> {hint}", "")?;
            }
        }
        Ok(())
    }
}
