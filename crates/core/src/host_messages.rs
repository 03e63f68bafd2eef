//! Messages between the page (webview) and its host, the Tauri app: one type for each direction, serialized as JSON.
//!
//! In a plain browser there is no host: the page runs the [`Client`](crate::Client) itself.

use std::fmt;

use hutong_protocol::{MediaKind, Name};
use serde::{Deserialize, Serialize};

use crate::{
    call_record::CallRecord,
    io::Command,
    media::{MediaCommand, MediaEvent},
    view::{View, ViewUpdate},
};

/// Message from the page to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", content = "what", rename_all = "snake_case")]
pub enum PageToHost {
    /// A person's command to the client.
    Command(Command),
    /// A report of the page's media engine to the client.
    Media(MediaEvent),
    /// The page noticed an event after which the connection to the server may be lost.
    CheckConnection,
    /// A command to the app itself.
    App(AppCommand),
}

/// Message from the host to the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", content = "what", rename_all = "snake_case")]
pub enum HostToPage {
    /// The whole view. First message after the page attached.
    Snapshot(View),
    /// A change of the view.
    Show(ViewUpdate),
    /// A command to the page's media engine.
    Media(MediaCommand),
    /// A call that is over, for the list of recent calls.
    Record(CallRecord),
    /// The app's own state. Sent after the snapshot and at every change.
    App(AppView),
}

/// A person's command to the app itself, apart from calls.
///
/// `Debug` leaves out the content: an address may contain an access key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum AppCommand {
    /// Use the server embedded in this app (desktop). Persisted.
    UseEmbedded,
    /// Use another server. Persisted.
    UseServer {
        /// As typed: a host, host and port, or an `http`, `https`, `ws` or `wss` URL.
        address: String,
    },
    /// "Let others join": open the embedded server to the network, or close it. Persisted.
    Share {
        /// Open or close.
        on: bool,
    },
    /// Require an access key of all who join the embedded server, or stop doing so (desktop). Each time that this is turned on,
    /// the key is a new one. Persisted.
    RequireAccessKey {
        /// Require or not.
        on: bool,
    },
    /// Start the app when the person logs in to the computer, or stop doing so (desktop). The operating system persists
    /// it.
    Autostart {
        /// Start or not.
        on: bool,
    },
    /// Open `hutong:` links with this program, or stop doing so (Linux, where no package has registered the app). Also the answer
    /// to the offer. The desktop persists it.
    OpenLinks {
        /// Open them or not.
        on: bool,
    },
    /// What closing the window does from now on while there is no call (desktop). Also the answer to the question for it.
    /// Persisted.
    SetWhenClosed {
        /// The choice.
        to: WhenClosed,
    },
    /// Keep the window open: the person has dismissed that question.
    CancelClose,
    /// Confirm the call that a `hutong://` link proposes. If the link names another server, the app first switches to
    /// it and asks again after login.
    ConfirmCallLink {
        /// The proposal that the person read. The host ignores the command if a newer link has replaced it.
        link: PendingCallLink,
        /// The media of the call.
        media: MediaKind,
    },
    /// Discard the call that a `hutong://` link proposes.
    DismissCallLink,
}

impl fmt::Debug for AppCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppCommand(..)")
    }
}

/// What closing the app's window does while there is no call. During a call, the window is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenClosed {
    /// The person is asked.
    #[default]
    Ask,
    /// The app stays: in the tray, or minimised where there is none.
    Stay,
    /// The app quits.
    Quit,
}

/// Whether the desktop opens `hutong:` links with this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpensLinks {
    /// Nothing opens them, and the person has not answered yet whether this program shall.
    Offered,
    /// It does.
    On,
    /// It does not: the person did not want it.
    Off,
}

/// State of the app itself, as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// The server that the client uses.
    pub server: ServerChoice,
    /// The embedded server; `None` on phones, which have none.
    pub embedded: Option<EmbeddedServerView>,
    /// Whether the app starts when the person logs in to the computer; `None` if the system has no such setting.
    pub autostart: Option<bool>,
    /// Whether `hutong:` links open this program; `None` where there is nothing to choose.
    pub opens_links: Option<OpensLinks>,
    /// What closing the window does; `None` on phones.
    pub when_closed: Option<WhenClosed>,
    /// Whether the person has closed the window and is asked what that shall do.
    pub asks_when_closed: bool,
    /// Invitation to the server in use, unless that is the embedded one: its address and, if no certificate authority
    /// issued its certificate, the key that it presented (`https://192.168.1.20:8017/#key=…`).
    pub invitation: Option<String>,
    /// A call that a `hutong://` link proposes and the person has not confirmed yet.
    pub call_link: Option<PendingCallLink>,
    /// Error of the last [`AppCommand`] or of the start, until the next command.
    pub problem: Option<AppProblem>,
}

/// The server that the client uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ServerChoice {
    /// None yet: on a phone, before the person entered an address.
    None,
    /// The server embedded in this app.
    Embedded,
    /// Another server.
    Other {
        /// Normalized address such as `https://calls.example`, with the key (`/#key=…`) if the invitation had one.
        address: String,
    },
}

/// State of the server embedded in a desktop app, as the page shows it.
///
/// `Debug` leaves out the addresses, which may contain the access key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedServerView {
    /// The port on which it listens.
    pub port: u16,
    /// The configured port, if another program occupies it.
    pub wanted_port_taken: Option<u16>,
    /// Whether it is open to the network.
    pub shared: bool,
    /// `https` addresses for others with the server's key and, if one is required, the access key (`/#key=…&access=…`), best
    /// first. Empty unless shared and on a network.
    pub addresses: Vec<String>,
    /// Whether logins require the access key.
    pub requires_access_key: bool,
    /// SHA-256 fingerprint of its certificate as browsers display it (`AB:CD:…`); `None` unless shared.
    pub fingerprint: Option<String>,
}

impl fmt::Debug for EmbeddedServerView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedServerView")
            .field("port", &self.port)
            .field("shared", &self.shared)
            .field("requires_access_key", &self.requires_access_key)
            .finish_non_exhaustive()
    }
}

/// A call that a `hutong://` link proposes. The app makes it only after the person confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCallLink {
    /// The user to call.
    pub name: Name,
    /// Normalized address of the user's server.
    pub server: String,
    /// Whether that is another server than the one in use.
    pub changes_server: bool,
    /// Progress of the proposal.
    pub stage: CallLinkStage,
}

/// Progress of a [`PendingCallLink`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallLinkStage {
    /// The person is asked to confirm the call.
    AwaitingConfirmation,
    /// The person confirmed and has to log in on that server; then [`AwaitingConfirmation`](Self::AwaitingConfirmation)
    /// follows once more.
    AwaitingLogin,
    /// The person confirmed, but the user is not online there. The person may confirm again.
    CalleeOffline,
}

/// Errors of the app itself. The page has a sentence for each that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppProblem {
    /// The entered address is malformed.
    AddressInvalid,
    /// `http` or `ws` to an address outside the local network, where only `https` and `wss` are allowed.
    AddressNotSecure,
    /// The embedded server is not running: it could not start, or it stopped on an error.
    EmbeddedFailed,
    /// The computer is on no network on which to share.
    NoNetwork,
    /// The setting could not be written to disk and will be lost.
    NotSaved,
    /// The settings could not be read. The file is kept, under another name if possible, and the defaults apply.
    SettingsUnreadable,
    /// A newer app has written the settings. This app leaves them alone, and changes will be lost.
    SettingsNewer,
    /// The opened link is malformed or not a `hutong://` call link.
    LinkInvalid,
    /// The server presented another key than before.
    ServerKeyChanged,
    /// The server presented another key than its invitation names.
    ServerKeyWrong,
    /// The opened link names another key for a server than the known one.
    LinkKeyDiffers,
    /// The operating system rejected the change of the autostart setting.
    AutostartFailed,
    /// The desktop rejected the change of the program for `hutong:` links.
    LinksNotChanged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_in_an_address_stays_out_of_debug_output() {
        let address = "https://192.168.1.20:8017/#access=geheim".to_owned();
        let embedded = EmbeddedServerView {
            port: 8017,
            wanted_port_taken: None,
            shared: true,
            addresses: vec![address.clone()],
            requires_access_key: true,
            fingerprint: None,
        };
        let view = AppView {
            server: ServerChoice::Embedded,
            embedded: Some(embedded),
            autostart: None,
            opens_links: None,
            when_closed: None,
            asks_when_closed: false,
            invitation: None,
            call_link: None,
            problem: None,
        };
        let messages = format!("{:?}{:?}", HostToPage::App(view), PageToHost::App(AppCommand::UseServer { address }));
        assert!(!messages.contains("geheim"), "{messages}");
    }
}
