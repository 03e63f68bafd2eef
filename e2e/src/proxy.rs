//! A TCP proxy between a browser and the server, whose connections can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::Result;

/// Stands before a server until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    gate: watch::Sender<Gate>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
}

impl Proxy {
    /// Listens on a free loopback port, and passes connections on to `server`.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?, server)
    }

    /// Takes connections from this listener, which may be in another network namespace, and passes them on to `server` from
    /// here.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub fn on(listener: TcpListener, server: SocketAddr) -> Result<Self> {
        let address = listener.local_addr()?;
        let (gate, watched) = watch::channel(Gate::Open);
        let accepting = tokio::spawn(accept(listener, server, watched));
        Ok(Self { address, gate, accepting })
    }

    /// The address to open in the browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection; new ones are cut at once, until [`mend`](Self::mend).
    pub fn cut(&self) {
        self.gate.send_replace(Gate::Shut);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.gate.send_replace(Gate::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, gate: watch::Receiver<Gate>) {
    // Dropped with the proxy, and with it the connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                if *gate.borrow() == Gate::Open {
                    connections.spawn(pass(client, server, gate.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, mut gate: watch::Receiver<Gate>) {
    let through = async {
        let mut server = TcpStream::connect(server).await?;
        copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        // Either side's end is the connection's end.
        _ = through => {}
        _ = gate.wait_for(|gate| *gate == Gate::Shut) => {}
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

    async fn echoed(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        stream.write_all(b"x").await.is_ok() && matches!(stream.read(&mut byte).await, Ok(1))
    }

    #[tokio::test]
    async fn a_cut_ends_connections_and_refuses_new_ones_until_mended() {
        let proxy = Proxy::start(echo_server().await).await.unwrap();
        let mut first = TcpStream::connect(proxy.address).await.unwrap();
        assert!(echoed(&mut first).await);

        proxy.cut();
        assert!(matches!(first.read(&mut [0]).await, Ok(0) | Err(_)), "the connection stayed");
        let mut refused = TcpStream::connect(proxy.address).await.unwrap();
        assert!(!echoed(&mut refused).await, "a connection came through while cut");

        proxy.mend();
        let mut second = TcpStream::connect(proxy.address).await.unwrap();
        assert!(echoed(&mut second).await);
    }

    #[tokio::test]
    async fn dropping_it_ends_its_connections() {
        let proxy = Proxy::start(echo_server().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert!(echoed(&mut stream).await);
        drop(proxy);
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }
}
