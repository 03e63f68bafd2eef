//! One WebSocket, from its opening to its farewell.

use std::{
    io::{self, IoSlice},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::{Buf, Bytes};
use futures_util::{FutureExt, SinkExt, StreamExt};
use hutong_protocol::{
    ClientMessage, ErrorCode, NameKey, RefusedCode, ServerMessage, Ticket, decode_client, limits::MESSAGE_BYTES,
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
    eager::Eager,
    rate::{Rate, Verdict},
    refusal::{close_code, sentence},
    vigil::{Due, Vigil},
};
use crate::{
    clock,
    entry::{Counted, Entry, Hello, LOG_INS_OF_A_CONNECTION, Visitor},
    handler::ConnectionPermit,
    hub::Hub,
    metrics::Closed,
    outbox::{Frame, Kind, Next, Outbox},
    registry::ConnId,
    stream::Stream,
    token_bucket::TokenBucket,
};

/// Every connection holds a read buffer of this size for as long as it lasts, so it is tiny ([`Eager`] reads ahead where there is more);
/// larger messages get a larger one while they are read.
const READ_BUFFER: usize = 128;

/// Bytes of pongs that may wait for a reader; past them only the answer to the last ping is kept, which is all that is asked for
/// (RFC 6455, section 5.5.3).
const UNREAD_PONGS: usize = 1024;

/// What a WebSocket is opened with.
pub(super) struct UpgradeContext {
    pub permit: Arc<ConnectionPermit>,
    pub entry: Arc<Entry>,
    pub visitor: Visitor,
    /// Its place among the WebSockets of its address, or why it cannot stay.
    pub admission: Result<Counted, RefusedCode>,
    pub log_ins: Mutex<TokenBucket>,
}

impl UpgradeContext {
    fn may_log_in(&self, now: Instant) -> bool {
        let mut log_ins = self.log_ins.lock().unwrap_or_else(PoisonError::into_inner);
        log_ins.take(LOG_INS_OF_A_CONNECTION, now)
    }
}

/// Runs a WebSocket until it is over; one that cannot stay is only told why.
pub(super) async fn run(upgrade: OnUpgrade, context: Box<UpgradeContext>, hub: Hub, deadlines: Arc<Deadlines>) {
    // Openings, farewells, writes and pings are boxed: what only they need is not held by a connection for all its life.
    let Some(mut connection) = Box::pin(open(upgrade, deadlines)).await else { return };
    let metrics = hub.metrics().clone();
    if let Err(code) = context.admission {
        metrics.refused(code);
        Box::pin(connection.farewell(code)).await;
        return;
    }
    // Held until the farewell is over.
    let permit = context.permit.clone();
    let (conn, outbox) = hub.connect(context.visitor.address);
    let session = Session { hub, conn, outbox, context };
    let over = connection.serve(&session, &permit.group.shutdown).await;
    // The user is offline now, however long the farewell takes.
    drop(session);
    match over {
        Over::Refused(code) => {
            metrics.refused(code);
            Box::pin(connection.farewell(code)).await;
        }
        Over::Left => {
            metrics.closed.count(Closed::Left);
            Box::pin(connection.goodbye()).await;
        }
        Over::Broken => metrics.closed.count(Closed::Lost),
    }
}

/// The WebSocket, once HTTP has let go of its connection. `None` when that is gone.
async fn open(upgrade: OnUpgrade, deadlines: Arc<Deadlines>) -> Option<Connection> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "a WebSocket was gone before it was open");
            return None;
        }
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else {
        tracing::error!("a WebSocket came over something other than our own connections");
        return None;
    };
    let config = Some(settings());
    let stream = Eager::new(parts.io.into_inner());
    let socket = match parts.read_buf.is_empty() {
        true => WebSocketStream::from_raw_socket(stream, Role::Server, config).await,
        false => WebSocketStream::from_partially_read(stream, parts.read_buf.into(), Role::Server, config).await,
    };
    Some(Connection { socket, deadlines })
}

fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(UNREAD_PONGS)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
}

/// How a session ended.
enum Over {
    /// The server ends it, and says why.
    Refused(RefusedCode),
    /// The client closed it.
    Left,
    /// There is nobody to talk to any more.
    Broken,
}

/// The hub's side of a connection. Dropping it tells the hub that the connection is gone.
struct Session {
    hub: Hub,
    conn: ConnId,
    outbox: Arc<Outbox>,
    context: Box<UpgradeContext>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.disconnected(self.conn);
    }
}

impl Session {
    fn tell(&self, error: &ServerMessage) {
        if let ServerMessage::Error { code, .. } = error {
            self.hub.metrics().errors.count(*code);
        }
        if let Some(frame) = Frame::text(error)
            && self.outbox.push(Kind::Own, frame).is_err()
        {
            self.refuse(RefusedCode::TooSlow);
        }
    }

    /// Asks whether a hello is let in, and has the registry answer it or refuses it. May take as long as hashing a password does.
    async fn hello(&self, hello: Box<Hello>) {
        // Nobody is asked for a secret by a server that lets nobody in any more.
        if self.hub.takes_users() == Err(RefusedCode::ShuttingDown) {
            return self.refuse(RefusedCode::ShuttingDown);
        }
        let owner = |ticket: &Ticket, name: &NameKey, credential| self.hub.owner_of(ticket, name, credential);
        match self.context.entry.admit(self.context.visitor, &hello, owner).await {
            Ok(credential) => self.hub.admitted(self.conn, hello.name, hello.resume, credential),
            Err(code) => self.refuse(code),
        }
    }

    /// The outbox says so when everything before it has been written.
    fn refuse(&self, code: RefusedCode) {
        self.hub.refuse(self.conn, code);
    }
}

struct Connection {
    socket: WebSocketStream<Eager<Stream>>,
    deadlines: Arc<Deadlines>,
}

impl Connection {
    async fn serve(&mut self, session: &Session, shutdown: &CancellationToken) -> Over {
        let opened = clock::now();
        let mut rate = Rate::new(opened);
        let mut vigil = Vigil::new(self.deadlines.clone(), opened);
        let mut alarm = std::pin::pin!(sleep_until(vigil.next().into()));
        let mut shutdown = std::pin::pin!(shutdown.cancelled().fuse());
        loop {
            tokio::select! {
                next = session.outbox.next() => match next {
                    Next::Write(batch) => {
                        session.hub.metrics().sent(batch.len(), batch.iter().map(Frame::len).sum());
                        if Box::pin(self.write(batch)).await.is_err() {
                            return Over::Broken;
                        }
                    }
                    Next::Snapshot => session.hub.snapshot(session.conn),
                    Next::Close(code) => return Over::Refused(code),
                },
                frame = self.socket.next() => {
                    let Some(frame) = frame else { return Over::Broken };
                    let now = clock::now();
                    vigil.heard(now);
                    match frame {
                        Ok(Message::Close(_)) => return Over::Left,
                        Ok(message) => match rate.message(now) {
                            Verdict::Take => match take(session, message) {
                                Taken::Done => {}
                                Taken::LoggedOut => {
                                    vigil.expect_hello(now);
                                    alarm.as_mut().reset(vigil.next().into());
                                }
                                Taken::Hello(hello) if session.context.may_log_in(now) => {
                                    Box::pin(session.hello(hello)).await;
                                }
                                Taken::Hello(_) => session.refuse(RefusedCode::TooMany),
                            },
                            Verdict::DropAndTell => session.tell(&over_the_rate()),
                            Verdict::Drop => {}
                            Verdict::Close => session.refuse(RefusedCode::RateLimited),
                        },
                        Err(error) => return broken(&error),
                    }
                }
                () = alarm.as_mut() => {
                    match vigil.due(clock::now()) {
                        Some(Due::Hello) if !session.hub.is_welcomed(session.conn) => {
                            session.refuse(RefusedCode::HelloTimeout);
                        }
                        Some(Due::Ping) => {
                            let ping = timeout(self.deadlines.write, self.socket.send(Message::Ping(Bytes::new())));
                            if !matches!(Box::pin(ping).await, Ok(Ok(()))) {
                                return Over::Broken;
                            }
                        }
                        Some(Due::Lost) => return Over::Broken,
                        Some(Due::Hello) | None => {}
                    }
                    alarm.as_mut().reset(vigil.next().into());
                }
                () = shutdown.as_mut() => session.refuse(RefusedCode::ShuttingDown),
            }
        }
    }

    /// Writes frames as they are, past the WebSocket's own buffer, which would grow to the largest message ever sent and keep
    /// that size. Sound since this task is the only writer: what the WebSocket itself has to say (pongs) is flushed first.
    async fn write(&mut self, frames: Vec<Frame>) -> io::Result<()> {
        let patience = self.deadlines.write;
        let written = async {
            self.socket.flush().await.map_err(io::Error::other)?;
            let stream = self.socket.get_mut();
            write_all(stream, frames.into_iter().map(Frame::into_bytes).collect()).await?;
            stream.flush().await
        };
        timeout(patience, written).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Says why the connection ends, and ends it.
    async fn farewell(&mut self, code: RefusedCode) {
        let patience = self.deadlines.farewell;
        let refused = ServerMessage::Refused { code, message: sentence(code).to_owned() };
        let said = async {
            if let Some(frame) = Frame::text(&refused) {
                self.write(vec![frame]).await?;
            }
            let close = CloseFrame { code: close_code(code), reason: code.as_str().into() };
            self.socket.close(Some(close)).await.map_err(io::Error::other)?;
            self.hang_up().await
        };
        // Whoever does not listen to a farewell goes without.
        let _unheard: Result<io::Result<()>, _> = timeout(patience, said).await;
    }

    /// Answers the client's close frame.
    async fn goodbye(&mut self) {
        let patience = self.deadlines.farewell;
        let said = async {
            // The WebSocket has the answer ready, and counts it as an error that nothing can follow.
            let _closed: Result<(), tungstenite::Error> = self.socket.flush().await;
            self.hang_up().await
        };
        let _unheard: Result<io::Result<()>, _> = timeout(patience, said).await;
    }

    /// Closes our direction, and reads on until the other side has closed its own: a socket that is closed with unread input
    /// is reset, and the reset overtakes what we said last.
    async fn hang_up(&mut self) -> io::Result<()> {
        let stream = self.socket.get_mut();
        stream.shutdown().await?;
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await? > 0 {}
        Ok(())
    }
}

/// What is left to do with a message.
enum Taken {
    /// Nothing.
    Done,
    /// The connection goes on without a user.
    LoggedOut,
    /// Somebody wants to come in.
    Hello(Box<Hello>),
}

fn take(session: &Session, message: Message) -> Taken {
    session.hub.metrics().received(message.len());
    match message {
        Message::Text(text) => match decode_client(&text) {
            Ok(ClientMessage::Hello { name, resume, secret }) if !session.hub.is_welcomed(session.conn) => {
                return Taken::Hello(Box::new(Hello { name, resume, secret }));
            }
            Ok(message) => {
                let logged_out = matches!(message, ClientMessage::LogOut);
                session.hub.received(session.conn, message);
                if logged_out {
                    return Taken::LoggedOut;
                }
            }
            Err(error) => session.tell(&ServerMessage::Error {
                code: error.code,
                message: error.message,
                about: error.about,
                call: error.call,
            }),
        },
        Message::Binary(_) => session.refuse(RefusedCode::BadFrame),
        // The WebSocket answers pings itself.
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
    }
    Taken::Done
}

fn over_the_rate() -> ServerMessage {
    ServerMessage::Error {
        code: ErrorCode::RateLimited,
        message:
            "more messages than one connection may send: this one and those after it have no effect until you slow down"
                .into(),
        about: None,
        call: None,
    }
}

fn broken(error: &tungstenite::Error) -> Over {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => Over::Refused(RefusedCode::TooLarge),
        // Without a close frame before: a lost connection, for which nobody is to blame.
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => Over::Broken,
        tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) | tungstenite::Error::Capacity(_) => {
            Over::Refused(RefusedCode::BadFrame)
        }
        _ => Over::Broken,
    }
}

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
        assert!(size <= 1_032, "{size} bytes: box what is rarely awaited");
    }

    /// A client that sends pings without end and reads nothing.
    struct Deaf {
        /// Bytes of pings that it has yet to send.
        left: usize,
        taken: usize,
        reads: bool,
    }

    const PING: [u8; 131] = {
        let mut frame = [b'x'; 131];
        // Of 125 bytes, masked with zeros (RFC 6455, section 5.2).
        [frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]] = [0x89, 0x80 | 125, 0, 0, 0, 0];
        frame
    };

    impl io::Read for Deaf {
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

    impl io::Write for Deaf {
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
    fn pongs_that_nobody_reads_do_not_pile_up() {
        let client = Deaf { left: 10_000 * PING.len(), taken: 0, reads: false };
        let mut socket = tungstenite::WebSocket::from_raw_socket(client, Role::Server, Some(settings()));
        while socket.read().is_ok_and(|message| message.is_ping()) {}
        assert_eq!(socket.get_ref().left, 0, "it is listened to all the same");
        socket.get_mut().reads = true;
        socket.flush().unwrap();
        let taken = socket.get_ref().taken;
        assert!((1..=UNREAD_PONGS + PING.len()).contains(&taken), "{taken} bytes were kept for it");
    }
}
