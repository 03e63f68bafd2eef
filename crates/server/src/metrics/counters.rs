//! Counters of a server, and the guards and methods that update them.

use std::sync::Arc;

use hutong_protocol::{EndReason, ErrorCode, RefusedCode};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::counter_family::CounterFamily;
use crate::registry::RegistryEvent;

/// Upper bounds of the set-up histograms, in seconds: from calls that programs answer on one machine to calls that people answer.
const SETUP_BUCKETS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0];

/// Handle to a server's counters. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Counters>);

/// Counters of a server. Their help texts in [`Metrics::new`] describe them.
#[derive(Debug)]
pub(crate) struct Counters {
    connections: Gauge,
    pub(crate) closed: CounterFamily<WebSocketEnd>,
    refused: CounterFamily<RefusedCode>,
    pub(crate) errors: CounterFamily<ErrorCode>,
    logins: CounterFamily<LoginKind>,
    calls_ended: CounterFamily<EndReason>,
    setup_since_offering: Histogram,
    setup_since_confirm: Histogram,
    messages_in: Counter,
    bytes_in: Counter,
    messages_out: Counter,
    bytes_out: Counter,
    pub(crate) presence_changes: Counter,
    pub(crate) presence_deliveries: Counter,
    pub(crate) presence_dropped: Counter,
    pub(crate) snapshots: Counter,
    pub(crate) accept_errors: Counter,
    pub(crate) refused_connections: CounterFamily<CapacityLimit>,
    pub(crate) tls_failures: Counter,
}

/// RAII guard: one client connection in the `connections` gauge.
#[derive(Debug)]
pub(crate) struct ConnectionCountGuard(Metrics);

impl Drop for ConnectionCountGuard {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// How a WebSocket ended, as the label `how`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebSocketEnd {
    /// The client closed it.
    Left,
    /// The server closed it with a reason.
    Refused,
    /// The connection broke or timed out.
    Lost,
}

/// What a connection was refused for, as the label `lack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CapacityLimit {
    /// As many connections are open as the server permits.
    Places,
    /// The process or the system has no free file descriptor.
    Descriptors,
}

/// Kind of a login, as the label `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginKind {
    New,
    Resumed,
}

impl Metrics {
    /// Creates the counters, and the registry to export them from.
    pub(crate) fn new() -> (Self, Registry) {
        let mut registry = Registry::with_prefix("hutong");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of the server", version);
        let mut builder = MetricsBuilder(&mut registry);
        let counters = Counters {
            connections: builder.gauge("connections", "Open TCP connections of clients, including WebSockets"),
            closed: builder.family(
                "websockets_closed",
                "Closed WebSockets, by how they ended",
                "how",
                &[(WebSocketEnd::Left, "left"), (WebSocketEnd::Refused, "refused"), (WebSocketEnd::Lost, "lost")],
            ),
            refused: builder.family(
                "refused",
                "Sessions that the server refused or ended, by code",
                "code",
                &label_values(RefusedCode::ALL, RefusedCode::as_str),
            ),
            errors: builder.family(
                "errors",
                "Rejected messages from clients, by error code",
                "code",
                &label_values(ErrorCode::ALL, ErrorCode::as_str),
            ),
            logins: builder.family(
                "logins",
                "Logins of new users, and logins with a session ticket",
                "kind",
                &[(LoginKind::New, "new"), (LoginKind::Resumed, "back")],
            ),
            calls_ended: builder.family(
                "calls_ended",
                "Ended calls, by reason, including calls that were never set up",
                "reason",
                &label_values(EndReason::ALL, EndReason::as_str),
            ),
            setup_since_offering: builder.setup("offering"),
            setup_since_confirm: builder.setup("confirm"),
            messages_in: builder.counter("received_messages", "Messages received from clients"),
            bytes_in: builder.bytes("received", "Size of messages received from clients"),
            messages_out: builder.counter("sent_messages", "Messages sent to clients"),
            bytes_out: builder.bytes("sent", "Size of messages sent to clients, with WebSocket headers"),
            presence_changes: builder.counter("presence_changes", "Changes of users that were announced"),
            presence_deliveries: builder
                .counter("presence_deliveries", "Presence messages queued, counted once per recipient"),
            presence_dropped: builder.counter("presence_dropped", "Presence messages dropped for slow readers"),
            snapshots: builder
                .counter("snapshots", "Rosters sent to slow readers in place of dropped presence messages"),
            accept_errors: builder.counter(
                "accept_errors",
                "Errors of accept() on the listening sockets, such as no free file descriptor",
            ),
            refused_connections: builder.family(
                "connections_refused",
                "Connections refused with status 503, by what the server had none of",
                "lack",
                &[(CapacityLimit::Places, "places"), (CapacityLimit::Descriptors, "descriptors")],
            ),
            tls_failures: builder.counter("tls_handshakes_failed", "TLS handshakes that failed or timed out"),
        };
        (Self(Arc::new(counters)), registry)
    }

    /// Counts an open connection until the guard is dropped.
    pub(crate) fn count_connection(&self) -> ConnectionCountGuard {
        self.connections.inc();
        ConnectionCountGuard(self.clone())
    }

    /// Counts a message from a client, with its size in bytes.
    pub(crate) fn received(&self, bytes: usize) {
        self.messages_in.inc();
        self.bytes_in.inc_by(bytes as u64);
    }

    /// Counts messages to a client, with their total size in bytes.
    pub(crate) fn sent(&self, messages: usize, bytes: usize) {
        self.messages_out.inc_by(messages as u64);
        self.bytes_out.inc_by(bytes as u64);
    }

    /// Counts a WebSocket that the server closed with this code.
    pub(crate) fn refused(&self, code: RefusedCode) {
        self.closed.inc(WebSocketEnd::Refused);
        self.refused.inc(code);
    }

    /// Counts an event of the registry.
    pub(crate) fn record(&self, event: RegistryEvent) {
        match event {
            RegistryEvent::LoggedIn { resumed } => {
                self.logins.inc(if resumed { LoginKind::Resumed } else { LoginKind::New })
            }
            RegistryEvent::CallSetUp { since_offering, since_confirm } => {
                self.setup_since_offering.observe(since_offering.as_secs_f64());
                self.setup_since_confirm.observe(since_confirm.as_secs_f64());
            }
            RegistryEvent::CallEnded { reason } => self.calls_ended.inc(reason),
        }
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.0
    }
}

/// Creates metrics and registers them for export.
struct MetricsBuilder<'r>(&'r mut Registry);

impl MetricsBuilder<'_> {
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
        values: &[(K, &'static str)],
    ) -> CounterFamily<K> {
        let (counters, family) = CounterFamily::new(label, values);
        self.0.register(name, help, family);
        counters
    }

    fn setup(&mut self, since: &'static str) -> Histogram {
        let histogram = Histogram::new(SETUP_BUCKETS);
        let name = format!("call_setup_since_{since}");
        let help = format!("Time from {} until CALLING is delivered", since.to_uppercase());
        self.0.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        histogram
    }
}

fn label_values<K: Copy>(all: &[K], value: fn(K) -> &'static str) -> Vec<(K, &'static str)> {
    all.iter().map(|key| (*key, value(*key))).collect()
}
