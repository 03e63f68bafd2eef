//! Home networks of the emulated internet, seen by sockets: what their NATs and firewalls pass.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use hutong_e2e::{
    Result, TestResult, ensure,
    network::{
        EmulatedInternet, HomeConfig, HomeNetwork, LEFT_PRIVATE, NatBehaviour, RIGHT_PRIVATE, SERVER_IPV4, SERVER_IPV6,
        Uplink,
    },
    scenario,
};

/// Time in which a packet arrives that is not dropped.
const ARRIVAL: Duration = Duration::from_millis(500);

/// Binds in the namespace of a home network.
async fn bind_in(home: &HomeNetwork, address: &'static str) -> Result<UdpSocket> {
    home.namespace.run_inside(move || Ok(UdpSocket::bind(address)?)).await
}

/// Sends one datagram; returns its sender as the receiver sees it if it arrives.
fn pass(from: &UdpSocket, to: SocketAddr, receiver: &UdpSocket) -> Result<Option<SocketAddr>> {
    from.send_to(b"datagram", to)?;
    receiver.set_read_timeout(Some(ARRIVAL))?;
    let mut buffer = [0; 100];
    Ok(receiver.recv_from(&mut buffer).ok().map(|(_, sender)| sender))
}

#[tokio::test]
async fn home_networks_reach_the_server_and_each_other_as_their_nats_allow() -> TestResult {
    scenario("gateways_nats", async |_| {
        let nat = |private, nat| HomeConfig::new(Uplink::Ipv4 { private, nat });
        let internet = EmulatedInternet::new(
            nat(LEFT_PRIVATE, NatBehaviour::PORT_RESTRICTED),
            nat(RIGHT_PRIVATE, NatBehaviour::SYMMETRIC),
        )
        .await?;
        let servers = internet
            .public
            .run_inside(|| Ok([UdpSocket::bind((SERVER_IPV4, 3_478))?, UdpSocket::bind((SERVER_IPV4, 3_479))?]))
            .await?;
        let [first, second] = [servers[0].local_addr()?, servers[1].local_addr()?];
        let left = bind_in(&internet.left, "0.0.0.0:0").await?;
        let right = bind_in(&internet.right, "0.0.0.0:0").await?;

        let left_external = pass(&left, first, &servers[0])?;
        ensure!(left_external == pass(&left, second, &servers[1])?, "the left NAT is symmetric");
        let Some(left_external) = left_external else {
            hutong_e2e::bail!("the left network does not reach the server")
        };
        let right_external = pass(&right, first, &servers[0])?;
        ensure!(right_external != pass(&right, second, &servers[1])?, "the right NAT is not symmetric");
        let Some(right_external) = right_external else {
            hutong_e2e::bail!("the right network does not reach the server")
        };
        ensure!(pass(&servers[0], right_external, &right)? == Some(first), "no answer reaches the right network");
        ensure!(pass(&servers[1], right_external, &right)?.is_none(), "the right NAT lets in a stranger");

        ensure!(pass(&left, right_external, &right)?.is_none(), "the right NAT lets the left network in");
        ensure!(pass(&right, left_external, &left)?.is_none(), "the left NAT lets a symmetric NAT in");
        let private = SocketAddr::from((RIGHT_PRIVATE, right.local_addr()?.port()));
        ensure!(pass(&left, private, &right)?.is_none(), "the left network reaches a private address of the right one");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn ipv6_networks_reach_each_other_only_after_both_have_sent() -> TestResult {
    scenario("gateways_ipv6", async |_| {
        let internet = EmulatedInternet::new(HomeConfig::new(Uplink::Ipv6), HomeConfig::new(Uplink::Ipv6)).await?;
        let server = internet.public.run_inside(|| Ok(UdpSocket::bind((SERVER_IPV6, 3_478))?)).await?;
        let left = bind_in(&internet.left, "[::]:0").await?;
        let right = bind_in(&internet.right, "[::]:0").await?;
        let left_address = pass(&left, server.local_addr()?, &server)?;
        let right_address = pass(&right, server.local_addr()?, &server)?;
        let (Some(left_address), Some(right_address)) = (left_address, right_address) else {
            hutong_e2e::bail!("the server is not reached over IPv6: {left_address:?}, {right_address:?}")
        };
        ensure!(pass(&server, left_address, &left)?.is_some(), "no answer reaches the left network");
        ensure!(pass(&left, right_address, &right)?.is_none(), "the right firewall lets in an unsolicited packet");
        ensure!(pass(&right, left_address, &left)? == Some(right_address), "the left firewall drops an answer");
        ensure!(pass(&left, right_address, &right)? == Some(left_address), "the right firewall drops an answer");
        Ok(())
    })
    .await
}
