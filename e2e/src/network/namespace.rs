//! A network namespace: a place with interfaces of its own, and none of this machine's.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    os::fd::AsRawFd,
    process::Stdio,
    thread,
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::Command,
    sync::oneshot,
    task::JoinSet,
    time::{interval, timeout},
};

use crate::{Context, Proxy, Result, anyhow, bail, paths};

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(20);

/// A network namespace with nothing but loopback in it, until a [`Link`](super::Link) is made. It is gone with this value and
/// the programs that run in it.
#[derive(Debug)]
pub struct Namespace {
    name: &'static str,
    file: File,
}

impl Namespace {
    /// Makes one. The name is for reports.
    ///
    /// # Errors
    ///
    /// When this process may not.
    pub async fn new(name: &'static str) -> Result<Self> {
        paths::installed(&["ip"], "`apt-get install iproute2`")?;
        let unshare = paths::installed(&["unshare"], "`apt-get install util-linux`")?;
        let made = tokio::task::spawn_blocking(move || made_by(&unshare)).await?;
        let file = made.with_context(|| {
            format!(
                "no network namespace {name}: be root, or run the tests under `unshare -Urn`, where that is allowed"
            )
        })?;
        Ok(Self { name, file })
    }

    /// What it is called in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The command that runs a program in it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())).arg("--").arg(program);
        command
    }

    /// Does something on a thread that is in it: a socket belongs to the namespace that it was made in.
    ///
    /// # Errors
    ///
    /// What `act` says, or when the thread cannot get in.
    pub async fn within<T: Send + 'static>(&self, act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let entrance = self.entrance()?;
        let (done, outcome) = oneshot::channel();
        thread::spawn(move || {
            // Nobody waits any more where the receiver is gone.
            let _ = done.send(entrance.enter().and_then(|()| act()));
        });
        outcome.await.context("the thread in the namespace ended")?
    }

    /// A port of its loopback that was free a moment ago.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn free_port(&self) -> Result<u16> {
        self.within(|| Ok(StdListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())).await
    }

    /// Waits until something listens on this port of its loopback.
    ///
    /// # Errors
    ///
    /// When nothing does within 20 s.
    pub async fn listening(&self, port: u16) -> Result<()> {
        let connects = || self.within(move || Ok(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()));
        let mut attempts = interval(Duration::from_millis(20));
        let waiting = async {
            while !connects().await? {
                attempts.tick().await;
            }
            Ok(())
        };
        timeout(START, waiting).await.with_context(|| format!("nothing listens on port {port} in {}", self.name))?
    }

    /// Makes a port of its loopback reachable from outside.
    ///
    /// # Errors
    ///
    /// When there is no port outside, or no thread gets in.
    pub async fn expose(&self, port: u16) -> Result<Door> {
        let entrance = self.entrance()?;
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (open, opened) = oneshot::channel();
        let (closed, closing) = oneshot::channel();
        thread::spawn(move || {
            let runtime = entrance
                .enter()
                .and_then(|()| Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?));
            match runtime {
                Ok(runtime) => {
                    // Nobody waits any more where the receiver is gone.
                    let _ = open.send(Ok(()));
                    runtime.block_on(async {
                        tokio::select! {
                            () = carry(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, port))) => {}
                            _ = closing => {}
                        }
                    });
                }
                Err(error) => {
                    let _ = open.send(Err(error));
                }
            }
        });
        opened.await.context("the thread in the namespace ended")??;
        Ok(Door { address, _closed: closed })
    }

    /// Makes something outside reachable on a port of its loopback.
    ///
    /// # Errors
    ///
    /// When there is no port inside, or no thread gets in.
    pub async fn bring(&self, outside: SocketAddr) -> Result<Proxy> {
        let listener = self.within(|| Ok(StdListener::bind((Ipv4Addr::LOCALHOST, 0))?)).await?;
        listener.set_nonblocking(true)?;
        Proxy::on(TcpListener::from_std(listener)?, outside)
    }

    /// The way in, for a thread.
    pub(super) fn entrance(&self) -> Result<Entrance> {
        Ok(Entrance { file: self.file.try_clone()?, name: self.name })
    }
}

/// The way into a namespace.
#[derive(Debug)]
pub(super) struct Entrance {
    file: File,
    name: &'static str,
}

impl Entrance {
    /// Puts this thread inside, until it ends.
    #[cfg(target_os = "linux")]
    pub(super) fn enter(&self) -> Result<()> {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        use std::os::fd::AsFd;
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("entering {}", self.name))
    }

    /// Only Linux has such namespaces.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn enter(&self) -> Result<()> {
        let _ = &self.file;
        bail!("no way into {} on this system", self.name)
    }
}

/// A port outside that leads inside. It shuts with this value.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    _closed: oneshot::Sender<()>,
}

impl Door {
    /// Where it is, outside.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn carry(listener: StdListener, to: SocketAddr) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // Dropped with this, and with it the connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((mut outer, _)) = accepted else { return };
                connections.spawn(async move {
                    let mut inner = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut outer, &mut inner).await
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A fresh namespace, made by a program, since a process cannot move itself into one without unsafe code. The program ends at
/// the end of its input, also when this process is killed.
fn made_by(unshare: &std::path::Path) -> Result<File> {
    let mut maker = std::process::Command::new(unshare)
        .args(["--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = maker.stdout.take().ok_or_else(|| anyhow!("no output"))?;
    BufReader::new(stdout).read_line(&mut line)?;
    let file = File::open(format!("/proc/{}/ns/net", maker.id()));
    let output = maker.wait_with_output()?;
    if line.trim() != "ready" {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(file?)
}
