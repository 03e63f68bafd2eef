//! TCP proxy between a browser and the server, whose connections can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::Result;

/// A TCP proxy. Dropping it closes all its connections.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    state: watch::Sender<ProxyState>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProxyState {
    Forwarding,
    Cut,
}

impl TcpProxy {
    /// Listens on a free loopback port and forwards connections to `server`.
    ///
    /// # Errors
    ///
    /// Returns an error when no port is free.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        Self::with_listener(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?, server)
    }

    /// Accepts connections from this listener, which may be in another network namespace, and forwards them to `server`
    /// from this process's namespace.
    ///
    /// # Errors
    ///
    /// Returns an error when the listener has no address.
    pub fn with_listener(listener: TcpListener, server: SocketAddr) -> Result<Self> {
        let address = listener.local_addr()?;
        let (state, watched) = watch::channel(ProxyState::Forwarding);
        let accepting = tokio::spawn(accept_connections(listener, server, watched));
        Ok(Self { address, state, accepting })
    }

    /// URL to open in the browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes all connections, and new ones at once, until [`restore`](Self::restore).
    pub fn cut(&self) {
        self.state.send_replace(ProxyState::Cut);
    }

    /// Forwards connections again.
    pub fn restore(&self) {
        self.state.send_replace(ProxyState::Forwarding);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept_connections(listener: TcpListener, server: SocketAddr, state: watch::Receiver<ProxyState>) {
    // Aborting this task drops the set and with it the connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                if *state.borrow() == ProxyState::Forwarding {
                    connections.spawn(forward(client, server, state.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(mut client: TcpStream, server: SocketAddr, mut state: watch::Receiver<ProxyState>) {
    let through = async {
        let mut server = TcpStream::connect(server).await?;
        copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        // Either side's end closes both.
        _ = through => {}
        _ = state.wait_for(|state| *state == ProxyState::Cut) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn echo_server() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    async fn is_echoed(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        stream.write_all(b"x").await.is_ok() && matches!(stream.read(&mut byte).await, Ok(1))
    }

    #[tokio::test]
    async fn a_cut_ends_connections_and_refuses_new_ones_until_restored() {
        let proxy = TcpProxy::start(echo_server().await).await.unwrap();
        let mut first = TcpStream::connect(proxy.address).await.unwrap();
        assert!(is_echoed(&mut first).await);

        proxy.cut();
        assert!(matches!(first.read(&mut [0]).await, Ok(0) | Err(_)), "the connection stayed open");
        let mut refused = TcpStream::connect(proxy.address).await.unwrap();
        assert!(!is_echoed(&mut refused).await, "a connection was forwarded while cut");

        proxy.restore();
        let mut second = TcpStream::connect(proxy.address).await.unwrap();
        assert!(is_echoed(&mut second).await);
    }

    #[tokio::test]
    async fn dropping_the_proxy_closes_its_connections() {
        let proxy = TcpProxy::start(echo_server().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert!(is_echoed(&mut stream).await);
        drop(proxy);
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }
}
