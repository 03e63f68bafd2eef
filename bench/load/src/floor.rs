//! The floor: tokio-tungstenite that sends back what it gets, and does nothing else.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};

/// Listens until it is ended.
///
/// # Errors
///
/// When it cannot listen there.
pub async fn serve(address: SocketAddr) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let listener = socket.listen(4_096)?;
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // A client that breaks its connection ends its task, and nothing else.
            tokio::spawn(async move { echo(stream).await.ok() });
        }
    }
}

async fn echo(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    // The same small buffer as ours, so that the floor is none that is easily gone below.
    let config = WebSocketConfig::default().read_buffer_size(1_024).write_buffer_size(0);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
