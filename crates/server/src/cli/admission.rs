//! Command line options of admission control, and the command `hash-password`.

use std::{
    io::{self, BufRead, IsTerminal},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use hutong_server::{
    AdmissionOptions, IpNet, ProxyHeader, SecretRequirement, UsersFileLineError, parse_network, users_file_line,
};

/// Options of admission control.
#[derive(Debug, Args)]
pub(super) struct AdmissionArgs {
    /// Require the access key in this file from all users
    ///
    /// The file has one line of 8 to 1024 bytes; longer is safer. The server reloads the file when it changes: all users are then
    /// logged out, and need the new key.
    #[arg(long, value_name = "FILE", env = "HUTONG_ACCESS_KEY_FILE", conflicts_with = "users_file")]
    access_key_file: Option<PathBuf>,

    /// Admit only the users in this file, each with a password
    ///
    /// Each line is NAME:HASH, as `hutong-server hash-password NAME` prints it. The server reloads the file when it changes:
    /// users who are removed, or whose password has changed, are then logged out.
    #[arg(long, value_name = "FILE", env = "HUTONG_USERS_FILE")]
    users_file: Option<PathBuf>,

    /// Deny list: refuse the names and addresses in this file
    ///
    /// One entry a line: an address, a network such as 192.0.2.0/24 or 2001:db8::/32, or a name, case-insensitive (name:10.0.0.1 for
    /// a name that looks like an address). Lines that begin with # are comments. The server reloads the file when it changes, and
    /// disconnects online users who are now denied.
    #[arg(long, alias = "refused-file", value_name = "FILE", env = "HUTONG_DENY_FILE")]
    deny_file: Option<PathBuf>,

    /// Address or network of a trusted proxy; repeatable
    ///
    /// Behind a proxy, all connections come from its address. For a trusted proxy, the limits and --deny-file apply to the client
    /// address in its X-Forwarded-For header. From other peers the header is ignored.
    #[arg(long = "trusted-proxy", value_name = "ADDR[/BITS]", env = "HUTONG_TRUSTED_PROXIES", value_delimiter = ' ',
          value_parser = network)]
    trusted_proxies: Vec<IpNet>,

    /// Header in which the trusted proxies send the client address
    #[arg(long, value_name = "NAME", env = "HUTONG_PROXY_HEADER", default_value = "x-forwarded-for")]
    proxy_header: ProxyHeaderArg,

    /// Largest number of WebSocket connections per client address (IPv6: per /64 prefix)
    ///
    /// All prefixes of an IPv6 /48 may have twice as many together. An office or a school often has one address. Loopback and trusted proxies are exempt.
    #[arg(long, value_name = "N", env = "HUTONG_MAX_PER_ADDRESS", default_value_t = 2_000)]
    max_per_address: u32,
}

/// Values of --proxy-header.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProxyHeaderArg {
    XForwardedFor,
    Forwarded,
}

impl AdmissionArgs {
    pub(super) fn into_options(self) -> AdmissionOptions {
        AdmissionOptions {
            secret: match (self.access_key_file, self.users_file) {
                (Some(file), _) => SecretRequirement::AccessKeyFile(file),
                (None, Some(file)) => SecretRequirement::UsersFile(file),
                (None, None) => SecretRequirement::None,
            },
            deny_file: self.deny_file.or_else(|| std::env::var_os("HUTONG_REFUSED_FILE").map(PathBuf::from)),
            trusted_proxies: self.trusted_proxies,
            proxy_header: match self.proxy_header {
                ProxyHeaderArg::XForwardedFor => ProxyHeader::XForwardedFor,
                ProxyHeaderArg::Forwarded => ProxyHeader::Forwarded,
            },
            max_per_address: self.max_per_address as usize,
        }
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    parse_network(text).ok_or("expected an address such as 192.0.2.1, or a network such as 192.0.2.0/24")
}

/// Reads a password and formats its line for `--users-file`.
///
/// A terminal is prompted twice without echo; otherwise the password is the first line of stdin.
pub(crate) fn hash_password(name: &str) -> Result<String, HashPasswordError> {
    let password = if io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("Repeat password: ")? != password {
            return Err(HashPasswordError::Mismatch);
        }
        password
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    Ok(users_file_line(name, &password)?)
}

/// Error of `hash-password`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashPasswordError {
    #[error("the two passwords differ; run the command again")]
    Mismatch,
    #[error("cannot read the password: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Line(#[from] UsersFileLineError),
}
