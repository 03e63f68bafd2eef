//! WebSocket frame that is encoded once and sent to any number of clients.

use bytes::Bytes;
use hutong_protocol::ServerMessage;

/// A complete WebSocket text frame (RFC 6455, section 5.2). A clone shares its bytes.
///
/// A server's frames are not masked, so the same bytes are valid for every client: no connection copies them into a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame(Bytes);

impl Frame {
    /// Encodes a message. `None` if that fails, which is logged.
    pub(crate) fn text(message: &ServerMessage) -> Option<Self> {
        let mut written = Ok(());
        let frame = Self::write(0, |buffer| written = serde_json::to_writer(buffer, message));
        if let Err(error) = written {
            tracing::error!(%error, kind = message.kind(), "message could not be encoded; not sent");
            return None;
        }
        Some(frame)
    }

    /// A frame with the payload that `write` appends to a buffer, which has room for this many bytes.
    pub(crate) fn write(room: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        /// Bytes of the longest header of an unmasked frame.
        const HEADER: usize = 10;
        let mut buffer = Vec::with_capacity(HEADER + room);
        buffer.resize(HEADER, 0);
        write(&mut buffer);
        let length = buffer.len() - HEADER;
        let mut header = [0; HEADER];
        /// FIN bit and opcode of a text message in one frame.
        const FIN_TEXT: u8 = 0x81;
        header[0] = FIN_TEXT;
        let used = match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) => {
                header[1] = short;
                2
            }
            (_, Ok(medium)) => {
                header[1] = 126;
                header[2..4].copy_from_slice(&medium.to_be_bytes());
                4
            }
            _ => {
                header[1] = 127;
                header[2..].copy_from_slice(&(length as u64).to_be_bytes());
                HEADER
            }
        };
        let start = HEADER - used;
        buffer[start..HEADER].copy_from_slice(&header[..used]);
        Self(Bytes::from(buffer).slice(start..))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use hutong_protocol::ErrorCode;
    use tokio_tungstenite::tungstenite::{Message, WebSocket, protocol::Role};

    use super::*;

    #[test]
    fn frames_of_every_length_class_are_valid() {
        for length in [0, 1, 40, 60, 125, 126, 200, 65_400, 65_535, 65_536, 70_000, 200_000] {
            let message =
                ServerMessage::Error { code: ErrorCode::Busy, message: "m".repeat(length), about: None, call: None };
            let frame = Frame::text(&message).unwrap();
            let wire = std::io::Cursor::new(frame.into_bytes().to_vec());
            let mut reader = WebSocket::from_raw_socket(wire, Role::Client, None);
            assert_eq!(reader.read().unwrap(), Message::text(serde_json::to_string(&message).unwrap()));
        }
    }
}
