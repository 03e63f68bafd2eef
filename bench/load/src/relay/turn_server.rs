//! The TURN servers under test, each as its own process.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use hutong_protocol::Token;
use hutong_server::{TurnCredential, TurnSecret};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use crate::{
    server::{free_address, wait_until_listening},
    usage::{self, MemoryUse},
};

/// Secret from which server and clients derive credentials.
const SECRET: &str = "the-shared-secret-of-the-relay-benchmark";

/// Lifetime of the credentials: longer than a run.
const CREDENTIAL_LIFETIME: Duration = Duration::from_hours(6);

/// Rate limits in Mbit/s, for each user and in all, as options: the largest that the server accepts.
const UNLIMITED_MBITS: (&str, &str) = ("10000", "30000");

/// First and last port of coturn's relayed addresses, as options: below those that Linux assigns to clients.
const RELAYED_PORTS: (&str, &str) = ("10000", "32000");

/// A TURN server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnServerKind {
    /// Hutong's server.
    Hutong,
    /// coturn.
    Coturn,
}

impl TurnServerKind {
    /// Label in tables and messages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hutong => "Hutong",
            Self::Coturn => "coturn",
        }
    }
}

/// The way of a stream through a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayPath {
    /// Between two clients of Hutong's server, which accepts no other peers.
    Hutong,
    /// Between two clients of coturn, which passes a packet from one relayed address to the other by the kernel.
    Coturn,
    /// Between a client of coturn and a peer without an allocation: coturn's cheapest path.
    CoturnDirectPeer,
}

impl RelayPath {
    /// All paths.
    pub const ALL: [Self; 3] = [Self::Hutong, Self::Coturn, Self::CoturnDirectPeer];

    /// Label in tables and messages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hutong => "Hutong",
            Self::Coturn => "coturn",
            Self::CoturnDirectPeer => "coturn, peer without allocation",
        }
    }

    /// Its server.
    #[must_use]
    pub const fn server(self) -> TurnServerKind {
        match self {
            Self::Hutong => TurnServerKind::Hutong,
            Self::Coturn | Self::CoturnDirectPeer => TurnServerKind::Coturn,
        }
    }
}

/// Paths of the programs.
#[derive(Clone, Debug)]
pub struct TurnPrograms {
    /// Hutong's server.
    pub hutong: PathBuf,
    /// coturn's `turnserver`.
    pub coturn: PathBuf,
    /// Folder for the secret and coturn's files.
    pub scratch: PathBuf,
}

impl TurnPrograms {
    fn command(&self, kind: TurnServerKind, address: SocketAddr) -> Result<Command> {
        let mut command = match kind {
            TurnServerKind::Hutong => {
                let secret = self.scratch.join("turn-secret");
                fs::write(&secret, SECRET)?;
                let mut command = Command::new(&self.hutong);
                command.args(["--listen", &free_address()?.to_string(), "--turn-listen", &address.to_string()]);
                command.args(["--turn-user-mbits", UNLIMITED_MBITS.0, "--turn-mbits", UNLIMITED_MBITS.1]);
                // All clients have one address, which may have a sixteenth of them.
                command.args(["--turn-max-allocations", "65536"]);
                command.args(["--log", "warn", "--turn-secret-file"]).arg(secret);
                command
            }
            TurnServerKind::Coturn => {
                let (ip, port) = (address.ip().to_string(), address.port().to_string());
                let mut command = Command::new(&self.coturn);
                // Without a configuration file and what the benchmark does not use. The log goes to /dev/null.
                command.args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file=stdout", "--simple-log"]);
                command.args(["--listening-ip", &ip, "--relay-ip", &ip, "--listening-port", &port]);
                command.args(["--allow-loopback-peers", "--realm=hutong", "--use-auth-secret"]);
                command.arg(format!("--static-auth-secret={SECRET}"));
                command.arg("--pidfile").arg(self.scratch.join("coturn.pid"));
                command.arg("--userdb").arg(self.scratch.join("coturn.db"));
                command.args(["--min-port", RELAYED_PORTS.0, "--max-port", RELAYED_PORTS.1]);
                // It reports every protocol that the kernel lacks.
                command.stderr(Stdio::null());
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }
}

/// A running TURN server.
#[derive(Debug)]
pub struct TurnServer {
    child: Child,
    pid: u32,
    address: SocketAddr,
    secret: TurnSecret,
}

impl TurnServer {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    ///
    /// Returns an error when it exits first, or a time limit passes.
    pub async fn start(programs: &TurnPrograms, kind: TurnServerKind) -> Result<Self> {
        let address = free_address()?;
        let label = kind.label();
        let mut child = programs.command(kind, address)?.spawn().with_context(|| format!("cannot start {label}"))?;
        let pid = child.id().with_context(|| format!("{label} has exited"))?;
        // Both serve TCP on the same port.
        wait_until_listening(&mut child, address, label).await?;
        Ok(Self { child, pid, address, secret: TurnSecret::parse(SECRET)? })
    }

    /// Its address, for UDP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A credential for a user.
    ///
    /// # Errors
    ///
    /// Returns an error when the clock is before 1970.
    pub fn credential(&self, user: u64) -> Result<TurnCredential> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(self.secret.issue(Token(user), now + CREDENTIAL_LIFETIME))
    }

    /// CPU seconds that it has used.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        usage::cpu_seconds(&[self.pid])
    }

    /// Its memory.
    ///
    /// # Errors
    ///
    /// Returns an error when it has exited.
    pub fn memory(&self) -> Result<MemoryUse> {
        usage::memory(&[self.pid])
    }

    /// Stops the server and waits for its exit.
    pub async fn stop(mut self) {
        // A server that has exited cannot be killed.
        self.child.kill().await.ok();
    }
}
