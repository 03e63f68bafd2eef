//! Echo baseline: a WebSocket server of tokio-tungstenite alone, which sends each text message back.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};

/// Read buffer in bytes that each connection of Hutong's server holds (`READ_BUFFER` in `crates/server/src/gateway`):
/// for comparing memory.
pub const HELD_BUFFER: usize = 128;

/// Bytes that Hutong's server reads at once, beyond the buffer that it holds. tokio-tungstenite has one size for both,
/// so an echo with as few system calls as possible holds this much.
pub const READ_AT_ONCE: usize = 1_024;

/// Accepts connections until the task or process ends.
///
/// # Errors
///
/// Returns an error when it cannot listen on the address.
pub async fn serve(address: SocketAddr, read_buffer: usize) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let listener = socket.listen(4_096)?;
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // A failed connection only ends its own task.
            tokio::spawn(async move { echo(stream, read_buffer).await.ok() });
        }
    }
}

async fn echo(stream: TcpStream, read_buffer: usize) -> Result<()> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(read_buffer).write_buffer_size(0);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
