//! The servers that are measured, each a process of its own.

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
    echo_baseline::{HELD_BUFFER, READ_AT_ONCE},
    link::Target,
    speak::Protocol,
    usage,
};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Users that no server of a run is to be full with.
const ROOM: &str = "1000000";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Ours as it is: past a thousand users, everybody is shown the part that they watch.
    Ours,
    /// The same in TLS.
    OursTls,
    /// Ours, told to show everybody to everybody, however many there are.
    OursWhole,
    /// The same in TLS.
    OursWholeTls,
    /// Node, express and socket.io.
    Old,
    /// PeerJS's server.
    PeerJs,
    /// matchbox_signaling, where everybody in a room is told of who comes later.
    MatchboxMesh,
    /// matchbox_signaling, where only the first is told.
    MatchboxHost,
    /// The echo baseline, with a read buffer of what our server reads at once: for processor time and latency.
    Echo,
    /// The echo baseline, with the read buffer that our server's connections hold: for memory.
    EchoIdle,
}

impl Subject {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ours => "Hutong",
            Self::OursTls => "Hutong, TLS",
            Self::OursWhole => "Hutong, everybody shown",
            Self::OursWholeTls => "Hutong, everybody shown, TLS",
            Self::Old => "old design (Node, socket.io)",
            Self::PeerJs => "PeerJS's server",
            Self::MatchboxMesh => "matchbox_signaling",
            Self::MatchboxHost => "matchbox_signaling, one host",
            Self::Echo => "bare tokio-tungstenite echo",
            Self::EchoIdle => "bare tokio-tungstenite echo, 128-byte buffer",
        }
    }

    /// What it speaks.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Ours | Self::OursTls | Self::OursWhole | Self::OursWholeTls => Protocol::Hutong,
            Self::Old => Protocol::Old,
            Self::PeerJs => Protocol::PeerJs,
            Self::MatchboxMesh | Self::MatchboxHost => Protocol::Matchbox,
            Self::Echo | Self::EchoIdle => Protocol::Echo,
        }
    }

    const fn is_tls(self) -> bool {
        matches!(self, Self::OursTls | Self::OursWholeTls)
    }
}

/// Where the programs are. What is not there is not measured.
#[derive(Clone, Debug)]
pub struct Programs {
    /// This one, for workers and for the echo baseline.
    pub own: PathBuf,
    /// Ours.
    pub hutong: Option<PathBuf>,
    /// The folder with the scripts and what npm installed.
    pub node: Option<PathBuf>,
    /// That of bench/servers/matchbox.
    pub matchbox: Option<PathBuf>,
    /// For certificates.
    pub scratch: PathBuf,
}

impl Programs {
    /// Whether it can be measured.
    #[must_use]
    pub fn have(&self, subject: Subject) -> bool {
        match subject.protocol() {
            Protocol::Hutong => self.hutong.is_some(),
            Protocol::Old | Protocol::PeerJs => self.node.is_some(),
            Protocol::Matchbox => self.matchbox.is_some(),
            Protocol::Echo => true,
        }
    }

    fn command(&self, subject: Subject, address: SocketAddr) -> Result<Command> {
        let missing = || format!("{} is not there", subject.words());
        let at = address.to_string();
        let mut command = match subject.protocol() {
            Protocol::Hutong => {
                let mut command = Command::new(self.hutong.as_ref().with_context(missing)?);
                command.args(["--listen", &at, "--max-users", ROOM, "--log", "warn"]);
                if matches!(subject, Subject::OursWhole | Subject::OursWholeTls) {
                    command.args(["--whole-roster", ROOM]);
                }
                if subject.is_tls() {
                    command.arg("--self-signed").arg(&self.scratch);
                }
                command
            }
            Protocol::Old | Protocol::PeerJs => {
                let script = if subject == Subject::Old { "old.mjs" } else { "peer.mjs" };
                let mut command = Command::new("node");
                command.arg(self.node.as_ref().with_context(missing)?.join(script)).arg(&at);
                command.env("NODE_ENV", "production");
                command
            }
            Protocol::Matchbox => {
                let mut command = Command::new(self.matchbox.as_ref().with_context(missing)?);
                command
                    .args([at.as_str(), if subject == Subject::MatchboxMesh { "full-mesh" } else { "client-server" }]);
                command
            }
            Protocol::Echo => {
                let mut command = Command::new(&self.own);
                let read_buffer = if subject == Subject::EchoIdle { HELD_BUFFER } else { READ_AT_ONCE };
                command.args(["echo", &at, &read_buffer.to_string()]);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: u32,
    /// How it is reached.
    pub target: Target,
}

impl Server {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn start(programs: &Programs, subject: Subject) -> Result<Self> {
        let address = free_address()?;
        let words = subject.words();
        let mut child =
            programs.command(subject, address)?.spawn().with_context(|| format!("{words} does not start"))?;
        let pid = child.id().with_context(|| format!("{words} is gone"))?;
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("{words} ended with {status} before it listened");
            }
            if begun.elapsed() > PATIENCE {
                bail!("{words} does not listen");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, pid, target: Target { address, tls: subject.is_tls() } })
    }

    /// Its process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Seconds of processor that it has used.
    #[must_use]
    pub fn processor(&self) -> f64 {
        usage::processor(&[self.pid])
    }

    /// Ends it, and waits until it is gone.
    pub async fn end(mut self) {
        // One that has ended by itself needs no ending.
        self.child.kill().await.ok();
    }
}

/// Asked of the system, and given back for the server to take: not every server can tell which port it took.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
