//! State that the connections of a server share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    admission::AdmissionControl, handler::RequestHandler, metrics::Metrics, refusal_slots::RefusalSlots, tls::Tls,
    turn::TurnServer,
};

/// State that all connections of a listener share.
#[derive(Clone, Debug)]
pub(crate) struct ServerState {
    pub(crate) handler: Arc<dyn RequestHandler>,
    pub(crate) admission: Arc<AdmissionControl>,
    pub(crate) metrics: Metrics,
    pub(crate) tls: Option<Tls>,
    /// One permit per connection that may be open at once.
    pub(crate) permits: Arc<Semaphore>,
    /// Slots of connections that are refused because no permit or no file descriptor is left.
    pub(crate) refusals: Arc<RefusalSlots>,
    pub(crate) turn: Option<Arc<TurnServer>>,
    pub(crate) served: ServedProtocols,
}

/// The protocols that a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServedProtocols {
    /// The web app, the WebSocket, and TURN if the server has it.
    WebAndTurn,
    /// TURN alone, on a port beside a reverse proxy.
    TurnOnly,
}

impl ServerState {
    /// The same state with this certificate.
    pub(crate) fn with_tls(&self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self.clone() }
    }

    /// The same state for a port that serves TURN alone.
    pub(crate) fn for_turn_only(&self, turn: Arc<TurnServer>) -> Self {
        Self { served: ServedProtocols::TurnOnly, turn: Some(turn), ..self.clone() }
    }
}
