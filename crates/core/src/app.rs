//! What passes between the interface and the app that hosts it (Tauri): one type each way. Plain data, shared by both ends.
//!
//! In a plain browser there is no app: the interface runs the [`Client`](crate::Client) itself.

use hutong_protocol::Name;
use serde::{Deserialize, Serialize};

use crate::{
    io::Command,
    media::{MediaCommand, MediaEvent},
    view::{Update, View},
};

/// From the interface to the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", content = "what", rename_all = "snake_case")]
pub enum FromUi {
    /// For the client: what the person did.
    Command(Command),
    /// For the client: what the media engine in the webview reports.
    Media(MediaEvent),
    /// For the app itself.
    App(AppCommand),
}

/// From the app to the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", content = "what", rename_all = "snake_case")]
pub enum ToUi {
    /// The whole view; the first message after attaching.
    Snapshot(View),
    /// A change of the view.
    Show(Update),
    /// For the media engine in the webview.
    Media(MediaCommand),
    /// The app's own state; sent after the snapshot and at every change.
    App(AppView),
}

/// What the person can do with the app itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum AppCommand {
    /// Use the server inside this app (desktop). Remembered.
    UseEmbedded,
    /// Use another server. Remembered.
    UseServer {
        /// As typed: a host, host and port, or an http, https, ws or wss URL.
        address: String,
    },
    /// "Let others join": open the embedded server to the network, or close it again. Remembered.
    Share {
        /// Open or close.
        on: bool,
    },
    /// Start the app when the person logs in to the computer, or no longer (desktop). The system remembers it.
    Autostart {
        /// Start or not.
        on: bool,
    },
    /// Agree to the call that a link offers: first the app goes to its server, if need be, and asks again once logged in there.
    TakeOffer {
        /// What the person read. Of another, which came meanwhile, nothing comes.
        offer: Offer,
    },
    /// Drop what a link offers.
    DropOffer,
}

/// The app's own state, as the interface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// Which server the client uses.
    pub server: ServerChoice,
    /// The embedded server; `None` on phones, which have none.
    pub embedded: Option<Embedded>,
    /// Whether the app starts when the person logs in to the computer; `None` where that cannot be chosen.
    pub autostart: Option<bool>,
    /// What to hand on to whoever is to join the server in use, where that is another one: its address and, if no authority
    /// vouches for it, the key that it showed here (`https://192.168.1.20:8017/#key=…`).
    pub invitation: Option<String>,
    /// A call that a link offers.
    pub offer: Option<Offer>,
    /// What went wrong with the last [`AppCommand`] or at the start, until the next command.
    pub problem: Option<AppProblem>,
}

/// Which server the client uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ServerChoice {
    /// None yet: a phone whose person has entered no address.
    None,
    /// The one inside this app.
    Embedded,
    /// Another one.
    Other {
        /// The address in its normal form, such as `https://calls.example`; with the key (`/#key=…`), where it came with one.
        address: String,
    },
}

/// The server inside a desktop app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedded {
    /// The port it listens on.
    pub port: u16,
    /// The port that was wanted but taken by another program.
    pub wanted_port_taken: Option<u16>,
    /// Whether it is open to the network.
    pub shared: bool,
    /// `https` addresses for others, best first, with the key that the server shows (`/#key=…`); empty unless shared, or without a
    /// network.
    pub addresses: Vec<String>,
    /// The SHA-256 fingerprint of its certificate, as browsers show it (`AB:CD:…`); `None` unless shared.
    pub fingerprint: Option<String>,
}

/// A call that a link offers. It is made only when the person says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Whom to call.
    pub name: Name,
    /// On which server: an address in its normal form.
    pub server: String,
    /// Whether that is another server than the one in use.
    pub elsewhere: bool,
    /// How far it is.
    pub step: OfferStep,
}

/// How far an offer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferStep {
    /// The person is asked.
    Asking,
    /// The person agreed, and has yet to log in on that server; then comes [`Asking`](Self::Asking) again.
    Joining,
    /// The person agreed, and whom to call is not online there. They may agree again.
    Away,
}

/// What can go wrong with the app itself. Each has a sentence that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppProblem {
    /// The address cannot be read as one.
    AddressInvalid,
    /// `http` or `ws` to an address outside the own network: only `https` and `wss` go there.
    AddressNotSecure,
    /// The embedded server is not running: it could not start, or has stopped by itself.
    EmbeddedFailed,
    /// There is no network to share on.
    NoNetwork,
    /// The choice could not be written to disk, and will be forgotten.
    NotSaved,
    /// A link that was opened is none of ours, or broken.
    LinkInvalid,
    /// The server shows another key than before.
    ServerKeyChanged,
    /// The server shows another key than its invitation says.
    ServerKeyWrong,
    /// A link that was opened names another key for a server than the one that is known here.
    LinkKeyDiffers,
    /// The system did not take the wish to start the app with it, or to do so no more.
    AutostartFailed,
}
