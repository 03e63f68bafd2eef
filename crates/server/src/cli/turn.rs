//! Command line options of the TURN server.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use hutong_server::{RelayLimits, TurnHost, TurnOptions, TurnSecret, TurnSecretError};

/// Options of the TURN server.
#[derive(Debug, Args)]
pub(super) struct TurnArgs {
    /// TURN server for calls between networks that do not reach each other
    ///
    /// It runs where --listen names an address that other machines reach, on the UDP port with the same number, and over TCP and TLS
    /// on the port itself. Media passes through it only if two devices find no direct path, and stays encrypted from end to end.
    #[arg(long, value_name = "MODE", env = "HUTONG_TURN", default_value = "closed")]
    turn: TurnMode,

    /// Address for TURN alone, over UDP, TCP and TLS; repeatable
    ///
    /// Needed behind a reverse proxy, which forwards only HTTP: for example 0.0.0.0:3478.
    #[arg(long = "turn-listen", value_name = "ADDR:PORT", env = "HUTONG_TURN_LISTEN", value_delimiter = ' ')]
    turn_listen: Vec<SocketAddr>,

    /// Host name or address that clients use for TURN, perhaps with a port
    ///
    /// By default the host that each client requested the server from.
    #[arg(long, value_name = "HOST[:PORT]", env = "HUTONG_TURN_HOST")]
    turn_host: Option<TurnHost>,

    /// File with the secret that signs TURN credentials, for a coturn that has it as static-auth-secret
    ///
    /// Each user receives credentials of their own that expire after a day, for this server and for every --ice-server with a turn:
    /// URL without USER and CREDENTIAL. By default the secret is derived from the ticket key.
    #[arg(long, value_name = "FILE", env = "HUTONG_TURN_SECRET_FILE")]
    turn_secret_file: Option<PathBuf>,

    /// Largest number of TURN allocations; a call needs two, and some more while it starts
    #[arg(long, value_name = "N", env = "HUTONG_TURN_MAX_ALLOCATIONS", default_value_t = 16_384)]
    turn_max_allocations: u32,

    /// Largest bit rate at which one user may send through the TURN server, in Mbit/s
    #[arg(long, value_name = "N", env = "HUTONG_TURN_USER_MBITS", default_value_t = 12,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    turn_user_mbits: u32,

    /// Largest bit rate at which all users together may send through the TURN server, in Mbit/s
    #[arg(long, value_name = "N", env = "HUTONG_TURN_MBITS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=30_000))]
    turn_mbits: u32,
}

/// Values of --turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TurnMode {
    /// No TURN server
    Off,
    /// Relays between users of this server only
    Closed,
}

impl TurnArgs {
    /// Converts the command line. `None` without a TURN server.
    pub(super) fn options(&self) -> Option<TurnOptions> {
        /// Bytes a second.
        const MBIT: u32 = 125_000;
        let limits = RelayLimits {
            allocations: self.turn_max_allocations as usize,
            user_bytes_per_second: self.turn_user_mbits.saturating_mul(MBIT),
            bytes_per_second: self.turn_mbits.saturating_mul(MBIT),
            ..RelayLimits::default()
        };
        let options = TurnOptions { listen: self.turn_listen.clone(), host: self.turn_host.clone(), limits };
        (self.turn == TurnMode::Closed).then_some(options)
    }

    /// Reads the secret, if there is one.
    pub(super) fn secret(&self) -> Result<Option<TurnSecret>, TurnSecretError> {
        self.turn_secret_file.as_deref().map(TurnSecret::from_file).transpose()
    }
}
