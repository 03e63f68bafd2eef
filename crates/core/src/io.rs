//! Inputs and outputs of the [`Client`](crate::Client).

use std::time::Duration;

use hutong_protocol::{CallId, ClientMessage, MediaKind, Secret, ServerMessage, SessionTicket, Token};
use serde::{Deserialize, Serialize};

use crate::{
    call_record::CallRecord,
    media::{MediaCommand, MediaEvent},
    view::ViewUpdate,
};

/// Event that a driver passes to [`Client::handle`](crate::Client::handle).
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A command of the person.
    Command(Command),
    /// The WebSocket opened or closed.
    Socket(SocketEvent),
    /// A message from the server.
    Message(ServerMessage),
    /// A report of the media engine.
    Media(MediaEvent),
    /// The access key of the invitation by which the person came, or `None` for another server's invitation without one. The
    /// client sends it with each login without a typed secret. Kept only in memory.
    InvitationKey(Option<Secret>),
    /// The page was reloaded while the client kept running (webview): peer connection and devices are gone.
    PageReloaded,
    /// The operating system reports another network, or the page or the computer was asleep: the client checks its
    /// connection, or reconnects without waiting for its backoff.
    CheckConnection,
    /// This computer lost a network address, so paths that used it are dead: like [`CheckConnection`](Self::CheckConnection),
    /// and a call restarts ICE without waiting until its media is interrupted.
    AddressLost,
    /// The time requested by [`Output::Wake`] has come. Extra or early ticks are harmless.
    Tick,
}

/// Command of the person.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Log in under this name.
    LogIn {
        /// As typed.
        name: String,
        /// Access key or password, if the server asked for one. Kept only in memory, until logout.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
    },
    /// Log in again after the refusal `in_call_elsewhere`, and end the call on the other device.
    LogInEndingCall,
    /// Log out and free the name.
    LogOut,
    /// Call a user, after acquiring the devices.
    Call {
        /// The callee.
        to: Token,
        /// Video or voice call.
        media: MediaKind,
    },
    /// Accept the incoming call.
    Accept {
        /// Video or voice; need not be what the caller offers.
        media: MediaKind,
    },
    /// Decline the incoming call.
    Decline,
    /// Cancel the call being set up, or hang up.
    HangUp,
    /// Set which part of a large roster to show. Replaces the previous filter and outlasts a logout. The client sends
    /// it only to a server that shows a part of the roster.
    SetRosterFilter {
        /// Search text as typed. Empty: no search.
        query: String,
        /// Names to show whenever they are online: favourites and recent contacts. Names after the first 64
        /// (`limits::MAX_WATCHED_NAMES`) are ignored.
        names: Vec<String>,
    },
    /// Close the notice on the screen.
    DismissNotice,
}

/// State change of the WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// The WebSocket is open: the client can send `hello`.
    Opened,
    /// The WebSocket could not be opened, or closed. This or [`Refused`](Self::Refused) is reported once per
    /// [`Output::Connect`], unless [`Output::Disconnect`] came first.
    Closed,
    /// The WebSocket could not be opened, although the server answers requests: it refused the page's origin, or a proxy
    /// does not forward the upgrade.
    Refused,
}

/// Action that a driver performs, in the given order.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Output {
    /// Open the WebSocket.
    Connect,
    /// Close the WebSocket. The driver reports no [`SocketEvent`] for it.
    Disconnect,
    /// Send a message over the WebSocket.
    Send(ClientMessage),
    /// Pass a command to the media engine.
    Media(MediaCommand),
    /// Apply an update to the page's [`View`](crate::View).
    Show(ViewUpdate),
    /// Pass [`Input::Tick`] at this time. Replaces the previous request.
    Wake(Duration),
    /// Add this call to the list of recent calls.
    Record(CallRecord),
    /// Store this so that it survives a reload of the page; `None` deletes it.
    Save(Option<SavedSession>),
}

/// Stored state by which a reloaded page resumes its session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SavedSession {
    /// The name of the login.
    pub name: String,
    /// Credential for resuming the session.
    pub ticket: SessionTicket,
    /// The call at the time of saving. A reloaded page has lost its media, so it cancels this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
}
