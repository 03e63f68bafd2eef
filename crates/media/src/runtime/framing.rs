//! TURN packets on a byte stream (RFC 8656, section 12.5).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes in which a packet announces its length.
const PREFIX: usize = 4;

/// Bytes of a STUN header (RFC 8489, section 5).
const STUN_HEADER: usize = 20;

/// Largest packet in bytes that is passed on. Media packets have up to 1,500. Longer ones are skipped: they may come from anybody
/// who guesses the port of a relayed address.
pub(super) const MAX_PACKET: usize = 8_192;

/// Length of the packet that begins with these bytes, and of the padding after it. `None` if no packet does.
fn packet_length(prefix: [u8; PREFIX]) -> Option<(usize, usize)> {
    let [first, _, high, low] = prefix;
    let announced = usize::from(u16::from_be_bytes([high, low]));
    match first {
        0x00..=0x03 if announced.is_multiple_of(4) => Some((STUN_HEADER + announced, 0)),
        // ChannelData, padded to four bytes.
        0x40..=0x7F => Some((PREFIX + announced, padding(announced))),
        _ => None,
    }
}

/// Whether a packet carries data to a peer: `ChannelData`, or a Send indication (RFC 8656, section 18.1). The others are requests.
pub(super) fn carries_data(packet: &[u8]) -> bool {
    matches!(packet, [0x40..=0x7F, ..] | [0x00, 0x16, ..])
}

/// Bytes of padding after a packet or payload of this length.
const fn padding(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

/// The bytes of a packet on a stream, with its padding.
pub(super) fn padded(packet: &[u8]) -> Vec<u8> {
    let mut bytes = packet.to_vec();
    bytes.resize(packet.len() + padding(packet.len()), 0);
    bytes
}

/// Reads a packet without its padding into the buffer. Returns false at the end of the stream.
///
/// # Errors
///
/// As from the stream; [`io::ErrorKind::InvalidData`] when no packet begins at its current position.
pub(super) async fn read_packet(stream: &mut (impl AsyncRead + Unpin), packet: &mut Vec<u8>) -> io::Result<bool> {
    let (prefix, length, padding) = loop {
        let mut prefix = [0; PREFIX];
        match stream.read_exact(&mut prefix).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        };
        let (length, padding) = packet_length(prefix).ok_or(io::ErrorKind::InvalidData)?;
        if length <= MAX_PACKET {
            break (prefix, length, padding);
        }
        let rest = u64::try_from(length + padding - PREFIX).map_err(|_| io::ErrorKind::InvalidData)?;
        tokio::io::copy(&mut (&mut *stream).take(rest), &mut tokio::io::sink()).await?;
    };
    packet.clear();
    packet.extend_from_slice(&prefix);
    packet.resize(length + padding, 0);
    if let Some(rest) = packet.get_mut(PREFIX..) {
        stream.read_exact(rest).await?;
    }
    packet.truncate(length);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A STUN message or `ChannelData` with this many bytes after its header.
    fn packet(is_stun: bool, length: usize) -> Vec<u8> {
        let length = if is_stun { length.next_multiple_of(4) } else { length };
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        let mut packet = vec![if is_stun { 0 } else { 0x40 }, 1, high, low];
        packet.resize(packet.len() + if is_stun { 16 } else { 0 } + length, 7);
        packet
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn packets_are_read_as_they_were_written(
            packets in proptest::collection::vec((any::<bool>(), 0_usize..1_600), 0..8),
        ) {
            let packets: Vec<_> = packets.into_iter().map(|(is_stun, length)| packet(is_stun, length)).collect();
            let stream: Vec<u8> = packets.iter().flat_map(|packet| padded(packet)).collect();
            let (mut stream, mut buffer, mut read) = (&stream[..], Vec::new(), Vec::new());
            while block_on(read_packet(&mut stream, &mut buffer)).unwrap() {
                read.push(buffer.clone());
            }
            prop_assert_eq!(read, packets);
        }

        #[test]
        fn arbitrary_bytes_end_the_stream_without_a_panic(bytes: Vec<u8>) {
            let (mut stream, mut buffer) = (&bytes[..], Vec::new());
            while let Ok(true) = block_on(read_packet(&mut stream, &mut buffer)) {
                prop_assert!(buffer.len() >= PREFIX && buffer.len() <= MAX_PACKET);
            }
        }
    }

    #[test]
    fn long_packets_are_skipped() {
        let (long, next) = (packet(false, 65_535), packet(true, 8));
        let stream = [padded(&long), padded(&packet(true, 65_532)), padded(&next)].concat();
        let (mut stream, mut buffer) = (&stream[..], Vec::new());
        assert!(block_on(read_packet(&mut stream, &mut buffer)).unwrap());
        assert_eq!(buffer, next);
        assert!(!block_on(read_packet(&mut stream, &mut buffer)).unwrap());
    }

    #[test]
    fn data_is_told_from_requests() {
        for (packet, expected) in
            [(&[0x40, 0, 0, 1, 9][..], true), (&[0, 0x16, 0, 0], true), (&[0, 3, 0, 0], false), (&[], false)]
        {
            assert_eq!(carries_data(packet), expected, "{packet:?}");
        }
    }

    #[test]
    fn other_protocols_are_rejected() {
        for bytes in [&[0, 1, 0, 3, 0][..], &[0x16, 3, 1, 2], &[0x80; 8]] {
            let read = block_on(read_packet(&mut &bytes[..], &mut Vec::new()));
            assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData), "{bytes:?}");
        }
    }
}
