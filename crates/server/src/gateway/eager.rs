//! Reading all there is at once, for a reader that asks for little at a time.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once, in bytes. tokio has a task give way after so many reads of its socket, not of what was read ahead: with eight
/// times as much, somebody who floods held up others' calls for two seconds.
const AT_ONCE: usize = 1024;

/// A connection whose reader may have a small buffer without asking the system once for each filling of it.
///
/// Every connection holds its WebSocket's buffer for as long as it lasts, and nearly all of them are idle. So that buffer is tiny, and
/// what comes in is read into one on the stack; only what the reader does not take at once is kept, until it does.
#[derive(Debug)]
pub(super) struct Eager<S> {
    inner: S,
    unread: Bytes,
}

impl<S> Eager<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner, unread: Bytes::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Eager<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, unread } = self.get_mut();
        if unread.is_empty() {
            if buf.remaining() >= AT_ONCE {
                return Pin::new(inner).poll_read(cx, buf);
            }
            let mut room = [MaybeUninit::uninit(); AT_ONCE];
            let mut read = ReadBuf::uninit(&mut room);
            ready!(Pin::new(inner).poll_read(cx, &mut read))?;
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Eager<S> {
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

    /// What comes in one piece after another, and then nothing for now.
    struct Pieces {
        pieces: Vec<Vec<u8>>,
        reads: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let Some(piece) = self.pieces.first_mut() else { return Poll::Pending };
            let taken = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..taken]);
            piece.drain(..taken);
            if piece.is_empty() {
                self.pieces.remove(0);
            }
            self.reads += 1;
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        /// However it comes and however little is asked for: it is all there, in order, and read at once.
        #[test]
        fn nothing_is_lost(
            lengths in prop::collection::vec(1_usize..20_000, 0..5),
            asked in prop::sample::select(vec![1_usize, 7, 128, 1_024, 30_000]),
        ) {
            let mut count = 0_u8;
            let mut next = || { count = count.wrapping_add(1); count };
            let pieces: Vec<Vec<u8>> = lengths.iter().map(|length| (0..*length).map(|_| next()).collect()).collect();
            let whole = pieces.concat();
            let mut eager = Eager::new(Pieces { pieces, reads: 0 });
            let (mut seen, mut buffer) = (Vec::new(), vec![0; asked]);
            while let Some(read) = eager.read(&mut buffer).now_or_never() {
                let read = read.unwrap();
                prop_assert!((1..=asked).contains(&read));
                seen.extend_from_slice(&buffer[..read]);
            }
            prop_assert_eq!(seen, whole);
            prop_assert!(eager.inner.reads <= lengths.iter().map(|length| length.div_ceil(AT_ONCE)).sum::<usize>());
            prop_assert!(eager.unread.is_empty());
        }
    }
}
