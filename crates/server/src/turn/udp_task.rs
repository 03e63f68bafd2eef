//! Task of a UDP socket of the TURN server.

use std::{io, sync::Arc, time::Duration};

use quinn_udp::RecvMeta;

use super::{
    router::PacketRouter,
    udp::{BUFFER, BUFFERS, UdpPort},
};
use crate::{clock, relay::Transmit};

/// System calls that receive before other tasks have their turn.
const RECEIVES_PER_TURN: usize = 8;

/// Pause after an error of the socket.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Receives packets from a socket and passes them to the relay. Never returns.
pub(super) async fn run(port: Arc<UdpPort>, router: Arc<PacketRouter>) {
    let mut memory = vec![0; BUFFERS * BUFFER];
    let mut received = [RecvMeta::default(); BUFFERS];
    let mut transmits = Vec::new();
    loop {
        if let Err(error) = port.readable().await {
            tracing::debug!(%error, "cannot wait for UDP packets; retrying after a pause");
            tokio::time::sleep(ERROR_PAUSE).await;
        }
        for _ in 0..RECEIVES_PER_TURN {
            match port.receive(&mut memory, &mut received) {
                Ok(count) => {
                    let received = received.iter().take(count);
                    handle(&port, &router, memory.chunks_mut(BUFFER).zip(received), &mut transmits);
                    for (start, transmit) in transmits.drain(..) {
                        router.deliver(&transmit, memory.get(start..).unwrap_or_default(), Some(&port));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Windows reports that an earlier packet reached a closed port. Anybody can cause that.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) => {
                    tracing::debug!(%error, "cannot receive UDP packets; retrying after a pause");
                    tokio::time::sleep(ERROR_PAUSE).await;
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Passes received packets to the relay. Adds what is to be sent, with the offset of the received packet in the memory.
fn handle<'b>(
    port: &UdpPort,
    router: &PacketRouter,
    received: impl Iterator<Item = (&'b mut [u8], &'b RecvMeta)>,
    transmits: &mut Vec<(usize, Transmit)>,
) {
    let now = clock::now();
    let mut relay = router.relay();
    for (index, (buffer, meta)) in received.enumerate() {
        let from = port.client(meta);
        let stride = meta.stride.max(1);
        let datagrams = buffer.get_mut(..meta.len).unwrap_or_default().chunks_mut(stride);
        for (number, datagram) in datagrams.enumerate() {
            if let Some(transmit) = relay.receive(from, datagram, now) {
                transmits.push((index * BUFFER + number * stride, transmit));
            }
        }
    }
}
