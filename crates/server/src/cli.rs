//! The command line of `hutong-server`.

#[cfg(feature = "acme")]
mod acme;
mod entry;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use hutong_protocol::{IceServer, limits};
use hutong_server::{BindError, DEFAULT_PORT, Options, TaskFailure, TicketKey, TicketKeyError, Tls, TlsError};
use tracing_subscriber::filter::Targets;

use crate::log::LogFormat;
pub(crate) use entry::hash_password;

/// Hutong's server: shows who is online, sets up calls between them, and serves the web app.
///
/// Open the address that it prints in a browser. Media goes from person to person and never through the server.
#[derive(Debug, Parser)]
#[command(name = "hutong-server", version, after_long_help = EXAMPLES, max_term_width = 100,
          args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Something else than running the server.
    #[command(subcommand)]
    pub(crate) task: Option<Task>,

    /// Where to listen; may be given several times
    ///
    /// 127.0.0.1 is reached from this machine alone. 0.0.0.0 is every IPv4 address of the machine, [::] every IPv6 address.
    /// Port 0 takes a free port, which is printed.
    #[arg(long, short, value_name = "ADDR:PORT", env = "HUTONG_LISTEN", value_delimiter = ' ',
          default_values_t = [SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT))])]
    listen: Vec<SocketAddr>,

    /// How many users may be online at once
    #[arg(long, value_name = "N", env = "HUTONG_MAX_USERS", default_value_t = 10_000)]
    max_users: u32,

    /// Up to how many users online everybody is shown everybody
    ///
    /// Past it each client is shown a part: favourites, whom it searches for, and who came last; everybody can still be found and
    /// called. What a change costs the server and the network grows with how many are shown it.
    #[arg(long, value_name = "N", env = "HUTONG_WHOLE_ROSTER", default_value_t = limits::WHOLE_ROSTER)]
    whole_roster: usize,

    /// A STUN or TURN server for the clients; may be given several times
    ///
    /// Written as URL or URL,USER,CREDENTIAL, for example stun:stun.example.org:3478 or
    /// turns:turn.example.org:5349?transport=tcp,alice,s3cret. Without any, people on one network reach each other, but not
    /// through most home routers. Everybody who logs in is told the credential. Other users of this machine can read command
    /// lines: the variable, with several servers separated by spaces, keeps it from them.
    #[arg(long = "ice-server", value_name = "URL[,USER,CREDENTIAL]", env = "HUTONG_ICE_SERVERS", value_delimiter = ' ',
          hide_env_values = true, value_parser = ice_server)]
    ice_servers: Vec<IceServer>,

    /// Keep the key that tickets are signed with in this file
    ///
    /// It is made if there is none, readable by its owner alone. With it, users and their calls survive a restart of the
    /// server. Without it, each start has a new random key. A file with several keys, one in each line, signs with the first and
    /// takes tickets of the others too; it is read again on SIGHUP. So to change the key, put a new one on top, send SIGHUP, and
    /// take the old one out after 24 hours.
    #[arg(long, value_name = "FILE", env = "HUTONG_TICKET_KEY_FILE")]
    ticket_key_file: Option<PathBuf>,

    /// The key itself, in place of a file: 64 hexadecimal digits
    ///
    /// Other users of this machine can read command lines: give it as the variable. Several, separated by spaces, are as
    /// several in a file. Then --ticket-key-file is passed over.
    #[arg(long, value_name = "KEY", env = "HUTONG_TICKET_KEY", hide_env_values = true)]
    ticket_key: Option<String>,

    /// Answer https too, with a certificate that the server makes and keeps in this directory
    ///
    /// Browsers give camera and microphone only to https pages and to localhost. They warn once about such a certificate; the
    /// fingerprint to compare is printed. http is answered on the same port.
    #[arg(long, value_name = "DIR", env = "HUTONG_SELF_SIGNED", conflicts_with = "tls_cert")]
    self_signed: Option<PathBuf>,

    /// A host name or address that the self-signed certificate is for; may be given several times
    ///
    /// The addresses of --listen are covered without being named, except 0.0.0.0 and [::], which are none.
    #[arg(
        long = "self-signed-name",
        value_name = "NAME",
        env = "HUTONG_SELF_SIGNED_NAMES",
        value_delimiter = ' ',
        requires = "self_signed"
    )]
    self_signed_names: Vec<String>,

    /// Answer https too, with this certificate chain (PEM)
    ///
    /// Where the files change, new connections are shown the new certificate, within ten seconds; on Unix at once after a SIGHUP.
    #[arg(long, value_name = "FILE", env = "HUTONG_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", env = "HUTONG_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    #[cfg(feature = "acme")]
    #[command(flatten)]
    acme: acme::AcmeArgs,

    /// Let pages of this origin open the WebSocket too; may be given several times
    ///
    /// For a web app that is served from elsewhere, for example https://hutong.example.org. The server's own page and the apps
    /// need nothing.
    #[arg(long = "allow-origin", value_name = "ORIGIN", env = "HUTONG_ALLOW_ORIGINS", value_delimiter = ' ')]
    allow_origins: Vec<String>,

    /// Answer /metrics here, in Prometheus' text format
    ///
    /// On a port of its own, since the numbers tell when how many people call each other: keep it to loopback
    /// (127.0.0.1:8018), or to a network that only you watch from.
    #[arg(long, value_name = "ADDR:PORT", env = "HUTONG_METRICS")]
    metrics: Option<SocketAddr>,

    /// After SIGTERM, tell clients to come back over this many seconds
    ///
    /// Evenly, one after the other, so that they do not all come back in the same moment; meanwhile nobody can log in, and
    /// /readyz says so. Calls go on: their clients claim them at the server that comes next, which has to happen within 30
    /// seconds. A second signal tells those who are left at once, as Ctrl-C does; one more ends everything.
    #[arg(long, value_name = "N", env = "HUTONG_DRAIN_SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(0..=10))]
    pub(crate) drain_seconds: u64,

    /// How a line of the log looks
    #[arg(long, value_name = "FORMAT", env = "HUTONG_LOG_FORMAT", default_value = "human")]
    pub(crate) log_format: LogFormat,

    #[command(flatten)]
    entry: entry::EntryArgs,

    /// What to write to stderr: error, warn, info, debug or trace, or a list such as warn,hutong_server=debug
    #[arg(long, value_name = "FILTER", env = "HUTONG_LOG", default_value = "info")]
    pub(crate) log: Targets,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Read a password from the terminal or the input, and print a line for --users-file
    HashPassword {
        /// Whose it is
        name: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  hutong-server
      On this machine alone: http://localhost:8017/

  hutong-server --listen 0.0.0.0:8017 --self-signed ~/.hutong --self-signed-name 192.168.1.20
      For a network at home or in an office: https://192.168.1.20:8017/

  hutong-server --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem \\
      --ice-server stun:stun.example.org:3478 --ticket-key-file /var/lib/hutong/ticket-key
      For everybody: https://your.domain/

  hutong-server --listen 0.0.0.0:443 --acme your.domain --acme-cache /var/lib/hutong
      The same, with a certificate that the server gets and renews by itself.

  hutong-server hash-password Ana >> users
      A name and its password for --users-file

Behind a proxy that does TLS, keep to http on loopback, name the proxy with --trusted-proxy, and let it pass on the Host header and
WebSockets at /ws.
Ctrl-C or SIGTERM stops the server; clients are told, and come back by themselves after a restart.
GET /healthz is answered as long as the server runs, GET /readyz with 200 only while somebody new could log in.";

impl Cli {
    /// Where the ticket key is read from, unless it is given.
    pub(crate) fn ticket_key_file_in_use(&self) -> Option<&Path> {
        self.ticket_key_file.as_deref().filter(|_| self.ticket_key.is_none())
    }

    /// Reads the files that the options name.
    pub(crate) fn into_options(self) -> Result<Options, RunError> {
        let tls = match (self.self_signed, self.tls_cert, self.tls_key) {
            (Some(directory), ..) => {
                let listened = self.listen.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified());
                let mut names = self.self_signed_names;
                names.extend(listened.map(|address| address.to_string()));
                Some(Tls::self_signed(&directory, &names)?)
            }
            (None, Some(certificates), Some(key)) => Some(Tls::from_pem_files(&certificates, &key)?),
            #[cfg(feature = "acme")]
            _ => self.acme.tls()?,
            #[cfg(not(feature = "acme"))]
            _ => None,
        };
        let ticket_key = match (&self.ticket_key, &self.ticket_key_file) {
            (Some(keys), _) => Some(TicketKey::parse(keys)?),
            (None, file) => file.as_deref().map(TicketKey::from_file).transpose()?,
        };
        Ok(Options {
            listen: self.listen,
            tls,
            max_users: self.max_users as usize,
            whole_roster: self.whole_roster,
            ice_servers: self.ice_servers,
            ticket_key,
            allow_origins: self.allow_origins,
            metrics: self.metrics,
            entry: self.entry.into_options(),
            ..Options::default()
        })
    }
}

/// Why the program does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the ticket key: {0}")]
    TicketKey(#[from] TicketKeyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    #[error(transparent)]
    Failed(#[from] TaskFailure),
}

fn ice_server(text: &str) -> Result<IceServer, String> {
    let (scheme, _) = text.split_once(':').ok_or("a STUN or TURN URL begins with stun:, stuns:, turn: or turns:")?;
    let mut parts = text.splitn(3, ',');
    let url = parts.next().unwrap_or_default().to_owned();
    let (username, credential) = (parts.next().map(str::to_owned), parts.next().map(str::to_owned));
    match (scheme, &username, &credential) {
        ("stun" | "stuns", None, None) | ("turn" | "turns", Some(_), Some(_)) => {
            Ok(IceServer { urls: vec![url], username, credential })
        }
        ("stun" | "stuns", ..) => Err("a STUN server takes no user and credential".into()),
        ("turn" | "turns", ..) => Err("a TURN server needs both: URL,USER,CREDENTIAL".into()),
        _ => Err("a STUN or TURN URL begins with stun:, stuns:, turn: or turns:".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_arguments_it_listens_on_loopback() {
        let options = Cli::parse_from(["hutong-server"]).into_options().unwrap();
        assert_eq!(options.listen, [SocketAddr::from(([127, 0, 0, 1], 8017))]);
        assert!(options.tls.is_none());
    }

    #[test]
    fn ice_servers_are_read_with_their_credentials() {
        let turn = ice_server("turn:turn.example.org:3478?transport=udp,alice,s3,cret").unwrap();
        assert_eq!(turn.urls, ["turn:turn.example.org:3478?transport=udp"]);
        assert_eq!((turn.username.as_deref(), turn.credential.as_deref()), (Some("alice"), Some("s3,cret")));
        assert_eq!(ice_server("stun:stun.example.org").unwrap().username, None);
        for bad in ["", "example.org", "http://example.org", "turn:example.org", "turn:example.org,alice", "stun:a,b,c"]
        {
            assert!(ice_server(bad).is_err(), "{bad}");
        }
    }
}
