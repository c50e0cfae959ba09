//! Figures, the bars they are held to, and how they are shown.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Something measured several times, beside what the same primitives cost in the same run without Gatepass.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    id: &'static str,
    what: &'static str,
    unit: &'static str,
    rounds: Vec<f64>,
    limit: Vec<f64>,
    bar: Option<Bar>,
    aim: Option<f64>,
}

/// What a figure has to keep to.
#[derive(Debug, Clone, Copy)]
enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    const fn number(self) -> f64 {
        match self {
            Self::AtMost(number) | Self::AtLeast(number) => number,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::AtMost(_) => "<=",
            Self::AtLeast(_) => ">=",
        }
    }
}

impl Figure {
    pub(crate) const fn new(
        id: &'static str,
        what: &'static str,
        unit: &'static str,
        rounds: Vec<f64>,
    ) -> Self {
        Self { id, what, unit, rounds, limit: Vec::new(), bar: None, aim: None }
    }

    /// The same without Gatepass, in the same unit.
    pub(crate) fn limit(self, limit: Vec<f64>) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn at_most(self, most: f64) -> Self {
        Self { bar: Some(Bar::AtMost(most)), ..self }
    }

    pub(crate) fn at_least(self, least: f64) -> Self {
        Self { bar: Some(Bar::AtLeast(least)), ..self }
    }

    pub(crate) fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    fn median(&self) -> f64 {
        median(&self.rounds).unwrap_or(f64::NAN)
    }

    fn ratio(&self) -> Option<f64> {
        median(&self.limit).filter(|&limit| limit > 0.0).map(|limit| self.median() / limit)
    }

    fn verdict(&self) -> Option<&'static str> {
        let met = self.bar?.is_met(self.median());
        let aimed =
            self.aim.is_none_or(|aim| self.bar.is_some_and(|bar| same_side(bar, aim).is_met(self.median())));
        Some(match (met, aimed) {
            (false, _) => "MISSED",
            (true, true) => "met",
            (true, false) => "met, aim not",
        })
    }

    fn line(&self) -> String {
        let bar = self.bar.map_or(String::new(), |bar| format!("{} {}", bar.sign(), bar.number()));
        let limit = median(&self.limit).map_or("-".to_owned(), rounded);
        let ratio = self.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let aim = self.aim.map_or(String::new(), |aim| format!("{aim}"));
        let (what, unit, median, verdict) =
            (self.what, self.unit, rounded(self.median()), self.verdict().unwrap_or(""));
        format!("{what:<46} {median:>9} {unit:<4} {limit:>9} {ratio:>6}  {bar:<9} {aim:<5} {verdict}")
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "what": self.what,
            "unit": self.unit,
            "median": self.median(),
            "rounds": self.rounds,
            "limit": median(&self.limit),
            "limitRounds": self.limit,
            "ratio": self.ratio(),
            "bar": self.bar.map(|bar| format!("{} {}", bar.sign(), bar.number())),
            "aim": self.aim,
            "met": self.bar.map(|bar| bar.is_met(self.median())),
        })
    }
}

const fn same_side(bar: Bar, number: f64) -> Bar {
    match bar {
        Bar::AtMost(_) => Bar::AtMost(number),
        Bar::AtLeast(_) => Bar::AtLeast(number),
    }
}

/// For people.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<46} {:>9} {:<4} {:>9} {:>6}  {:<9} {:<5} {}\n",
        "", "median", "", "limit", "ratio", "bar", "aim", "verdict"
    );
    for figure in figures {
        _ = writeln!(text, "{}", figure.line().trim_end());
    }
    text
}

/// For machines.
pub(crate) fn document(figures: &[Figure], machine: &Value) -> Value {
    json!({ "machine": machine, "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() })
}

/// The middle one; of an even number, the mean of the two in the middle. `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*below, *above))
}

/// Three digits that say something.
fn rounded(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
