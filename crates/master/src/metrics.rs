//! What the master counts, in the Prometheus text format (`OpenMetrics`).
//!
//! Counters are advanced where things happen; what is a state rather than an event is asked for when somebody scrapes,
//! so that nothing has to be kept in step.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::ClockStanding;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// The media type of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds: an answer from memory, a signature and a commit, a slow disk, a full queue.
const BUCKETS: [f64; 6] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0];

/// One label with one value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Label {
    name: &'static str,
    value: &'static str,
}

impl EncodeLabelSet for Label {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        EncodeLabel::encode(&(self.name, self.value), encoder.encode_label())
    }
}

/// What has been issued, for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuance {
    /// A new agent.
    Enrolment,
    /// A new generation.
    Renewal,
    /// A fresh token for a generation that was issued before.
    Refresh,
}

/// What holds at the moment somebody scrapes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Requests that wait to be issued to.
    pub waiting: usize,
    /// Open connections.
    pub connections: usize,
    /// Active agents by the standing of their clocks.
    pub clocks: Vec<(ClockStanding, u64)>,
    /// When the first of the active agents' certificates ends.
    pub first_expiry: Option<UnixTime>,
    /// When the master's own certificates and keys end, by purpose.
    pub own_expiries: Vec<(&'static str, UnixTime)>,
}

/// Everything counted. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(std::sync::Arc<Inside>);

struct Inside {
    registry: Registry,
    enrolments: Counter,
    renewals: Counter,
    refreshes: Counter,
    refusals: Family<Label, Counter>,
    durations: Histogram,
    waiting: Gauge,
    connections: Gauge,
    clocks: Family<Label, Gauge>,
    first_expiry: Gauge<f64, AtomicU64>,
    own_expiries: Family<Label, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    /// Everything at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut inside = Inside {
            registry: Registry::with_prefix("gatepass_master"),
            enrolments: Counter::default(),
            renewals: Counter::default(),
            refreshes: Counter::default(),
            refusals: Family::default(),
            durations: Histogram::new(BUCKETS),
            waiting: Gauge::default(),
            connections: Gauge::default(),
            clocks: Family::default(),
            first_expiry: Gauge::default(),
            own_expiries: Family::default(),
        };
        inside.register();
        Self(std::sync::Arc::new(inside))
    }

    /// Counts something issued.
    pub fn issued(&self, what: Issuance) {
        match what {
            Issuance::Enrolment => self.0.enrolments.inc(),
            Issuance::Renewal => self.0.renewals.inc(),
            Issuance::Refresh => self.0.refreshes.inc(),
        };
    }

    /// Counts an answer that was a problem.
    pub fn refused(&self, code: Code) {
        self.0.refusals.get_or_create(&Label { name: "code", value: code.as_str() }).inc();
    }

    /// Counts an answer and how long it took.
    pub fn answered(&self, took: Duration) {
        self.0.durations.observe(took.as_secs_f64());
    }

    /// The page that is scraped.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot) -> String {
        self.0.set(snapshot);
        let mut page = String::new();
        encode(&mut page, &self.0.registry).expect("a String takes whatever is written to it");
        page
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Inside {
    fn register(&mut self) {
        let to = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        to.register("build", "What runs", build);
        to.register("enrolments", "New agents", self.enrolments.clone());
        to.register("renewals", "New generations issued to agents", self.renewals.clone());
        let help = "Fresh tokens issued for a generation that exists";
        to.register("token_refreshes", help, self.refreshes.clone());
        to.register("refusals", "Answers that were problems, by code", self.refusals.clone());
        let help = "From a request's head to its answer";
        to.register_with_unit("request_duration", help, Unit::Seconds, self.durations.clone());
        to.register("queue_depth", "Requests that wait to be issued to", self.waiting.clone());
        to.register("connections", "Open connections", self.connections.clone());
        let help = "Active agents by how their clock stands to the master's";
        to.register("agents", help, self.clocks.clone());
        let help = "When the first of the active agents' certificates ends, since 1970; 0 without agents";
        to.register_with_unit("first_agent_expiry", help, Unit::Seconds, self.first_expiry.clone());
        let help = "When the master's own certificates end, since 1970";
        to.register_with_unit("own_expiry", help, Unit::Seconds, self.own_expiries.clone());
    }

    fn set(&self, now: &Snapshot) {
        self.waiting.set(i64::try_from(now.waiting).unwrap_or(i64::MAX));
        self.connections.set(i64::try_from(now.connections).unwrap_or(i64::MAX));
        for &(standing, agents) in &now.clocks {
            let label = Label { name: "clock", value: standing.as_str() };
            self.clocks.get_or_create(&label).set(i64::try_from(agents).unwrap_or(i64::MAX));
        }
        self.first_expiry.set(now.first_expiry.map_or(0.0, seconds));
        for &(purpose, until) in &now.own_expiries {
            self.own_expiries.get_or_create(&Label { name: "purpose", value: purpose }).set(seconds(until));
        }
    }
}

/// Whole seconds of any year a certificate can name are exact in a double.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn seconds(at: UnixTime) -> f64 {
    at.seconds() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_was_counted() {
        let metrics = Metrics::new();
        metrics.issued(Issuance::Enrolment);
        metrics.refused(Code::ApiKeyRefused);
        metrics.answered(Duration::from_millis(3));
        let page = metrics.render(&Snapshot {
            waiting: 2,
            connections: 3,
            clocks: vec![(ClockStanding::Agree, 7), (ClockStanding::Critical, 0)],
            first_expiry: Some(UnixTime::from_seconds(1_795_379_123)),
            own_expiries: vec![("issuing-ca", UnixTime::from_seconds(1_800_000_000))],
        });
        for line in [
            "gatepass_master_enrolments_total 1",
            "gatepass_master_renewals_total 0",
            r#"gatepass_master_refusals_total{code="api-key-refused"} 1"#,
            r#"gatepass_master_request_duration_seconds_bucket{le="0.005"} 1"#,
            "gatepass_master_queue_depth 2",
            "gatepass_master_connections 3",
            r#"gatepass_master_agents{clock="agree"} 7"#,
            r#"gatepass_master_agents{clock="critical"} 0"#,
            "gatepass_master_first_agent_expiry_seconds 1795379123.0",
            r#"gatepass_master_own_expiry_seconds{purpose="issuing-ca"} 1800000000.0"#,
            concat!(r#"gatepass_master_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
