//! matchbox_signaling as it comes, quiet: `bench-matchbox ADDR:PORT full-mesh|client-server`.

use std::{env, error::Error, net::SocketAddr};

use matchbox_signaling::SignalingServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("no address")?.parse()?;
    match arguments.next().as_deref() {
        // Everybody in a room is told of everybody who comes after.
        Some("full-mesh") => SignalingServer::full_mesh_builder(address).build().serve().await?,
        // Only the first is told.
        Some("client-server") => SignalingServer::client_server_builder(address).build().serve().await?,
        _ => return Err("full-mesh or client-server?".into()),
    }
    Ok(())
}
