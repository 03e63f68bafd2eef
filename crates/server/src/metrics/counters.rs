//! The counters, and what is counted.

use std::sync::Arc;

use hutong_protocol::{EndReason, ErrorCode, RefusedCode};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::counter_family::CounterFamily;
use crate::registry::Fact;

/// How long a call's set-up takes, in seconds: from what a server needs on one machine to what a person does.
const SETUP: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0];

/// The server's counters. Cheap to clone: a clone counts on.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Counters>);

/// Each is told by its help, below.
#[derive(Debug)]
pub(crate) struct Counters {
    connections: Gauge,
    pub(crate) closed: CounterFamily<Closed>,
    refused: CounterFamily<RefusedCode>,
    pub(crate) errors: CounterFamily<ErrorCode>,
    logins: CounterFamily<Login>,
    calls_ended: CounterFamily<EndReason>,
    since_offering: Histogram,
    since_confirm: Histogram,
    messages_in: Counter,
    bytes_in: Counter,
    messages_out: Counter,
    bytes_out: Counter,
    pub(crate) presence_changes: Counter,
    pub(crate) presence_deliveries: Counter,
    pub(crate) presence_dropped: Counter,
    pub(crate) snapshots: Counter,
    pub(crate) accept_errors: Counter,
    pub(crate) tls_failures: Counter,
}

/// A connection that is counted.
#[derive(Debug)]
pub(crate) struct Connected(Metrics);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// How a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The client closed it.
    Left,
    /// The server closed it, and said why.
    Refused,
    /// It broke, or fell silent.
    Lost,
}

/// How somebody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    New,
    Back,
}

impl Metrics {
    /// Counters at zero, and where they can be read.
    pub(crate) fn new() -> (Self, Registry) {
        let mut registry = Registry::with_prefix("hutong");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which server this is", version);
        let mut list = List(&mut registry);
        let counters = Counters {
            connections: list.gauge("connections", "TCP connections of clients, WebSockets among them"),
            closed: list.family(
                "websockets_closed",
                "WebSockets that are over, by how they ended",
                "how",
                &[(Closed::Left, "left"), (Closed::Refused, "refused"), (Closed::Lost, "lost")],
            ),
            refused: list.family(
                "refused",
                "Sessions refused or ended by the server, by code",
                "code",
                &words(RefusedCode::ALL, RefusedCode::as_str),
            ),
            errors: list.family(
                "errors",
                "Messages from clients that were wrong and had no effect, by code",
                "code",
                &words(ErrorCode::ALL, ErrorCode::as_str),
            ),
            logins: list.family(
                "logins",
                "Log-ins: of new users, and of those who came back with a ticket",
                "kind",
                &[(Login::New, "new"), (Login::Back, "back")],
            ),
            calls_ended: list.family(
                "calls_ended",
                "Calls that are over, by reason; a call that was never set up too",
                "reason",
                &words(EndReason::ALL, EndReason::as_str),
            ),
            since_offering: list.setup("offering"),
            since_confirm: list.setup("confirm"),
            messages_in: list.counter("received_messages", "Messages from clients"),
            bytes_in: list.bytes("received", "Messages from clients, in bytes"),
            messages_out: list.counter("sent_messages", "Messages to clients"),
            bytes_out: list.bytes("sent", "Messages to clients, in bytes with their WebSocket headers"),
            presence_changes: list.counter("presence_changes", "Changes of users that were told"),
            presence_deliveries: list.counter("presence_deliveries", "Messages of presence, for each reader"),
            presence_dropped: list.counter("presence_dropped", "Messages of presence that slow readers were not sent"),
            snapshots: list.counter("snapshots", "Rosters sent to slow readers in place of what they missed"),
            accept_errors: list.counter("accept_errors", "Connections that the system could not give us"),
            tls_failures: list.counter("tls_handshakes_failed", "TLS handshakes that failed or took too long"),
        };
        (Self(Arc::new(counters)), registry)
    }

    /// A connection is there, until what this gives is dropped.
    pub(crate) fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.clone())
    }

    /// A message came, of so many bytes.
    pub(crate) fn received(&self, bytes: usize) {
        self.messages_in.inc();
        self.bytes_in.inc_by(bytes as u64);
    }

    /// So many messages are written, of so many bytes in all.
    pub(crate) fn sent(&self, messages: usize, bytes: usize) {
        self.messages_out.inc_by(messages as u64);
        self.bytes_out.inc_by(bytes as u64);
    }

    /// A WebSocket is closed, and told why.
    pub(crate) fn refused(&self, code: RefusedCode) {
        self.closed.count(Closed::Refused);
        self.refused.count(code);
    }

    /// The registry says that something happened.
    pub(crate) fn note(&self, fact: Fact) {
        match fact {
            Fact::LoggedIn { back } => self.logins.count(if back { Login::Back } else { Login::New }),
            Fact::CallSetUp { since_offering, since_confirm } => {
                self.since_offering.observe(since_offering.as_secs_f64());
                self.since_confirm.observe(since_confirm.as_secs_f64());
            }
            Fact::CallEnded { reason } => self.calls_ended.count(reason),
        }
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.0
    }
}

/// Makes counters, and has them read.
struct List<'r>(&'r mut Registry);

impl List<'_> {
    fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.0.register(name, help, gauge.clone());
        gauge
    }

    fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.0.register(name, help, counter.clone());
        counter
    }

    fn bytes(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.0.register_with_unit(name, help, Unit::Bytes, counter.clone());
        counter
    }

    fn family<K: Copy + PartialEq>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        words: &[(K, &'static str)],
    ) -> CounterFamily<K> {
        let (counters, family) = CounterFamily::new(label, words);
        self.0.register(name, help, family);
        counters
    }

    fn setup(&mut self, since: &'static str) -> Histogram {
        let histogram = Histogram::new(SETUP);
        let name = format!("call_setup_since_{since}");
        let help = format!("From {} to CALLING, delivered", since.to_uppercase());
        self.0.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        histogram
    }
}

fn words<K: Copy>(all: &[K], word: fn(K) -> &'static str) -> Vec<(K, &'static str)> {
    all.iter().map(|key| (*key, word(*key))).collect()
}
