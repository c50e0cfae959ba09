//! Why a call failed, and what to do about it.

use std::time::Duration;

use gatepass_contract::address::MasterUrl;
use gatepass_contract::wire::{Code, Problem, Remedy as CodeRemedy};

use super::fault::Fault;

/// Why the master did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The one master there is could not be used.
    #[error("{master}: {fault}")]
    Fault {
        /// Which one.
        master: MasterUrl,
        /// Why not.
        fault: Fault,
    },
    /// None of them could be used.
    #[error("none of {} masters can be used: {}", .0.len(), listed(.0))]
    None(Vec<Self>),
    /// The master understood and said no.
    #[error("{master} refuses: {refusal}")]
    Refused {
        /// Which one.
        master: MasterUrl,
        /// What it said.
        refusal: Box<Refusal>,
    },
}

fn listed(errors: &[MasterError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A problem document and when to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the master said.
    pub problem: Problem,
    /// Its `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Problem { detail, code, request_id, .. } = &self.problem;
        let readable: String = detail.chars().filter(|c| !c.is_control()).take(300).collect();
        write!(f, "{readable} ({code}, request {request_id})")
    }
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It passes by itself.
    Wait {
        /// Not before that; the master's own word where it gave one.
        at_least: Duration,
    },
    /// Probe, then try again.
    MeasureClock,
    /// Make a new key pair, then try again.
    NewKey,
    /// The identity is over: enrol with an API key.
    EnrolAgain,
    /// A person must change something. Trying again does no harm, slowly.
    CallHuman,
}

impl MasterError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Fault { fault, .. } => fault.remedy(),
            // Whichever is back first.
            Self::None(errors) => {
                let waits = errors.iter().filter_map(|error| match error.remedy() {
                    Remedy::Wait { at_least } => Some(at_least),
                    Remedy::MeasureClock | Remedy::NewKey | Remedy::EnrolAgain | Remedy::CallHuman => None,
                });
                waits.min().map_or(Remedy::CallHuman, |at_least| Remedy::Wait { at_least })
            }
            Self::Refused { refusal, .. } => refusal.remedy(),
        }
    }

    /// What a person should try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fault { fault, .. } => fault.hint().map(str::to_owned),
            Self::None(errors) => errors.iter().find_map(Self::hint),
            Self::Refused { refusal, .. } => refusal.problem.hint.clone(),
        }
    }

    /// The stable code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.problem.code),
            Self::Fault { .. } | Self::None(_) => None,
        }
    }
}

impl Refusal {
    pub(super) fn remedy(&self) -> Remedy {
        match self.problem.code.remedy() {
            CodeRemedy::Wait => Remedy::Wait { at_least: self.retry_after.unwrap_or_default() },
            CodeRemedy::MeasureClock => Remedy::MeasureClock,
            CodeRemedy::NewKey => Remedy::NewKey,
            CodeRemedy::EnrolAgain => Remedy::EnrolAgain,
            CodeRemedy::CallHuman => Remedy::CallHuman,
        }
    }
}
