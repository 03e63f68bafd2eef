//! The ports on which a server listens for TURN: those of the web app, or one of its own.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpListener;

use super::server::{TurnReach, TurnServer, UdpListener};
use crate::{
    sockets::{BindError, listen},
    supervisor::Supervisor,
    tls::Tls,
};

/// The UDP sockets of a server's TURN server, and where clients reach it.
#[derive(Debug)]
pub(crate) struct TurnListeners {
    turn: Option<Arc<TurnServer>>,
    /// The port beside that of the web app, if there is one.
    own_port: Option<u16>,
    udp: Vec<UdpListener>,
    /// Open while the server is open to the network.
    network_udp: Option<UdpListener>,
    /// Where clients reach it while the server is not open to the network.
    configured_reach: Option<TurnReach>,
}

impl TurnListeners {
    pub(crate) const fn new(turn: Option<Arc<TurnServer>>) -> Self {
        Self { turn, own_port: None, udp: Vec::new(), network_udp: None, configured_reach: None }
    }

    /// Listens on a port for TURN alone. Returns the socket for TCP and TLS.
    pub(crate) fn listen_on_own_port(
        &mut self,
        address: SocketAddr,
        supervisor: &Supervisor,
    ) -> Result<TcpListener, BindError> {
        let tcp = listen(address)?;
        let address = tcp.local_addr().map_err(|error| BindError::new(address, error))?;
        if let Some(turn) = &self.turn {
            let udp = turn.listen_udp(address, false, supervisor);
            self.udp.push(udp.map_err(|error| BindError::new(address, error))?);
        }
        self.own_port.get_or_insert(address.port());
        Ok(tcp)
    }

    /// Listens on the UDP ports with the numbers of the web app's ports, unless TURN has a port of its own. TCP needs none.
    pub(crate) fn listen_on_web_ports(&mut self, addresses: &[SocketAddr], tls: Option<&Tls>, supervisor: &Supervisor) {
        let Some(turn) = &self.turn else { return };
        let from_network = || addresses.iter().copied().filter(|address| !address.ip().to_canonical().is_loopback());
        if self.own_port.is_none() {
            for address in from_network() {
                match turn.listen_udp(address, false, supervisor) {
                    Ok(listener) => self.udp.push(listener),
                    Err(error) => warn_without_udp(address, &error),
                }
            }
        }
        if self.own_port.is_some() || from_network().next().is_some() {
            let reach = TurnReach { port: self.own_port, udp: !self.udp.is_empty(), tls: tls.cloned() };
            turn.set_reach(Some(reach.clone()));
            self.configured_reach = Some(reach);
        }
    }

    /// Listens on this UDP port on all interfaces, while the server is open to the network.
    pub(crate) fn open_to_network(&mut self, port: u16, tls: Tls, supervisor: &Supervisor) {
        let Some(turn) = &self.turn else { return };
        if self.network_udp.is_none() && self.own_port.is_none() {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            let opened = turn.listen_udp(both, true, supervisor).or_else(|_| {
                // A machine without IPv6.
                turn.listen_udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), false, supervisor)
            });
            match opened {
                Ok(listener) => self.network_udp = Some(listener),
                Err(error) => warn_without_udp(both, &error),
            }
        }
        let udp = self.network_udp.is_some() || self.own_port.is_some();
        turn.set_reach(Some(TurnReach { port: self.own_port, udp, tls: Some(tls) }));
    }

    /// Closes the socket of [`open_to_network`](Self::open_to_network).
    pub(crate) fn close_to_network(&mut self) {
        self.network_udp = None;
        if let Some(turn) = &self.turn {
            turn.set_reach(self.configured_reach.clone());
        }
    }
}

fn warn_without_udp(address: SocketAddr, error: &std::io::Error) {
    tracing::warn!(port = address.port(), %error, "cannot open the UDP port; TURN works over TCP only");
}
