//! `matchbox_signaling` with its defaults, without logging: `bench-matchbox ADDR:PORT full-mesh|client-server`.

use std::{env, error::Error, net::SocketAddr};

use matchbox_signaling::SignalingServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("the address is missing")?.parse()?;
    match arguments.next().as_deref() {
        // All peers in a room are notified of each new peer.
        Some("full-mesh") => SignalingServer::full_mesh_builder(address).build().serve().await?,
        // Only the first peer (the host) is notified.
        Some("client-server") => SignalingServer::client_server_builder(address).build().serve().await?,
        _ => return Err("the topology must be full-mesh or client-server".into()),
    }
    Ok(())
}
