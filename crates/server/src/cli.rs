//! Command line of `hutong-server`.

#![expect(clippy::doc_markdown, reason = "doc comments here are the text of --help, which would show the backticks")]

#[cfg(feature = "acme")]
mod acme;
mod admission;
mod turn;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use hutong_protocol::{IceServer, limits};
use hutong_server::{
    BindError, DEFAULT_PORT, HostName, Options, TaskFailure, TicketKey, TicketKeyError, Tls, TlsError, TurnSecretError,
    revocation_file_beside,
};
use tracing_subscriber::filter::Targets;

use crate::log::LogFormat;
pub(crate) use admission::hash_password;

/// Hutong's signalling server: shows users who is online, sets up calls between them, and serves the web app
///
/// Open the listening address in a browser. Media flows between the devices of a call; where they find no direct path, the server
/// relays it, encrypted from end to end.
#[derive(Debug, Parser)]
#[command(name = "hutong-server", version, after_long_help = EXAMPLES, max_term_width = 100,
          args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Without a command, the program runs the server.
    #[command(subcommand)]
    pub(crate) command: Option<CliCommand>,

    /// Address to listen on; repeatable
    ///
    /// 127.0.0.1 accepts connections from this machine only, 0.0.0.0 on every IPv4 address of the machine, [::] on every IPv6
    /// address. Port 0 selects a free port, which is logged.
    #[arg(long, short, value_name = "ADDR:PORT", env = "HUTONG_LISTEN", value_delimiter = ' ',
          default_values_t = [SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT))])]
    listen: Vec<SocketAddr>,

    /// Largest number of online users; further logins are refused
    #[arg(long, value_name = "N", env = "HUTONG_MAX_USERS", default_value_t = 10_000)]
    max_users: u32,

    /// Number of online users up to which every client receives the whole roster
    ///
    /// Beyond, each client receives a part: its favourites, its search results and the latest logins. All users can still be
    /// found and called. The cost of a presence change grows with the number of clients that receive it.
    #[arg(long, value_name = "N", env = "HUTONG_WHOLE_ROSTER", default_value_t = limits::WHOLE_ROSTER_USERS)]
    whole_roster: usize,

    /// STUN or TURN server for the clients; repeatable
    ///
    /// Beside the server's own, see --turn. Format: URL or URL,USER,CREDENTIAL, for example stun:stun.example.org:3478 or
    /// turns:turn.example.org:5349?transport=tcp,alice,s3cret. Every user who logs in receives the credential; with
    /// --turn-secret-file, leave USER and CREDENTIAL away, and each user receives credentials of their own. Command lines are visible
    /// to other users of this machine; the environment variable, with spaces between several servers, is not.
    #[arg(long = "ice-server", value_name = "URL[,USER,CREDENTIAL]", env = "HUTONG_ICE_SERVERS", value_delimiter = ' ',
          hide_env_values = true, value_parser = ice_server)]
    ice_servers: Vec<IceServer>,

    /// File for the key that signs session and call tickets
    ///
    /// Created if missing, readable by its owner only. With this file, sessions and calls survive a restart of the server; without
    /// it, each start generates a random key. The file may contain several keys, one a line: the first one signs, and tickets of
    /// the others are still accepted. SIGHUP reloads the file. To rotate the key, insert a new one as the first line, send SIGHUP,
    /// and remove the old one after 24 hours.
    #[arg(long, value_name = "FILE", env = "HUTONG_TICKET_KEY_FILE")]
    ticket_key_file: Option<PathBuf>,

    /// Ticket key itself, instead of a file: 64 hexadecimal digits
    ///
    /// Use the environment variable: command lines are visible to other users of this machine. Several keys, separated by spaces,
    /// work as in a file. Overrides --ticket-key-file.
    #[arg(long, value_name = "KEY", env = "HUTONG_TICKET_KEY", hide_env_values = true)]
    ticket_key: Option<String>,

    /// File of the tickets that a logout or a changed secret has revoked
    ///
    /// Created if missing, for one server alone. Without it, the file of --ticket-key-file with .revoked appended; with
    /// --ticket-key and without a file, revoked tickets are valid again after a restart, for at most 24 hours.
    #[arg(long, value_name = "FILE", env = "HUTONG_REVOCATION_FILE")]
    revocation_file: Option<PathBuf>,

    /// Accept https too, with a self-signed certificate that the server stores in this directory
    ///
    /// Browsers grant camera and microphone only to https pages and to localhost. They warn once about such a certificate; the
    /// server logs the fingerprint to compare. http stays available on the same port.
    #[arg(long, value_name = "DIR", env = "HUTONG_SELF_SIGNED", conflicts_with = "tls_cert")]
    self_signed: Option<PathBuf>,

    /// Host name or address that the self-signed certificate covers; repeatable
    ///
    /// The addresses of --listen and the names of --name are always covered, except the wildcards 0.0.0.0 and [::].
    #[arg(
        long = "self-signed-name",
        value_name = "NAME",
        env = "HUTONG_SELF_SIGNED_NAMES",
        value_delimiter = ' ',
        requires = "self_signed"
    )]
    self_signed_names: Vec<String>,

    /// Accept https too, with this certificate chain (PEM)
    ///
    /// The server reloads changed files within ten seconds, or at once on SIGHUP (Unix). New connections use the new certificate.
    #[arg(long, value_name = "FILE", env = "HUTONG_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", env = "HUTONG_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    #[cfg(feature = "acme")]
    #[command(flatten)]
    acme: acme::AcmeArgs,

    #[command(flatten)]
    turn: turn::TurnArgs,

    /// Host name of the server, for example nas.lan or nas.example.ts.net; repeatable
    ///
    /// The server answers requests for its addresses, for names without a dot, and for localhost, this machine's name (also with
    /// .local), the names of its certificate, and --turn-host. It refuses other names with status 421, since a malicious web page
    /// can let a name of its own resolve to this server (DNS rebinding). Not needed behind a proxy that --trusted-proxy names.
    #[arg(long = "name", value_name = "NAME", env = "HUTONG_NAME", value_delimiter = ' ')]
    names: Vec<HostName>,

    /// Further origin whose pages may open the WebSocket; repeatable
    ///
    /// For a web app that another server serves, for example https://hutong.example.org. The server's own page and the apps are
    /// always allowed.
    #[arg(long = "allow-origin", value_name = "ORIGIN", env = "HUTONG_ALLOW_ORIGINS", value_delimiter = ' ')]
    allow_origins: Vec<String>,

    /// Serve /metrics on this address, in Prometheus' text format
    ///
    /// The metrics reveal how many people call each other and when, so they have their own port: use loopback (127.0.0.1:8018) or
    /// a private monitoring network.
    #[arg(long, value_name = "ADDR:PORT", env = "HUTONG_METRICS")]
    metrics: Option<SocketAddr>,

    /// Seconds over which SIGTERM disconnects the clients before the server stops
    ///
    /// Spread evenly, so that not all clients reconnect at the same moment. Meanwhile logins are refused and /readyz returns 503.
    /// Calls continue, and their members claim them at the next server, which must start within 30 seconds. A second signal, like
    /// Ctrl-C, disconnects the remaining clients at once; a third ends the process.
    #[arg(long, value_name = "N", env = "HUTONG_DRAIN_SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(0..=10))]
    pub(crate) drain_seconds: u64,

    /// Format of the log
    #[arg(long, value_name = "FORMAT", env = "HUTONG_LOG_FORMAT", default_value = "human")]
    pub(crate) log_format: LogFormat,

    #[command(flatten)]
    admission: admission::AdmissionArgs,

    /// Log filter for stderr: error, warn, info, debug, trace, or a list such as warn,hutong_server=debug
    #[arg(long, value_name = "FILTER", env = "HUTONG_LOG", default_value = "info")]
    pub(crate) log: Targets,
}

/// Commands other than running the server.
#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Read a password from the terminal or stdin, and print a line for --users-file
    HashPassword {
        /// Name of the user
        name: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  hutong-server
      For this machine only: http://localhost:8017/

  hutong-server --listen 0.0.0.0:8017 --self-signed ~/.hutong --self-signed-name 192.168.1.20
      For a home or office network: https://192.168.1.20:8017/

  hutong-server --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem \\
      --ice-server stun:stun.example.org:3478 --ticket-key-file /var/lib/hutong/ticket-key
      For the internet: https://your.domain/

  hutong-server --listen 0.0.0.0:443 --acme your.domain --acme-cache /var/lib/hutong
      For the internet, with a certificate that the server orders and renews itself.

  hutong-server hash-password Ana >> users
      Adds a user with a password to a file for --users-file.

Behind a proxy that terminates TLS: listen on loopback, name the proxy with --trusted-proxy, and configure it to forward the Host
header and the WebSocket at /ws, and to add X-Forwarded-For. At a host name that is not in the certificate, such as nas.lan: --name.
Ctrl-C or SIGTERM stops the server. Clients are notified, and reconnect when it is back.
GET /healthz returns 200 while the server runs; GET /readyz returns 200 only while new users can log in.";

impl Cli {
    /// The ticket key file, unless --ticket-key overrides it.
    pub(crate) fn ticket_key_file_in_use(&self) -> Option<&Path> {
        self.ticket_key_file.as_deref().filter(|_| self.ticket_key.is_none())
    }

    /// Converts the command line, and reads the certificate and ticket key files.
    pub(crate) fn into_options(self) -> Result<Options, RunError> {
        let beside_key = self.ticket_key_file_in_use().map(revocation_file_beside);
        let tls = match (self.self_signed, self.tls_cert, self.tls_key) {
            (Some(directory), ..) => {
                let listen_addresses =
                    self.listen.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified());
                let mut names = self.self_signed_names;
                names.extend(self.names.iter().map(ToString::to_string));
                names.extend(listen_addresses.map(|address| address.to_string()));
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
        let turn_secret = self.turn.secret().map_err(RunError::TurnSecret)?;
        if turn_secret.is_none() && self.ice_servers.iter().any(needs_secret) {
            return Err(RunError::NoTurnCredential);
        }
        Ok(Options {
            turn: self.turn.options(),
            turn_secret,
            listen: self.listen,
            tls,
            max_users: self.max_users as usize,
            whole_roster: self.whole_roster,
            ice_servers: self.ice_servers,
            ticket_key,
            names: self.names,
            revocation_file: self.revocation_file.or(beside_key),
            allow_origins: self.allow_origins,
            metrics: self.metrics,
            admission: self.admission.into_options(),
            ..Options::default()
        })
    }
}

/// Error that prevents the start of the program, or ends it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the ticket key cannot be used: {0}")]
    TicketKey(#[from] TicketKeyError),
    #[error("the secret of --turn-secret-file cannot be used: {0}")]
    TurnSecret(TurnSecretError),
    #[error("a TURN server of --ice-server requires URL,USER,CREDENTIAL, or the URL alone with --turn-secret-file")]
    NoTurnCredential,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot install the signal handlers: {0}")]
    Signals(std::io::Error),
    #[error(transparent)]
    Failed(#[from] TaskFailure),
}

/// Parses URL or URL,USER,CREDENTIAL.
fn ice_server(text: &str) -> Result<IceServer, String> {
    let (scheme, _) = text.split_once(':').ok_or("expected a URL that begins with stun:, stuns:, turn: or turns:")?;
    let mut parts = text.splitn(3, ',');
    let url = parts.next().unwrap_or_default().to_owned();
    let (username, credential) = (parts.next().map(str::to_owned), parts.next().map(str::to_owned));
    match (scheme, &username, &credential) {
        ("stun" | "stuns" | "turn" | "turns", None, None) | ("turn" | "turns", Some(_), Some(_)) => {
            Ok(IceServer { urls: vec![url], username, credential })
        }
        ("stun" | "stuns", ..) => Err("a STUN server takes no USER and CREDENTIAL: use the URL only".into()),
        ("turn" | "turns", ..) => Err("a TURN server requires URL,USER,CREDENTIAL, or the URL alone".into()),
        _ => Err("expected a URL that begins with stun:, stuns:, turn: or turns:".into()),
    }
}

/// Whether a server is a TURN server without a credential of its own.
fn needs_secret(server: &IceServer) -> bool {
    server.username.is_none() && server.urls.iter().any(|url| url.starts_with("turn"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_default_address_is_loopback() {
        let options = Cli::parse_from(["hutong-server"]).into_options().unwrap();
        assert_eq!(options.listen, [SocketAddr::from(([127, 0, 0, 1], 8017))]);
        assert!(options.tls.is_none());
    }

    #[test]
    fn host_names_are_given_with_the_option_and_covered_by_a_self_signed_certificate() {
        let names = |arguments: &[&str]| {
            let options = Cli::parse_from([&["hutong-server"], arguments].concat()).into_options().unwrap();
            options.names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), [""; 0]);
        assert_eq!(names(&["--name", "Nas.lan", "--name", "nas.tail1.ts.net."]), ["nas.lan", "nas.tail1.ts.net"]);
        for invalid in ["https://nas.lan", "nas.lan:8017", ""] {
            assert!(Cli::try_parse_from(["hutong-server", "--name", invalid]).is_err(), "{invalid}");
        }
        let directory = tempfile::tempdir().unwrap();
        names(&["--self-signed", directory.path().to_str().unwrap(), "--name", "nas.lan"]);
        let certificate = std::fs::read_to_string(directory.path().join("certificate.pem")).unwrap();
        assert!(
            certificate.lines().any(|line| line.starts_with("names: ") && line.contains("nas.lan")),
            "{certificate}"
        );
    }

    #[test]
    fn a_turn_server_without_a_credential_requires_a_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let line =
            ["hutong-server", "--ice-server", "turn:turn.example.org", "--turn-secret-file", file.to_str().unwrap()];
        assert!(matches!(Cli::parse_from(&line[..3]).into_options(), Err(RunError::NoTurnCredential)));
        assert!(matches!(Cli::parse_from(line).into_options(), Err(RunError::TurnSecret(_))), "there is no file");
        std::fs::write(&file, "short\n").unwrap();
        assert!(matches!(Cli::parse_from(line).into_options(), Err(RunError::TurnSecret(_))), "the secret is short");
        std::fs::write(&file, "a secret that coturn has, too\n").unwrap();
        assert!(Cli::parse_from(line).into_options().unwrap().turn_secret.is_some());
    }

    #[test]
    fn revoked_tickets_are_stored_beside_the_ticket_key() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key").to_str().unwrap().to_owned();
        let parse = |arguments: &[&str]| {
            let options = Cli::parse_from([&["hutong-server"], arguments].concat()).into_options().unwrap();
            options.revocation_file.map(|path| path.to_str().unwrap().to_owned())
        };
        let hex = "01".repeat(32);
        assert_eq!(parse(&[]), None, "a random key's tickets do not outlast the process");
        assert_eq!(parse(&["--ticket-key-file", &key]), Some(format!("{key}.revoked")));
        assert_eq!(parse(&["--ticket-key-file", &key, "--ticket-key", &hex]), None);
        assert_eq!(parse(&["--ticket-key", &hex, "--revocation-file", "a"]), Some("a".into()));
    }

    #[test]
    fn turn_is_on_with_limits_unless_it_is_off() {
        let parse =
            |arguments: &[&str]| Cli::parse_from([&["hutong-server"], arguments].concat()).into_options().unwrap();
        let turn = parse(&["--turn-user-mbits", "2", "--turn-listen", "0.0.0.0:3478", "--turn-host", "a.example"]).turn;
        let turn = turn.unwrap();
        assert_eq!((turn.limits.user_bytes_per_second, turn.limits.bytes_per_second), (250_000, 125_000_000));
        assert_eq!((turn.listen, turn.host), (vec![([0, 0, 0, 0], 3478).into()], Some("a.example".parse().unwrap())));
        assert_eq!(parse(&["--turn-max-allocations", "9"]).turn.unwrap().limits.allocations, 9);
        assert!(parse(&["--turn", "off"]).turn.is_none());
    }

    #[test]
    fn ice_servers_are_parsed_with_their_credentials() {
        let turn = ice_server("turn:turn.example.org:3478?transport=udp,alice,s3,cret").unwrap();
        assert_eq!(turn.urls, ["turn:turn.example.org:3478?transport=udp"]);
        assert_eq!((turn.username.as_deref(), turn.credential.as_deref()), (Some("alice"), Some("s3,cret")));
        assert_eq!(ice_server("stun:stun.example.org").unwrap().username, None);
        for bad in ["", "example.org", "http://example.org", "turn:example.org,alice", "stun:a,b,c"] {
            assert!(ice_server(bad).is_err(), "{bad}");
        }
    }
}
