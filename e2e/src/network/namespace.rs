//! Linux network namespace with its own interfaces, and relays between its loopback and ours.

use std::{
    cell::OnceCell,
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    os::fd::AsRawFd,
    process::Stdio,
    rc::Rc,
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

use super::authority::Authority;
use crate::{Context, Result, TcpProxy, anyhow, bail, paths};

/// Time limit for a program to listen.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(20);

/// A network namespace with only loopback in it, until an [`EmulatedLink`](super::EmulatedLink) is connected. The
/// kernel removes it when this value and the programs in it are gone.
#[derive(Debug)]
pub struct Namespace {
    name: &'static str,
    file: File,
    trusted: OnceCell<Rc<Authority>>,
}

impl Namespace {
    /// Creates a namespace; the name is for error messages.
    ///
    /// # Errors
    ///
    /// Returns an error when this process lacks the permission.
    pub async fn new(name: &'static str) -> Result<Self> {
        paths::installed_program(&["ip"], "`apt-get install iproute2`")?;
        let unshare = paths::installed_program(&["unshare"], "`apt-get install util-linux`")?;
        let created = tokio::task::spawn_blocking(move || create_namespace(&unshare)).await?;
        let file = created.with_context(|| {
            format!(
                "cannot create network namespace {name}: run the tests as root, or under `unshare -Urn` where that is allowed"
            )
        })?;
        Ok(Self { name, file, trusted: OnceCell::new() })
    }

    /// Name used in error messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Makes programs that are started from now on trust an authority and find its host.
    ///
    /// # Errors
    ///
    /// Returns an error when they trust another one already.
    pub fn trust(&self, authority: &Rc<Authority>) -> Result<()> {
        self.trusted.set(authority.clone()).map_err(|_| anyhow!("namespace {} trusts another authority", self.name))
    }

    /// Command that runs a program inside the namespace.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())).arg("--");
        if let Some(authority) = self.trusted.get() {
            // `exec` keeps the process ID.
            let script = r#"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#;
            command.args(["unshare", "--mount", "sh", "-c", script]).arg(authority.hosts_file());
            command.arg(authority.resolver_file());
            command.env("HOME", authority.home()).env("SSL_CERT_FILE", authority.root_file());
        }
        command.arg(program);
        command
    }

    /// Runs `act` on a thread inside the namespace: a socket belongs to the namespace that it was created in.
    ///
    /// # Errors
    ///
    /// Returns the error of `act`, or of entering the namespace.
    pub async fn run_inside<T: Send + 'static>(&self, act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let handle = self.handle()?;
        let (done, outcome) = oneshot::channel();
        thread::spawn(move || {
            // The receiver is gone when the caller was cancelled.
            let _ = done.send(handle.enter().and_then(|()| act()));
        });
        outcome.await.context("the thread in the namespace exited")?
    }

    /// A port of its loopback that was free a moment ago.
    ///
    /// # Errors
    ///
    /// Returns an error when no port is free.
    pub async fn free_port(&self) -> Result<u16> {
        self.run_inside(|| Ok(StdListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())).await
    }

    /// Waits until a program listens on this port of its loopback.
    ///
    /// # Errors
    ///
    /// Returns an error when none does within 20 s.
    pub async fn wait_for_listener(&self, port: u16) -> Result<()> {
        let connects =
            || self.run_inside(move || Ok(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()));
        let mut attempts = interval(Duration::from_millis(20));
        let waiting = async {
            while !connects().await? {
                attempts.tick().await;
            }
            Ok(())
        };
        timeout(LISTEN_TIMEOUT, waiting)
            .await
            .with_context(|| format!("no program listens on port {port} in namespace {}", self.name))?
    }

    /// Forwards a new local port outside to this port of its loopback.
    ///
    /// # Errors
    ///
    /// Returns an error when no port is free outside, or entering the namespace fails.
    pub async fn expose_port(&self, port: u16) -> Result<PortForward> {
        let handle = self.handle()?;
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (open, opened) = oneshot::channel();
        let (closed, closing) = oneshot::channel();
        thread::spawn(move || {
            let runtime =
                handle.enter().and_then(|()| Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?));
            match runtime {
                Ok(runtime) => {
                    // The receiver is gone when the caller was cancelled.
                    let _ = open.send(Ok(()));
                    runtime.block_on(async {
                        tokio::select! {
                            () = forward_connections(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, port))) => {}
                            _ = closing => {}
                        }
                    });
                }
                Err(error) => {
                    let _ = open.send(Err(error));
                }
            }
        });
        opened.await.context("the thread in the namespace exited")??;
        Ok(PortForward { address, _closed: closed })
    }

    /// Forwards a new port of its loopback to this address outside.
    ///
    /// # Errors
    ///
    /// Returns an error when no port is free inside, or entering the namespace fails.
    pub async fn forward_into(&self, outside: SocketAddr) -> Result<TcpProxy> {
        let listener = self.run_inside(|| Ok(StdListener::bind((Ipv4Addr::LOCALHOST, 0))?)).await?;
        listener.set_nonblocking(true)?;
        TcpProxy::with_listener(TcpListener::from_std(listener)?, outside)
    }

    /// A handle with which a thread can enter.
    pub(super) fn handle(&self) -> Result<NamespaceHandle> {
        Ok(NamespaceHandle { file: self.file.try_clone()?, name: self.name })
    }
}

/// Handle with which a thread enters a namespace.
#[derive(Debug)]
pub(super) struct NamespaceHandle {
    file: File,
    name: &'static str,
}

impl NamespaceHandle {
    /// Moves the calling thread into the namespace for the rest of its life.
    #[cfg(target_os = "linux")]
    pub(super) fn enter(&self) -> Result<()> {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        use std::os::fd::AsFd;
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("entering namespace {}", self.name))
    }

    /// Only Linux has network namespaces.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn enter(&self) -> Result<()> {
        let _ = &self.file;
        bail!("cannot enter namespace {}: this system has none", self.name)
    }
}

/// RAII guard of a port outside that forwards into the namespace. Dropping it closes the port.
#[derive(Debug)]
pub struct PortForward {
    address: SocketAddr,
    _closed: oneshot::Sender<()>,
}

impl PortForward {
    /// Its address, outside.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn forward_connections(listener: StdListener, to: SocketAddr) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // Dropped with this future, which closes the connections.
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

/// Creates a namespace by a helper program, because a process cannot move itself into one without unsafe code. The
/// program exits at the end of its input, also when this process is killed.
fn create_namespace(unshare: &std::path::Path) -> Result<File> {
    let mut helper = std::process::Command::new(unshare)
        .args(["--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = helper.stdout.take().ok_or_else(|| anyhow!("no output"))?;
    BufReader::new(stdout).read_line(&mut line)?;
    let file = File::open(format!("/proc/{}/ns/net", helper.id()));
    let output = helper.wait_with_output()?;
    if line.trim() != "ready" {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(file?)
}
