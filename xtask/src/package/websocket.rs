//! The smallest client of a Hutong server: logs in, and sees who is online. A test that an app reached its login page needs no
//! more, and xtask is compiled before everything else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long the other side may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longer messages are no answer to what this client says.
const LONGEST: usize = 1 << 20;

/// What a GET of `path` is answered with, header and body.
///
/// # Errors
///
/// Where nobody answers within ten seconds.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST as u64).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Logged in.
#[derive(Debug)]
pub struct Watcher {
    stream: BufReader<TcpStream>,
}

impl Watcher {
    /// Logs in as `name`.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached or does not upgrade.
    pub fn log_in(address: SocketAddr, name: &str) -> Result<Self> {
        let mut stream = connect(address)?;
        // The key is RFC 6455's own example: nothing between here and there keeps answers. All is written at once: who answers the
        // first piece and closes resets the connection of whoever still writes, and its answer is lost.
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: hutong.v1\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            ensure!(stream.read_line(&mut head)? > 0 && head.len() < LONGEST, "the server broke off: {head}");
        }
        ensure!(head.starts_with("HTTP/1.1 101 "), "no WebSocket: {head}");
        stream.get_mut().write_all(&text_frame(&format!("{{\"type\":\"hello\",\"name\":{name:?}}}"))?)?;
        Ok(Self { stream })
    }

    /// Waits until a message has `text` in it, for `limit` at most.
    ///
    /// # Errors
    ///
    /// Where no such message came.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no message says {text}");
            self.stream.get_ref().set_read_timeout(Some(left))?;
            if self.message().with_context(|| format!("no message says {text}"))?.contains(text) {
                return Ok(());
            }
        }
    }

    /// The next text message. Pings are answered.
    fn message(&mut self) -> Result<String> {
        loop {
            let (opcode, payload) = self.frame()?;
            match opcode {
                0x1 => return Ok(String::from_utf8(payload)?),
                0x8 => bail!("the server closed: {}", String::from_utf8_lossy(&payload)),
                0x9 => self.stream.get_mut().write_all(&frame(0xA, &payload)?)?,
                _ => {}
            }
        }
    }

    fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = match head[1] {
            126 => {
                let mut long = [0; 2];
                self.stream.read_exact(&mut long)?;
                usize::from(u16::from_be_bytes(long))
            }
            127 => {
                let mut long = [0; 8];
                self.stream.read_exact(&mut long)?;
                usize::try_from(u64::from_be_bytes(long))?
            }
            short => usize::from(short),
        };
        ensure!(length <= LONGEST, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok((head[0] & 0x0F, payload))
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("nobody listens on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn text_frame(text: &str) -> Result<Vec<u8>> {
    frame(0x1, text.as_bytes())
}

/// A client's frame is masked (RFC 6455, section 5.3); with zeros the payload stays as it is.
fn frame(opcode: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let length =
        u8::try_from(payload.len()).ok().filter(|length| *length < 126).context("a message of 126 bytes or more")?;
    Ok([&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_watcher_reads_short_and_long_messages_and_answers_pings() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, head) = accept(&listener);
            assert!(head.contains("Sec-WebSocket-Protocol: hutong.v1\r\n"), "{head}");
            let mut hello = [0; 6 + 29];
            stream.get_mut().write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
            stream.read_exact(&mut hello).unwrap();
            assert_eq!(&hello[6..], br#"{"type":"hello","name":"Ana"}"#);
            let long = [&b"\x81\x7e\x01\x00"[..], &[b'x'; 256]].concat();
            stream.get_mut().write_all(&[&b"\x89\x01p"[..], &long, b"\x81\x02Bo"].concat()).unwrap();
            let mut pong = [0; 7];
            stream.read_exact(&mut pong).unwrap();
            assert_eq!(&pong, b"\x8a\x81\0\0\0\0p");
        });
        let mut watcher = Watcher::log_in(address, "Ana").unwrap();
        watcher.wait_for("xxx", PATIENCE).unwrap();
        watcher.wait_for("Bo", PATIENCE).unwrap();
        server.join().unwrap();
        assert!(watcher.wait_for("Cy", PATIENCE).is_err(), "the server is gone");
    }

    #[test]
    fn a_server_that_does_not_upgrade_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            // Read to its end: what is left unread when a connection is closed resets it, and the answer may be lost.
            let (mut stream, _) = accept(&listener);
            stream.get_mut().write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
        });
        assert!(Watcher::log_in(address, "Ana").unwrap_err().to_string().contains("403"));
        server.join().unwrap();
    }

    #[test]
    fn what_does_not_fit_a_short_frame_is_refused() {
        assert!(text_frame(&"x".repeat(126)).is_err());
    }

    /// A client's connection, and the header that it sent.
    fn accept(listener: &TcpListener) -> (BufReader<TcpStream>, String) {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).unwrap() > 0, "broke off: {head}");
        }
        (stream, head)
    }
}
