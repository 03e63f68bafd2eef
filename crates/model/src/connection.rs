//! Model of a WebSocket connection.

use std::collections::VecDeque;

use hutong_protocol::{ClientMessage, ServerMessage};
use hutong_server::registry::ConnId;

/// Model of a WebSocket: FIFO in each direction. A break loses the messages in transit.
#[derive(Clone, Hash)]
pub struct ModelConnection {
    pub conn: ConnId,
    pub to_server: VecDeque<ClientMessage>,
    pub to_client: VecDeque<ServerMessage>,
    /// The client is opening it; the server does not know it yet.
    pub opening: bool,
    /// Each end detects a break separately.
    pub closed_at_client: bool,
    pub closed_at_server: bool,
    pub broken: bool,
}

impl ModelConnection {
    /// Number of deliveries to the server, including the end of the connection.
    pub fn pending_to_server(&self) -> usize {
        if self.closed_at_server { 0 } else { self.to_server.len() + usize::from(self.closed_at_client || self.broken) }
    }

    /// Number of deliveries to the client, including the end of the connection.
    pub fn pending_to_client(&self) -> usize {
        if self.closed_at_client || self.opening {
            return 0;
        }
        self.to_client.len() + usize::from(self.closed_at_server || self.broken)
    }

    pub fn has_pending_to_server(&self) -> bool {
        self.pending_to_server() > 0
    }

    pub fn has_pending_to_client(&self) -> bool {
        self.pending_to_client() > 0
    }
}
