//! Reverse proxies in front of the server, configured by the examples in docs/DEPLOY.md.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command, time::interval};

use crate::{Context, Result, anyhow, desktop::free_port, paths, process::ChildProcess};

/// Time limit for a proxy to listen.
const START_TIMEOUT: Duration = Duration::from_secs(20);

const DEPLOY: &str = include_str!("../../docs/DEPLOY.md");

/// The address of the server in the examples.
const EXAMPLE_SERVER: &str = "127.0.0.1:8017";

/// A reverse proxy program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProgram {
    /// nginx.
    Nginx,
    /// `HAProxy`.
    HaProxy,
    /// Caddy.
    Caddy,
    /// Apache httpd.
    Apache,
}

/// Where a proxy serves Hutong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFolder {
    /// At `/`.
    Root,
    /// At `/hutong/`.
    Hutong,
}

impl ProxyFolder {
    /// The path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Hutong => "/hutong/",
        }
    }
}

/// A running reverse proxy on a loopback port. Dropping it kills the program.
#[derive(Debug)]
pub struct ReverseProxy {
    process: ChildProcess,
    port: u16,
    folder: ProxyFolder,
    _directory: TempDir,
}

impl ReverseProxy {
    /// Starts a proxy with the example for it in docs/DEPLOY.md, after `edit`.
    ///
    /// # Errors
    ///
    /// Returns an error when the program is not installed or does not listen, or docs/DEPLOY.md has no example.
    pub async fn start(
        program: ProxyProgram,
        server: SocketAddr,
        folder: ProxyFolder,
        edit: impl Fn(&str) -> String,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let port = free_port().await?;
        let example = edit(&program.example(folder)?).replace(EXAMPLE_SERVER, &server.to_string());
        let file = directory.path().join("proxy.conf");
        fs::write(&file, program.configuration(&example, port, directory.path()))?;
        let mut command = program.command(&file)?;
        command.env("HOME", directory.path());
        let process = ChildProcess::spawn(program.name(), &mut command)?;
        let proxy = Self { process, port, folder, _directory: directory };
        proxy.wait_until_listening().await?;
        Ok(proxy)
    }

    /// URL to open in a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.folder.path())
    }

    async fn wait_until_listening(&self) -> Result<()> {
        let mut attempts = interval(Duration::from_millis(20));
        let listening = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                attempts.tick().await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, listening)
            .await
            .with_context(|| format!("{} does not listen\n{}", self.process.name(), self.process.log().text()))
    }
}

/// The host name that a Caddyfile begins with.
fn example_host(example: &str) -> &str {
    example.split_whitespace().next().unwrap_or_default()
}

impl ProxyProgram {
    const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Apache => "apache2",
        }
    }

    /// Language of its examples' fenced code blocks.
    const fn language(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddyfile",
            Self::Apache => "apache",
        }
    }

    /// The example: the first block of its language is for `/`, the second for `/hutong/`.
    fn example(self, folder: ProxyFolder) -> Result<String> {
        let fence = format!("```{}\n", self.language());
        let mut blocks = DEPLOY.split(&fence).skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block);
        let block = match folder {
            ProxyFolder::Root => blocks.next(),
            ProxyFolder::Hutong => blocks.nth(1),
        };
        block.map(str::to_owned).ok_or_else(|| anyhow!("docs/DEPLOY.md has no {} for {folder:?}", fence.trim()))
    }

    /// A whole configuration around the example, as Debian's packages have it, on an unprivileged port without TLS.
    fn configuration(self, example: &str, port: u16, directory: &Path) -> String {
        let directory = directory.display();
        match self {
            Self::Nginx => format!(
                "daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
                 access_log off;\nclient_body_temp_path {directory}/body;\nproxy_temp_path {directory}/proxy;\n\
                 fastcgi_temp_path {directory}/fastcgi;\nuwsgi_temp_path {directory}/uwsgi;\n\
                 scgi_temp_path {directory}/scgi;\nserver {{\nlisten 127.0.0.1:{port};\n{example}\n}}\n}}\n"
            ),
            Self::HaProxy => {
                let example =
                    example.replace("bind :443 ssl crt /etc/haproxy/certs/", &format!("bind 127.0.0.1:{port}"));
                format!("defaults\n    timeout connect 5s\n    timeout client 50s\n    timeout server 50s\n\n{example}")
            }
            Self::Caddy => {
                format!(
                    "{{\n    admin off\n}}\n{}",
                    example.replace(example_host(example), &format!("http://127.0.0.1:{port}"))
                )
            }
            Self::Apache => {
                let modules = ["mpm_event", "authz_core", "proxy", "proxy_http"];
                let load: String = modules
                    .iter()
                    .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
                    .collect();
                format!(
                    "ServerRoot {directory}\nServerName 127.0.0.1\nListen 127.0.0.1:{port}\nPidFile {directory}/pid\n\
                     DefaultRuntimeDir {directory}\nErrorLog /dev/stderr\nUser nobody\nGroup nogroup\n{load}{example}"
                )
            }
        }
    }

    fn command(self, file: &Path) -> Result<Command> {
        let program = paths::installed_program(&[self.name()], &format!("`apt-get install {}`", self.name()))?;
        let mut command = Command::new(program);
        match self {
            Self::Nginx => command.arg("-p").arg(file.with_file_name("")).arg("-c").arg(file),
            Self::HaProxy => command.arg("-db").arg("-f").arg(file),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file),
            Self::Apache => command.args(["-D", "FOREGROUND", "-f"]).arg(file),
        };
        Ok(command)
    }
}
