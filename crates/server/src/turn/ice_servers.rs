//! The ICE servers that a client is told: STUN and TURN of this server, by the way that the client reached it.

use hutong_protocol::IceServer;

use super::host::{ClientRoute, TurnHost};
use crate::relay::TurnCredential;

/// The TURN server's port, as clients reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TurnPort {
    /// Its number. `None`: that of the web app, as the client requested it.
    pub(crate) number: Option<u16>,
    /// Whether UDP is open. Another program may have had it.
    pub(crate) udp: bool,
    pub(crate) stream: StreamSecurity,
}

/// Which kind of TURN over TCP clients can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamSecurity {
    /// TLS with a certificate from an authority. To an observer it looks like HTTPS.
    Tls,
    /// Plain TCP: browsers accept a self-signed certificate for a page, if its user does, but never for TURN. Media is
    /// encrypted from end to end anyway.
    Plain,
}

/// The servers for a client on this route, with its credential. Empty if it cannot reach the TURN server.
pub(super) fn ice_servers(
    port: TurnPort,
    configured: Option<&TurnHost>,
    route: &ClientRoute,
    this_machine: impl FnOnce() -> Option<TurnHost>,
    credential: impl FnOnce() -> TurnCredential,
) -> Vec<IceServer> {
    let (host, web_port) = match (configured, route) {
        (Some(host), ClientRoute::Direct { port, .. } | ClientRoute::ThisMachine { port }) => {
            (Some(host.clone()), Some(*port))
        }
        (Some(host), ClientRoute::Proxied { .. }) => (Some(host.clone()), None),
        (None, ClientRoute::Direct { host, port }) => (Some(host.clone()), Some(*port)),
        (None, ClientRoute::ThisMachine { port }) => (this_machine(), Some(*port)),
        // The proxy's port does not lead here.
        (None, ClientRoute::Proxied { host }) => (host.clone(), None),
    };
    let number = configured.and_then(TurnHost::port).or(port.number).or(web_port);
    let (Some(host), Some(number)) = (host, number) else { return Vec::new() };
    // No authority certifies a private address, and few an address at all.
    let has_tls = port.stream == StreamSecurity::Tls && host.ip().is_none();
    let at = format!("{}:{number}", host.host());
    let stream = if has_tls { format!("turns:{at}?transport=tcp") } else { format!("turn:{at}?transport=tcp") };
    let mut servers = Vec::new();
    let mut turn = vec![stream];
    if port.udp {
        servers.push(IceServer { urls: vec![format!("stun:{at}")], username: None, credential: None });
        turn.insert(0, format!("turn:{at}?transport=udp"));
    }
    let TurnCredential { username, password } = credential();
    servers.push(IceServer { urls: turn, username: Some(username), credential: Some(password) });
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: TurnPort = TurnPort { number: None, udp: true, stream: StreamSecurity::Tls };

    fn host(text: &str) -> TurnHost {
        text.parse().unwrap()
    }

    fn urls(port: TurnPort, configured: Option<&str>, route: &ClientRoute) -> Vec<String> {
        let credential = || TurnCredential { username: "1:2".into(), password: "secret".into() };
        let servers =
            ice_servers(port, configured.map(host).as_ref(), route, || Some(host("192.168.1.20")), credential);
        for server in &servers {
            let has_credential = server.username.is_some() && server.credential.is_some();
            assert_eq!(has_credential, server.urls[0].starts_with("turn"), "{server:?}");
        }
        servers.into_iter().flat_map(|server| server.urls).collect()
    }

    #[test]
    fn urls_name_the_host_and_port_that_the_client_requested() {
        let direct = |name: &str, port| ClientRoute::Direct { host: host(name), port };
        assert_eq!(
            urls(WEB, None, &direct("hutong.example.org", 443)),
            [
                "stun:hutong.example.org:443",
                "turn:hutong.example.org:443?transport=udp",
                "turns:hutong.example.org:443?transport=tcp"
            ]
        );
        assert_eq!(
            urls(WEB, None, &direct("[2001:db8::1]", 8_017)),
            [
                "stun:[2001:db8::1]:8017",
                "turn:[2001:db8::1]:8017?transport=udp",
                "turn:[2001:db8::1]:8017?transport=tcp"
            ]
        );
        let self_signed = TurnPort { stream: StreamSecurity::Plain, ..WEB };
        assert_eq!(
            urls(self_signed, None, &direct("box.local", 8_017)),
            ["stun:box.local:8017", "turn:box.local:8017?transport=udp", "turn:box.local:8017?transport=tcp"]
        );
        let without_udp = TurnPort { udp: false, ..WEB };
        assert_eq!(urls(without_udp, None, &direct("a.example", 443)), ["turns:a.example:443?transport=tcp"]);
    }

    #[test]
    fn clients_on_this_machine_are_told_its_network_address() {
        let route = ClientRoute::ThisMachine { port: 8_017 };
        assert_eq!(urls(WEB, None, &route)[0], "stun:192.168.1.20:8017");
        let unreachable = ice_servers(WEB, None, &route, || None, || unreachable!("nothing to authenticate at"));
        assert_eq!(unreachable, []);
    }

    #[test]
    fn behind_a_proxy_only_a_port_of_its_own_is_reached() {
        let route = ClientRoute::Proxied { host: Some(host("hutong.example.org:8443")) };
        assert_eq!(urls(WEB, None, &route), [""; 0]);
        let own = TurnPort { number: Some(3_478), ..WEB };
        assert_eq!(urls(own, None, &route)[0], "stun:hutong.example.org:3478");
        assert_eq!(urls(own, None, &ClientRoute::Proxied { host: None }), [""; 0]);
    }

    #[test]
    fn a_configured_host_replaces_that_of_the_request() {
        let own = TurnPort { number: Some(3_478), ..WEB };
        for (port, configured, route, expected) in [
            (own, "turn.example.org", ClientRoute::Proxied { host: None }, "stun:turn.example.org:3478"),
            (own, "turn.example.org:5349", ClientRoute::Proxied { host: None }, "stun:turn.example.org:5349"),
            (WEB, "203.0.113.1", ClientRoute::ThisMachine { port: 443 }, "stun:203.0.113.1:443"),
            (WEB, "203.0.113.1", ClientRoute::Direct { host: host("10.0.0.1"), port: 80 }, "stun:203.0.113.1:80"),
        ] {
            assert_eq!(urls(port, Some(configured), &route)[0], expected);
        }
    }
}
