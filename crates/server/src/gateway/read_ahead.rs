//! Read-ahead adapter of a client's stream, for a reader with a small buffer. Counts the fragments of messages on the way.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fragment_counter::{FragmentCounter, TooManyFragments};

/// Bytes of one read. tokio's cooperative budget counts reads of the socket, not of bytes that were read ahead: with eight times
/// as many, a flooding client delayed the calls of others by two seconds.
const READ_BYTES: usize = 1024;

/// Stream that reads into a buffer on the stack and keeps the bytes that its reader has not taken yet.
///
/// Most connections are idle, and each holds its WebSocket's read buffer, so that buffer is small. This adapter saves the system
/// call for each filling of it, and holds memory only while bytes are unread.
///
/// Reading fails once with [`TooManyFragments`]. After that it only serves to drop the rest of the client's bytes, so that
/// closing does not reset the connection.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    inner: S,
    unread: Bytes,
    fragments: FragmentLimit,
}

/// Whether the client keeps to the limit of fragments.
#[derive(Debug)]
enum FragmentLimit {
    Counting(FragmentCounter),
    /// No, which the next read reports.
    Exceeded,
    /// No, which was reported.
    Reported,
}

impl<S> ReadAhead<S> {
    /// Begins with bytes that were read from the stream already.
    pub(super) fn new(inner: S, unread: Bytes) -> Self {
        let mut fragments = FragmentLimit::Counting(FragmentCounter::default());
        fragments.count(&unread);
        Self { inner, unread, fragments }
    }

    /// The number of fragments that were read since the last call.
    pub(super) const fn take_fragments(&mut self) -> u32 {
        match &mut self.fragments {
            FragmentLimit::Counting(counter) => counter.take(),
            FragmentLimit::Exceeded | FragmentLimit::Reported => 0,
        }
    }
}

impl FragmentLimit {
    /// Counts the fragments in bytes that were just read.
    fn count(&mut self, bytes: &[u8]) {
        if let Self::Counting(counter) = self
            && counter.read(bytes).is_err()
        {
            *self = Self::Exceeded;
        }
    }

    fn report(&mut self) -> io::Result<()> {
        if matches!(self, Self::Exceeded) {
            *self = Self::Reported;
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooManyFragments));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, unread, fragments } = self.get_mut();
        fragments.report()?;
        if unread.is_empty() {
            if buf.remaining() >= READ_BYTES {
                let before = buf.filled().len();
                ready!(Pin::new(inner).poll_read(cx, buf))?;
                fragments.count(&buf.filled()[before..]);
                return Poll::Ready(fragments.report());
            }
            let mut room = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut room);
            ready!(Pin::new(inner).poll_read(cx, &mut read))?;
            fragments.count(read.filled());
            fragments.report()?;
            let (taken, rest) = read.filled().split_at(buf.remaining().min(read.filled().len()));
            buf.put_slice(taken);
            if !rest.is_empty() {
                *unread = Bytes::copy_from_slice(rest);
            }
            return Poll::Ready(Ok(()));
        }
        let taken = unread.len().min(buf.remaining());
        buf.put_slice(&unread[..taken]);
        unread.advance(taken);
        if unread.is_empty() {
            *unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A stream that returns its chunks one by one and is pending afterwards.
    struct ChunkedInput {
        chunks: Vec<Vec<u8>>,
        reads: usize,
    }

    impl AsyncRead for ChunkedInput {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let Some(chunk) = self.chunks.first_mut() else { return Poll::Pending };
            let taken = chunk.len().min(buf.remaining());
            buf.put_slice(&chunk[..taken]);
            chunk.drain(..taken);
            if chunk.is_empty() {
                self.chunks.remove(0);
            }
            self.reads += 1;
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn all_bytes_arrive_in_order_with_few_reads(
            lengths in prop::collection::vec(1_usize..20_000, 0..5),
            buffer_size in prop::sample::select(vec![1_usize, 7, 128, 1_024, 30_000]),
        ) {
            let mut count = 0_u8;
            // As first bytes of frames, these end a message.
            let mut next = || { count = count.wrapping_add(1); count | 0x80 };
            let chunks: Vec<Vec<u8>> = lengths.iter().map(|length| (0..*length).map(|_| next()).collect()).collect();
            let whole = chunks.concat();
            let mut stream = ReadAhead::new(ChunkedInput { chunks, reads: 0 }, Bytes::new());
            let (mut seen, mut buffer) = (Vec::new(), vec![0; buffer_size]);
            while let Some(read) = stream.read(&mut buffer).now_or_never() {
                let read = read.unwrap();
                prop_assert!((1..=buffer_size).contains(&read));
                seen.extend_from_slice(&buffer[..read]);
            }
            prop_assert_eq!(seen, whole);
            prop_assert!(stream.inner.reads <= lengths.iter().map(|length| length.div_ceil(READ_BYTES)).sum::<usize>());
            prop_assert!(stream.unread.is_empty());
        }
    }

    #[test]
    fn empty_fragments_without_end_fail_one_read_wherever_they_begin() {
        const FRAGMENT: [u8; 6] = [0x00, 0x80, 0, 0, 0, 0];
        for (read_already, buffer_size) in [(0, 128), (10, 128), (100, 128), (100, 4_096)] {
            let input = ChunkedInput { chunks: vec![FRAGMENT.repeat(1_000)], reads: 0 };
            let mut stream = ReadAhead::new(input, FRAGMENT.repeat(read_already).into());
            let mut buffer = vec![0; buffer_size];
            let (mut seen, mut errors) = (0, 0);
            while let Some(read) = stream.read(&mut buffer).now_or_never() {
                match read {
                    Ok(read) => seen += read,
                    Err(error) => {
                        assert!(error.get_ref().unwrap().is::<TooManyFragments>());
                        assert!(seen <= 1_000, "{seen} bytes before the error");
                        errors += 1;
                    }
                }
            }
            assert_eq!(errors, 1, "{read_already} fragments with the handshake");
        }
    }

    #[test]
    fn fragments_are_taken_once() {
        let bytes = [0x01, 0x80, 0, 0, 0, 0].repeat(7);
        let mut stream = ReadAhead::new(ChunkedInput { chunks: vec![bytes], reads: 0 }, Bytes::new());
        stream.read(&mut [0; 1]).now_or_never().unwrap().unwrap();
        assert_eq!((stream.take_fragments(), stream.take_fragments()), (7, 0));
    }
}
