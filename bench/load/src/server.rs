//! The servers under test, each as its own process.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use crate::{
    connect::TargetAddress,
    echo_baseline::{HELD_BUFFER, READ_AT_ONCE},
    protocols::Protocol,
    usage,
};

/// Time limit for a server to listen.
const TIMEOUT: Duration = Duration::from_secs(20);

/// User limit for servers, as an option: no run reaches it.
const UNLIMITED_USERS: &str = "1000000";

/// Server under test, with its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerVariant {
    /// Hutong by default: above a thousand users, clients get partial rosters.
    Hutong,
    /// With TLS.
    HutongTls,
    /// Hutong with full rosters at any size (`--whole-roster`).
    HutongFullRoster,
    /// With TLS.
    HutongFullRosterTls,
    /// The earlier design: Node, express and socket.io.
    SocketIo,
    /// `PeerJS`'s server.
    PeerJs,
    /// `matchbox_signaling` as a full mesh: all peers in a room are notified of a new one.
    MatchboxFullMesh,
    /// `matchbox_signaling` as client and server: only the host is notified of a new peer.
    MatchboxClientServer,
    /// Echo baseline with the read size of Hutong's server: for CPU time and latency.
    Echo,
    /// Echo baseline with the read buffer that Hutong's connections hold: for memory.
    EchoSmallBuffer,
}

impl ServerVariant {
    /// Label in tables and messages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hutong => "Hutong",
            Self::HutongTls => "Hutong, TLS",
            Self::HutongFullRoster => "Hutong, full roster",
            Self::HutongFullRosterTls => "Hutong, full roster, TLS",
            Self::SocketIo => "socket.io (earlier design, Node)",
            Self::PeerJs => "PeerJS server",
            Self::MatchboxFullMesh => "matchbox_signaling",
            Self::MatchboxClientServer => "matchbox_signaling, client-server",
            Self::Echo => "tokio-tungstenite echo",
            Self::EchoSmallBuffer => "tokio-tungstenite echo, 128-byte buffer",
        }
    }

    /// Its protocol.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Hutong | Self::HutongTls | Self::HutongFullRoster | Self::HutongFullRosterTls => Protocol::Hutong,
            Self::SocketIo => Protocol::SocketIo,
            Self::PeerJs => Protocol::PeerJs,
            Self::MatchboxFullMesh | Self::MatchboxClientServer => Protocol::Matchbox,
            Self::Echo | Self::EchoSmallBuffer => Protocol::Echo,
        }
    }

    const fn is_tls(self) -> bool {
        matches!(self, Self::HutongTls | Self::HutongFullRosterTls)
    }
}

/// Paths of the server programs. A server without a path is not measured.
#[derive(Clone, Debug)]
pub struct ServerPrograms {
    /// This program, for workers and the echo baseline.
    pub own: PathBuf,
    /// Hutong's server.
    pub hutong: Option<PathBuf>,
    /// Folder with the Node scripts and their packages.
    pub node: Option<PathBuf>,
    /// The program of bench/servers/matchbox.
    pub matchbox: Option<PathBuf>,
    /// Folder for certificates.
    pub scratch: PathBuf,
}

impl ServerPrograms {
    /// Whether the server's program is available.
    #[must_use]
    pub fn is_available(&self, variant: ServerVariant) -> bool {
        match variant.protocol() {
            Protocol::Hutong => self.hutong.is_some(),
            Protocol::SocketIo | Protocol::PeerJs => self.node.is_some(),
            Protocol::Matchbox => self.matchbox.is_some(),
            Protocol::Echo => true,
        }
    }

    fn command(&self, variant: ServerVariant, address: SocketAddr) -> Result<Command> {
        let missing = || format!("{} is not available", variant.label());
        let at = address.to_string();
        let mut command = match variant.protocol() {
            Protocol::Hutong => {
                let mut command = Command::new(self.hutong.as_ref().with_context(missing)?);
                command.args(["--listen", &at, "--max-users", UNLIMITED_USERS, "--log", "warn"]);
                if matches!(variant, ServerVariant::HutongFullRoster | ServerVariant::HutongFullRosterTls) {
                    command.args(["--whole-roster", UNLIMITED_USERS]);
                }
                if variant.is_tls() {
                    command.arg("--self-signed").arg(&self.scratch);
                }
                command
            }
            Protocol::SocketIo | Protocol::PeerJs => {
                let script = if variant == ServerVariant::SocketIo { "socket_io.mjs" } else { "peer.mjs" };
                let mut command = Command::new("node");
                command.arg(self.node.as_ref().with_context(missing)?.join(script)).arg(&at);
                command.env("NODE_ENV", "production");
                command
            }
            Protocol::Matchbox => {
                let mut command = Command::new(self.matchbox.as_ref().with_context(missing)?);
                command.args([
                    at.as_str(),
                    if variant == ServerVariant::MatchboxFullMesh { "full-mesh" } else { "client-server" },
                ]);
                command
            }
            Protocol::Echo => {
                let mut command = Command::new(&self.own);
                let read_buffer = if variant == ServerVariant::EchoSmallBuffer { HELD_BUFFER } else { READ_AT_ONCE };
                command.args(["echo", &at, &read_buffer.to_string()]);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }
}

/// A running server.
#[derive(Debug)]
pub struct LoadServer {
    child: Child,
    pid: u32,
    /// Its address.
    pub target: TargetAddress,
}

impl LoadServer {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    ///
    /// Returns an error when it exits first, or the time limit passes.
    pub async fn start(programs: &ServerPrograms, variant: ServerVariant) -> Result<Self> {
        let address = free_address()?;
        let label = variant.label();
        let mut child = programs.command(variant, address)?.spawn().with_context(|| format!("cannot start {label}"))?;
        let pid = child.id().with_context(|| format!("{label} has exited"))?;
        wait_until_listening(&mut child, address, label).await?;
        Ok(Self { child, pid, target: TargetAddress { address, tls: variant.is_tls() } })
    }

    /// Process ID.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// CPU seconds that it has used.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        usage::cpu_seconds(&[self.pid])
    }

    /// Stops the server and waits for its exit.
    pub async fn stop(mut self) {
        // A server that has exited cannot be killed.
        self.child.kill().await.ok();
    }
}

/// Waits until a server accepts TCP connections.
///
/// # Errors
///
/// Returns an error when it exits first, or the time limit passes.
pub(crate) async fn wait_until_listening(child: &mut Child, address: SocketAddr, label: &str) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("{label} exited with {status} before it listened");
        }
        if start.elapsed() > TIMEOUT {
            bail!("{label} did not listen within {} s", TIMEOUT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A free port, released for the server to bind: not every server reports a port that it chose.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
