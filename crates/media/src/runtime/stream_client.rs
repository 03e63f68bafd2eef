//! One stream to a TURN server: connects, and carries packets both ways until it breaks or its queue is closed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::framing::{carries_data, padded, read_packet};
use super::stream_servers::{StreamSecurity, StreamTarget};

/// Time limit for connecting, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit for writing one packet. The network is gone then, or far too slow for media.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest send buffer of the kernel in bytes: what waits in it is delayed on a slow network, and the estimator of the bit rate
/// learns of that late.
const SEND_BUFFER: u32 = 64 * 1024;

/// Age at which media is not worth sending any more.
const MAX_MEDIA_AGE: Duration = Duration::from_millis(500);

/// A packet that waits for a stream.
#[derive(Debug)]
pub(super) struct QueuedPacket {
    bytes: Bytes,
    queued: Instant,
}

impl QueuedPacket {
    /// A packet that begins to wait now.
    pub fn new(packet: &[u8]) -> Self {
        Self { bytes: Bytes::copy_from_slice(packet), queued: Instant::now() }
    }

    /// Whether it is media that has waited too long. UDP would have lost it.
    fn is_stale(&self) -> bool {
        carries_data(&self.bytes) && self.queued.elapsed() > MAX_MEDIA_AGE
    }
}

/// Packets from servers, with the address that stands for each.
pub(super) type ReceivedPackets = mpsc::Sender<(SocketAddr, Bytes)>;

/// Carries packets until the stream breaks or the queue is closed.
///
/// `local`: the address to connect from. `standing_for`: the address under which the library knows the server.
///
/// # Errors
///
/// Those of connecting, of the TLS handshake, of reading and writing, and [`io::ErrorKind::TimedOut`].
pub(super) async fn run(
    target: StreamTarget,
    local: IpAddr,
    standing_for: SocketAddr,
    queue: mpsc::Receiver<QueuedPacket>,
    received: ReceivedPackets,
) -> io::Result<()> {
    sleep(target.delay).await;
    let connected = async {
        let tcp = connect_to_first(&target.addresses, local).await?;
        match target.security {
            StreamSecurity::Plain => Ok::<_, io::Error>(Box::new(tcp) as Stream),
            StreamSecurity::Tls { config, host } => {
                let name = ServerName::try_from(host).map_err(|_| io::ErrorKind::InvalidInput)?;
                Ok(Box::new(TlsConnector::from(config).connect(name, tcp).await?) as Stream)
            }
        }
    };
    let stream = timeout(CONNECT_TIMEOUT, connected).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        read = read(reader, standing_for, received) => read,
        written = write(writer, queue) => written,
    }
}

type Stream = Box<dyn ReadWrite>;

trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

/// Connects to the first address that accepts. Each attempt but the last has a share of the time limit.
async fn connect_to_first(addresses: &[SocketAddr], local: IpAddr) -> io::Result<TcpStream> {
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match timeout(share, connect(*address, local)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(refused)) => error = refused,
            Err(_) => error = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(error)
}

async fn connect(address: SocketAddr, local: IpAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !local.is_unspecified() && local.is_ipv4() == address.is_ipv4() {
        // On the same interface as the UDP socket, so that each is a path of its own.
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.set_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.connect(address).await
}

async fn read(mut stream: ReadHalf<Stream>, standing_for: SocketAddr, received: ReceivedPackets) -> io::Result<()> {
    let mut packet = Vec::new();
    while read_packet(&mut stream, &mut packet).await? {
        // Dropped when the driver does not keep up, as UDP would be.
        let _ = received.try_send((standing_for, Bytes::copy_from_slice(&packet)));
    }
    Ok(())
}

async fn write(mut stream: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<QueuedPacket>) -> io::Result<()> {
    while let Some(packet) = queue.recv().await {
        if packet.is_stale() {
            continue;
        }
        let bytes = padded(&packet.bytes);
        let written = async {
            stream.write_all(&bytes).await?;
            if queue.is_empty() { stream.flush().await } else { Ok(()) }
        };
        timeout(WRITE_TIMEOUT, written).await.map_err(|_| io::ErrorKind::TimedOut)??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

    use super::*;

    /// A STUN message without attributes.
    const PACKET: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

    /// A server that echoes what it receives, its certificate's name `localhost`, and a client that trusts it.
    async fn echo_server() -> (SocketAddr, Arc<ClientConfig>) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(ring::default_provider());
        let server =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let key = signing_key.serialize_der().try_into().unwrap();
        let server = server.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            // Fails where the client does not trust the certificate.
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(server)).accept(tcp).await else { return };
            let mut packet = [0; PACKET.len()];
            while stream.read_exact(&mut packet).await.is_ok() {
                stream.write_all(&packet).await.unwrap();
            }
        });
        (address, Arc::new(client))
    }

    /// Sends a packet over TLS. Returns the packet that comes back, or the error that ends the stream.
    async fn echo(address: SocketAddr, config: Arc<ClientConfig>, host: &str) -> io::Result<(SocketAddr, Bytes)> {
        // Nothing listens on the discard port.
        let addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9)), address];
        let security = StreamSecurity::Tls { config, host: host.into() };
        let target = StreamTarget { addresses, security, delay: Duration::ZERO };
        let (queue, packets) = mpsc::channel(1);
        let (sender, mut received) = mpsc::channel(1);
        queue.send(QueuedPacket::new(&PACKET)).await.unwrap();
        let standing_for = SocketAddr::from(([240, 0, 0, 7], 443));
        tokio::select! {
            ended = run(target, Ipv4Addr::LOCALHOST.into(), standing_for, packets, sender) => {
                ended.and(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            received = received.recv() => Ok(received.unwrap()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn media_that_waited_too_long_is_dropped() {
        let media = |last: u8| QueuedPacket::new(&[0x40, 0, 0, 4, 1, 2, 3, last]);
        let (queue, packets) = mpsc::channel(4);
        for packet in [media(1), QueuedPacket::new(&PACKET)] {
            queue.send(packet).await.unwrap();
        }
        tokio::time::advance(MAX_MEDIA_AGE + Duration::from_millis(1)).await;
        queue.send(media(2)).await.unwrap();
        drop(queue);
        let (near, mut far) = tokio::io::duplex(256);
        write(near, packets).await.unwrap();
        let mut written = Vec::new();
        far.read_to_end(&mut written).await.unwrap();
        assert_eq!(written, [&PACKET[..], &media(2).bytes].concat());
    }

    #[tokio::test]
    async fn packets_come_back_under_the_address_that_stands_for_the_server() {
        let (address, trusting) = echo_server().await;
        let (from, packet) = echo(address, trusting, "localhost").await.unwrap();
        assert_eq!((from.to_string().as_str(), &packet[..]), ("240.0.0.7:443", &PACKET[..]));
    }

    #[tokio::test]
    async fn certificates_of_unknown_authorities_and_for_other_names_are_rejected() {
        let (address, _) = echo_server().await;
        let (_, of_another_server) = echo_server().await;
        let error = echo(address, of_another_server, "localhost").await.unwrap_err();
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
        let (address, trusting) = echo_server().await;
        let error = echo(address, trusting, "a.example").await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
}
