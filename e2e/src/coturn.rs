//! coturn, a TURN server that others wrote, as a child process.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::{Result, network::Namespace, paths, process::ChildProcess};

/// A coturn whose credentials are signed with a shared secret. Dropping it kills it.
#[derive(Debug)]
pub struct Coturn {
    _process: ChildProcess,
    _folder: TempDir,
}

impl Coturn {
    /// Starts it in a namespace, on UDP and TCP of this IPv4 address and of loopback.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not installed or does not start.
    pub async fn start_in(namespace: &Namespace, address: SocketAddr, secret: &str) -> Result<Self> {
        let program = paths::installed_program(&["turnserver"], "`apt-get install coturn`")?;
        let folder = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let mut command = namespace.command(program);
        command
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file=stdout", "--simple-log", "--realm=hutong"])
            .arg(format!("--listening-ip={}", address.ip()))
            .args(["--listening-ip=127.0.0.1", "--min-port=50000", "--max-port=50999"])
            .arg(format!("--relay-ip={}", address.ip()))
            .arg(format!("--listening-port={}", address.port()))
            .args(["--use-auth-secret", &format!("--static-auth-secret={secret}")])
            .arg(format!("--pidfile={}", folder.path().join("pid").display()))
            .arg(format!("--userdb={}", folder.path().join("db").display()));
        let process = ChildProcess::spawn("turnserver", &mut command)?;
        namespace.wait_for_listener(address.port()).await?;
        Ok(Self { _process: process, _folder: folder })
    }
}
