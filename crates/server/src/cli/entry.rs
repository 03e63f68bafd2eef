//! The options of who may come in, and making a line for a users' file.

use std::{
    io::{self, BufRead, IsTerminal},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use hutong_server::{EntryOptions, IpNet, ProxyHeader, SecretKind, UsersFileLineError, parse_network, users_file_line};

/// Who may come in.
#[derive(Debug, Args)]
pub(super) struct EntryArgs {
    /// Let in whoever knows the access key in this file
    ///
    /// One line of 8 to 1024 bytes; the longer, the better. The file is read anew when it changes: who is online stays, and has to
    /// give the new key when they come back.
    #[arg(long, value_name = "FILE", env = "HUTONG_ACCESS_KEY_FILE", conflicts_with = "users_file")]
    access_key_file: Option<PathBuf>,

    /// Let in the names in this file, each with its password
    ///
    /// Each line is a name, a colon and a hash: `hutong-server hash-password NAME` prints it. The file is read anew when it
    /// changes: who is online stays, and who is not in it any more, or has another password, does not come back.
    #[arg(long, value_name = "FILE", env = "HUTONG_USERS_FILE")]
    users_file: Option<PathBuf>,

    /// Do not let in the names and addresses in this file
    ///
    /// One a line: an address, a network such as 192.0.2.0/24 or 2001:db8::/32, or a name as it is compared, without regard to case
    /// (name:10.0.0.1 for one that looks like an address). Lines that begin with # are comments. The file is read anew when it
    /// changes, and whoever is online and in it is put out.
    #[arg(long, value_name = "FILE", env = "HUTONG_REFUSED_FILE")]
    refused_file: Option<PathBuf>,

    /// Believe this proxy, or the proxies of this network, about whom they speak for; may be given several times
    ///
    /// Behind a proxy all connections come from its address. Of one that is named here, the address in X-Forwarded-For is taken for
    /// the limits and for --refused-file. From anybody else that header is passed over.
    #[arg(long = "trusted-proxy", value_name = "ADDR[/BITS]", env = "HUTONG_TRUSTED_PROXIES", value_delimiter = ' ',
          value_parser = network)]
    trusted_proxies: Vec<IpNet>,

    /// The header in which trusted proxies tell for whom they speak
    #[arg(long, value_name = "NAME", env = "HUTONG_PROXY_HEADER", default_value = "x-forwarded-for")]
    proxy_header: Header,

    /// How many people may be connected from one address (IPv6: from one network of 64 bits)
    ///
    /// An office or a school is often one. This machine and trusted proxies may have any number.
    #[arg(long, value_name = "N", env = "HUTONG_MAX_PER_ADDRESS", default_value_t = 2_000)]
    max_per_address: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Header {
    XForwardedFor,
    Forwarded,
}

impl EntryArgs {
    pub(super) fn into_options(self) -> EntryOptions {
        EntryOptions {
            secret: match (self.access_key_file, self.users_file) {
                (Some(file), _) => SecretKind::AccessKey(file),
                (None, Some(file)) => SecretKind::Users(file),
                (None, None) => SecretKind::None,
            },
            refused_file: self.refused_file,
            trusted_proxies: self.trusted_proxies,
            proxy_header: match self.proxy_header {
                Header::XForwardedFor => ProxyHeader::XForwardedFor,
                Header::Forwarded => ProxyHeader::Forwarded,
            },
            max_per_address: self.max_per_address as usize,
        }
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    parse_network(text).ok_or("an address such as 192.0.2.1, or a network such as 192.0.2.0/24")
}

/// Reads a password, twice without showing it from a terminal and otherwise the first line of the input, and makes a line of it.
pub(crate) fn hash_password(name: &str) -> Result<String, HashPasswordError> {
    let password = if io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("Once more: ")? != password {
            return Err(HashPasswordError::Different);
        }
        password
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    Ok(users_file_line(name, &password)?)
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashPasswordError {
    #[error("the two passwords are not the same")]
    Different,
    #[error("cannot read the password: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Line(#[from] UsersFileLineError),
}
