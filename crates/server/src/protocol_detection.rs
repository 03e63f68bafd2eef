//! Detection of a connection's protocol by its first byte: TLS, HTTP or TURN, and TURN or HTTP within TLS.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{io::AsyncBufReadExt, net::TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    metrics::Metrics,
    server_state::{ServedProtocols, ServerState},
    stream::Stream,
    transport::{Transport, is_local},
    turn::TurnServer,
};

/// Type of a TLS handshake record (RFC 8446, section 5.1). No HTTP method begins with this byte.
const TLS_HANDSHAKE: u8 = 0x16;

/// First byte of a STUN request with a method below 128 (RFC 8489, section 5).
const STUN_REQUEST: u8 = 0x00;

/// A connection whose protocol is known.
pub(crate) enum Accepted {
    Http(Stream, Transport),
    Turn {
        stream: Stream,
        /// The address that the client reached.
        local: SocketAddr,
        turn: Arc<TurnServer>,
    },
}

/// Reads the first byte of a connection, performs a TLS handshake if it is one, and then looks at the first byte within.
pub(crate) async fn accept_protocol(stream: TcpStream, peer: SocketAddr, state: &ServerState) -> io::Result<Accepted> {
    if state.tls.is_none() && state.turn.is_none() {
        return Ok(Accepted::Http(Stream::Plain(stream), Transport::WithoutHsts));
    }
    let local = stream.local_addr()?;
    let mut first = [0];
    let received = stream.peek(&mut first).await?;
    let first = first.get(..received).and_then(<[u8]>::first).copied();
    match (first, &state.tls) {
        (Some(TLS_HANDSHAKE), Some(tls)) => {
            let failure_guard = HandshakeFailureGuard(&state.metrics);
            let mut stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
            failure_guard.disarm();
            #[cfg(feature = "acme")]
            if stream.get_ref().1.alpn_protocol() == Some(crate::acme::CHALLENGE_PROTOCOL) {
                // The handshake itself answered the challenge (RFC 8737, section 3).
                return Err(io::Error::other("it was an ACME validation"));
            }
            let transport = if tls.is_ca_issued() { Transport::WithHsts } else { Transport::WithoutHsts };
            let first = if state.turn.is_some() { first_decrypted_byte(&mut stream).await? } else { None };
            accepted(Stream::Tls(Box::new(stream)), first, transport, local, state)
        }
        (_, Some(_)) if !is_local(peer) && !state.admission.is_trusted_proxy(peer.ip()) => {
            accepted(Stream::Plain(stream), first, Transport::PageOnly, local, state)
        }
        _ => accepted(Stream::Plain(stream), first, Transport::WithoutHsts, local, state),
    }
}

/// The first byte that a client has sent through TLS, which stays to be read. `None` if it has closed the connection.
async fn first_decrypted_byte(stream: &mut TlsStream<TcpStream>) -> io::Result<Option<u8>> {
    Ok(stream.fill_buf().await?.first().copied())
}

fn accepted(
    stream: Stream,
    first: Option<u8>,
    transport: Transport,
    local: SocketAddr,
    state: &ServerState,
) -> io::Result<Accepted> {
    match (&state.turn, state.served) {
        (Some(turn), _) if first == Some(STUN_REQUEST) => Ok(Accepted::Turn { stream, local, turn: turn.clone() }),
        (_, ServedProtocols::WebAndTurn) => Ok(Accepted::Http(stream, transport)),
        (_, ServedProtocols::TurnOnly) => Err(io::Error::other("this port serves TURN alone")),
    }
}

/// RAII guard: counts a failed TLS handshake on drop, also when the handshake is cancelled, unless disarmed.
struct HandshakeFailureGuard<'m>(&'m Metrics);

impl HandshakeFailureGuard<'_> {
    const fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for HandshakeFailureGuard<'_> {
    fn drop(&mut self) {
        self.0.tls_failures.inc();
    }
}
