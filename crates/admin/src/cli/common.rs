//! Arguments that many commands share.

use std::num::NonZeroUsize;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use gatepass_contract::span::Span;
use gatepass_contract::wire::admin::Annotation;

/// One thing.
#[derive(Debug, Args)]
pub struct Wanted {
    /// Its id, the beginning of its id, or its name.
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Whether a person was asked already.
#[derive(Debug, Args)]
pub struct SureArguments {
    /// Do not ask. Needed where nobody can be asked.
    #[arg(long, short)]
    pub yes: bool,
}

/// Why a change is made; it stands in the audit.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Reason, for the audit")]
pub struct ReasonArguments {
    /// Why; the master's policy may demand it.
    #[arg(long, value_name = "TEXT")]
    pub annotate: Option<String>,

    /// Where more is written, like CHG-4711.
    #[arg(long, value_name = "TICKET", requires = "annotate")]
    pub ticket: Option<String>,

    /// Which sort of change it is, like incident.
    #[arg(long, value_name = "WORD", requires = "annotate")]
    pub category: Option<String>,
}

impl ReasonArguments {
    /// As the master wants it.
    #[must_use]
    pub fn annotation(self) -> Option<Annotation> {
        self.annotate.map(|text| Annotation {
            category: self.category.unwrap_or_default(),
            text,
            ticket: self.ticket.unwrap_or_default(),
        })
    }
}

/// How much of a list.
#[derive(Debug, Args, Default)]
pub struct ListArguments {
    /// How many at most; all of them where absent.
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,

    /// Go on behind a list that was cut short: `next` of its JSON.
    #[arg(long, value_name = "NEXT", hide_short_help = true)]
    pub after: Option<String>,
}

/// Whether to wait for an approver.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitArguments {
    /// Where policy wants an approval: wait until somebody has decided, an hour or as long as said, like --wait=1d.
    ///
    /// Exit status 0 when it was approved, 4 when it was rejected, 3 when nobody has decided in that time.
    #[arg(long, value_name = "TIMEOUT", num_args = 0..=1, require_equals = true, default_missing_value = "1h")]
    pub wait: Option<Span>,
}

/// Reads one of a closed set of words, lists them in the help and in completions.
pub(super) fn words<T>(all: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(all).try_map(|word| word.parse::<T>())
}

/// [`words`] for a type of the wire's closed sets.
macro_rules! one_of {
    ($set:ty) => {
        $crate::cli::common::words::<$set>(<$set>::ALL.iter().map(|word| word.as_str()))
    };
}
pub(super) use one_of;
