//! Task of one WebSocket: reads messages, writes the outbox, and enforces deadlines and the message rate.

use std::{
    io::{self, IoSlice},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::{Buf, Bytes};
use futures_util::{FutureExt, SinkExt, StreamExt};
use hutong_protocol::{
    ClientMessage, ErrorCode, NameKey, RefusedCode, ServerMessage, SessionTicket, decode_client,
    limits::MAX_MESSAGE_BYTES,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::CapacityError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    deadlines::Deadlines,
    fragment_counter::TooManyFragments,
    keepalive::{Keepalive, KeepaliveAction},
    message_rate::{MessageRate, RateVerdict},
    read_ahead::ReadAhead,
    refusal::{close_code, sentence},
};
use crate::{
    admission::{AdmissionControl, ClientAddr, LOGINS_PER_CONNECTION, LoginRequest},
    clock,
    handler::ConnectionPermit,
    hub::Hub,
    metrics::WebSocketEnd,
    outbox::{Frame, FrameClass, Outbox, OutboxAction},
    registry::ConnId,
    slot_counts::SlotGuard,
    stream::Stream,
    token_bucket::TokenBucket,
    turn::ClientRoute,
};

/// Bytes of the read buffer that every connection holds while it is open. Small because most connections are idle:
/// [`ReadAhead`] avoids a system call for each filling, and larger messages get a larger buffer while they are read.
const READ_BUFFER: usize = 128;

/// Maximum bytes of queued pongs. Above it, only the answer to the last ping is kept, which RFC 6455, section 5.5.3, permits.
const UNREAD_PONGS: usize = 1024;

/// The inputs of a WebSocket upgrade.
pub(super) struct UpgradeContext {
    pub permit: Arc<ConnectionPermit>,
    pub admission: Arc<AdmissionControl>,
    pub client: ClientAddr,
    pub route: Arc<ClientRoute>,
    /// The slot for a WebSocket from its address, or the code that the connection is refused with.
    pub slot: Result<SlotGuard, RefusedCode>,
    pub logins: Mutex<TokenBucket>,
}

impl UpgradeContext {
    fn may_log_in(&self, now: Instant) -> bool {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.take(LOGINS_PER_CONNECTION, now)
    }
}

/// Runs a WebSocket until it is closed. One that was not admitted is refused at once.
pub(super) async fn run(upgrade: OnUpgrade, context: Box<UpgradeContext>, hub: Hub, deadlines: Arc<Deadlines>) {
    // The futures of opening, closing, writing and pinging are boxed, so that an idle connection's task does not hold their state.
    let Some(mut connection) = Box::pin(open(upgrade, deadlines)).await else { return };
    let metrics = hub.metrics().clone();
    if let Err(code) = context.slot {
        metrics.refused(code);
        Box::pin(connection.refuse(code)).await;
        return;
    }
    // Held until the WebSocket is closed.
    let permit = context.permit.clone();
    let (conn, outbox) = hub.connect(context.client, context.route.clone());
    let session = HubSession { hub, conn, outbox, context };
    let end = connection.serve(&session, &permit.group.shutdown).await;
    // Takes the user offline before the closing handshake, which may take seconds.
    drop(session);
    match end {
        SessionEnd::Refused(code) => {
            metrics.refused(code);
            Box::pin(connection.refuse(code)).await;
        }
        SessionEnd::ClosedByClient => {
            metrics.closed.inc(WebSocketEnd::Left);
            Box::pin(connection.answer_close()).await;
        }
        SessionEnd::ConnectionLost => metrics.closed.inc(WebSocketEnd::Lost),
    }
}

/// Waits for the HTTP upgrade and returns the WebSocket. `None` if the connection was lost.
async fn open(upgrade: OnUpgrade, deadlines: Arc<Deadlines>) -> Option<ClientConnection> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "connection lost during the WebSocket upgrade");
            return None;
        }
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else {
        tracing::error!("HTTP upgrade returned an unexpected stream type; WebSocket dropped");
        return None;
    };
    let config = Some(websocket_config());
    let stream = ReadAhead::new(parts.io.into_inner(), parts.read_buf);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
    Some(ClientConnection { socket, deadlines })
}

fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(UNREAD_PONGS)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// How a session ended.
enum SessionEnd {
    /// The server refuses it with this code.
    Refused(RefusedCode),
    /// The client sent a close frame.
    ClosedByClient,
    /// The connection broke, or the client stopped answering.
    ConnectionLost,
}

/// RAII guard of a connection's entry in the hub: removes it on drop.
struct HubSession {
    hub: Hub,
    conn: ConnId,
    outbox: Arc<Outbox>,
    context: Box<UpgradeContext>,
}

impl Drop for HubSession {
    fn drop(&mut self) {
        self.hub.disconnect(self.conn);
    }
}

impl HubSession {
    fn send_error(&self, error: &ServerMessage) {
        if let ServerMessage::Error { code, .. } = error {
            self.hub.metrics().errors.inc(*code);
        }
        if let Some(frame) = Frame::text(error)
            && self.outbox.push(FrameClass::Direct, frame).is_err()
        {
            self.refuse(RefusedCode::TooSlow);
        }
    }

    /// Runs admission control for a `hello`, and passes it on or refuses it. Takes as long as hashing a password.
    async fn hello(&self, hello: Box<LoginRequest>) {
        // A server that is about to stop must not ask for a secret first.
        if self.hub.check_capacity() == Err(RefusedCode::ShuttingDown) {
            return self.refuse(RefusedCode::ShuttingDown);
        }
        let check_resume =
            |ticket: &SessionTicket, name: &NameKey, credential| self.hub.check_resume(ticket, name, credential);
        let admission = &self.context.admission;
        match admission.admit(self.context.client, *hello, check_resume).await {
            Ok(login) => self.hub.handle_admitted_hello(self.conn, login, |name, used| {
                admission.check_again(self.context.client, name, used)
            }),
            Err(code) => self.refuse(code),
        }
    }

    /// Takes the user offline. The outbox returns the close after the frames that are queued before it.
    fn refuse(&self, code: RefusedCode) {
        self.hub.refuse(self.conn, code);
        // The hub has done so, unless it has panicked.
        self.outbox.close(code);
    }
}

/// The WebSocket of one client.
struct ClientConnection {
    socket: WebSocketStream<ReadAhead<Stream>>,
    deadlines: Arc<Deadlines>,
}

impl ClientConnection {
    /// Runs the session until one side ends it.
    async fn serve(&mut self, session: &HubSession, shutdown: &CancellationToken) -> SessionEnd {
        let opened = clock::now();
        let mut rate = MessageRate::new(opened);
        let mut keepalive = Keepalive::new(self.deadlines.clone(), opened);
        let mut timer = std::pin::pin!(sleep_until(keepalive.next().into()));
        let mut shutdown = std::pin::pin!(shutdown.cancelled().fuse());
        loop {
            tokio::select! {
                next = session.outbox.next() => match next {
                    OutboxAction::Write(batch) => {
                        session.hub.metrics().sent(batch.len(), batch.iter().map(Frame::len).sum());
                        if Box::pin(self.write(batch)).await.is_err() {
                            return SessionEnd::ConnectionLost;
                        }
                    }
                    OutboxAction::Snapshot => session.hub.send_snapshot(session.conn),
                    OutboxAction::Close(code) => return SessionEnd::Refused(code),
                },
                frame = self.socket.next() => {
                    let Some(frame) = frame else { return SessionEnd::ConnectionLost };
                    let now = clock::now();
                    keepalive.received(now);
                    match frame {
                        Ok(Message::Close(_)) => return SessionEnd::ClosedByClient,
                        Ok(message) => match rate.message(self.socket.get_mut().take_fragments(), now) {
                            RateVerdict::Accept => match handle_frame(session, message) {
                                MessageOutcome::Done => {}
                                MessageOutcome::LoggedOut => {
                                    keepalive.expect_hello(now);
                                    timer.as_mut().reset(keepalive.next().into());
                                }
                                MessageOutcome::Hello(hello) if session.context.may_log_in(now) => {
                                    Box::pin(session.hello(hello)).await;
                                }
                                MessageOutcome::Hello(_) => session.refuse(RefusedCode::TooMany),
                            },
                            RateVerdict::DropAndReport => session.send_error(&over_the_rate()),
                            RateVerdict::Drop => {}
                            RateVerdict::Close => session.refuse(RefusedCode::RateLimited),
                        },
                        Err(error) => return session_end_after(&error),
                    }
                }
                () = timer.as_mut() => {
                    match keepalive.due(clock::now()) {
                        Some(KeepaliveAction::CheckHello) if !session.hub.is_logged_in(session.conn) => {
                            session.refuse(RefusedCode::HelloTimeout);
                        }
                        Some(KeepaliveAction::SendPing) => {
                            let ping = timeout(self.deadlines.write, self.socket.send(Message::Ping(Bytes::new())));
                            if !matches!(Box::pin(ping).await, Ok(Ok(()))) {
                                return SessionEnd::ConnectionLost;
                            }
                        }
                        Some(KeepaliveAction::ConnectionLost) => return SessionEnd::ConnectionLost,
                        Some(KeepaliveAction::CheckHello) | None => {}
                    }
                    timer.as_mut().reset(keepalive.next().into());
                }
                () = shutdown.as_mut() => session.refuse(RefusedCode::ShuttingDown),
            }
        }
    }

    /// Writes frames directly to the stream. The WebSocket's own buffer would grow to the largest message and stay that large.
    /// Correct because this task is the only writer, and flushes the WebSocket's own frames (pongs) first.
    async fn write(&mut self, frames: Vec<Frame>) -> io::Result<()> {
        let time_limit = self.deadlines.write;
        let written = async {
            self.socket.flush().await.map_err(io::Error::other)?;
            let stream = self.socket.get_mut();
            write_all(stream, frames.into_iter().map(Frame::into_bytes).collect()).await?;
            stream.flush().await
        };
        timeout(time_limit, written).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends `refused` and a close frame, and closes the connection.
    async fn refuse(&mut self, code: RefusedCode) {
        let time_limit = self.deadlines.close;
        let refused = ServerMessage::Refused { code, message: sentence(code).to_owned() };
        let sent = async {
            if let Some(frame) = Frame::text(&refused) {
                self.write(vec![frame]).await?;
            }
            let close = CloseFrame { code: close_code(code), reason: code.as_str().into() };
            self.socket.close(Some(close)).await.map_err(io::Error::other)?;
            self.close_stream().await
        };
        // The connection is dropped anyway if the client does not read in time.
        let _unsent: Result<io::Result<()>, _> = timeout(time_limit, sent).await;
    }

    /// Answers the client's close frame.
    async fn answer_close(&mut self) {
        let time_limit = self.deadlines.close;
        let sent = async {
            // The WebSocket has queued the answer. Its flush returns an error because nothing may follow a close frame.
            let _closed: Result<(), tungstenite::Error> = self.socket.flush().await;
            self.close_stream().await
        };
        let _unsent: Result<io::Result<()>, _> = timeout(time_limit, sent).await;
    }

    /// Shuts down the write half and reads until the client closes its own. Closing a socket with unread input would reset the
    /// connection, and the reset would discard our last frames.
    async fn close_stream(&mut self) -> io::Result<()> {
        let stream = self.socket.get_mut();
        stream.shutdown().await?;
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await? > 0 {}
        Ok(())
    }
}

/// What the session does after a message was handled.
enum MessageOutcome {
    /// Nothing.
    Done,
    /// Expect another `hello`: the user logged out.
    LoggedOut,
    /// Run admission control for this `hello`.
    Hello(Box<LoginRequest>),
}

fn handle_frame(session: &HubSession, message: Message) -> MessageOutcome {
    session.hub.metrics().received(message.len());
    match message {
        Message::Text(text) => match decode_client(&text) {
            Ok(ClientMessage::Hello { name, resume, secret, replace }) if !session.hub.is_logged_in(session.conn) => {
                return MessageOutcome::Hello(Box::new(LoginRequest { name, resume, secret, replace }));
            }
            Ok(message) => {
                let logged_out = matches!(message, ClientMessage::LogOut);
                session.hub.handle_message(session.conn, message);
                if logged_out {
                    return MessageOutcome::LoggedOut;
                }
            }
            Err(error) => session.send_error(&ServerMessage::Error {
                code: error.code,
                message: error.message,
                about: error.about,
                call: error.call,
            }),
        },
        Message::Binary(_) => session.refuse(RefusedCode::BadFrame),
        // tungstenite answers pings.
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
    }
    MessageOutcome::Done
}

fn over_the_rate() -> ServerMessage {
    ServerMessage::Error {
        code: ErrorCode::RateLimited,
        message: "too many messages on this connection: this one and the following have no effect until you send fewer"
            .into(),
        about: None,
        call: None,
    }
}

fn session_end_after(error: &tungstenite::Error) -> SessionEnd {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            SessionEnd::Refused(RefusedCode::TooLarge)
        }
        tungstenite::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<TooManyFragments>()) => {
            SessionEnd::Refused(RefusedCode::RateLimited)
        }
        // A lost connection, not a violation of the protocol by the client.
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            SessionEnd::ConnectionLost
        }
        tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) | tungstenite::Error::Capacity(_) => {
            SessionEnd::Refused(RefusedCode::BadFrame)
        }
        _ => SessionEnd::ConnectionLost,
    }
}

/// Writes all parts with as few vectored writes as possible.
async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut parts: Vec<Bytes>) -> io::Result<()> {
    let mut parts = &mut parts[..];
    while let Some(first) = parts.first() {
        if first.is_empty() {
            parts = &mut parts[1..];
            continue;
        }
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut written = stream.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        for part in parts.iter_mut() {
            let step = written.min(part.len());
            part.advance(step);
            written -= step;
            if written == 0 {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_an_idle_connection_is_small() {
        fn size<A, B, C, D, F>(_task: fn(A, B, C, D) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(run);
        assert!(size <= 1_032, "{size} bytes: box the futures that are rarely awaited");
    }

    /// A client that sends pings and reads nothing until `reads` is set.
    struct UnreadingClient {
        /// Bytes of pings still to send.
        left: usize,
        taken: usize,
        reads: bool,
    }

    const PING: [u8; 131] = {
        let mut frame = [b'x'; 131];
        // 125 bytes of payload, masked with zeros (RFC 6455, section 5.2).
        [frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]] = [0x89, 0x80 | 125, 0, 0, 0, 0];
        frame
    };

    impl io::Read for UnreadingClient {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let ping = self.left.checked_rem(PING.len()).filter(|rest| *rest > 0).unwrap_or(PING.len());
            let length = ping.min(buffer.len());
            buffer[..length].copy_from_slice(&PING[PING.len() - ping..][..length]);
            self.left -= length;
            Ok(length)
        }
    }

    impl io::Write for UnreadingClient {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.reads {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.taken += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn unread_pongs_are_bounded() {
        let client = UnreadingClient { left: 10_000 * PING.len(), taken: 0, reads: false };
        let mut socket = tungstenite::WebSocket::from_raw_socket(client, Role::Server, Some(websocket_config()));
        while socket.read().is_ok_and(|message| message.is_ping()) {}
        assert_eq!(socket.get_ref().left, 0, "all pings are read");
        socket.get_mut().reads = true;
        socket.flush().unwrap();
        let taken = socket.get_ref().taken;
        assert!((1..=UNREAD_PONGS + PING.len()).contains(&taken), "{taken} bytes of pongs were queued");
    }
}
