//! What goes into the client and what comes out of it.

use std::time::Duration;

use hutong_protocol::{CallId, ClientMessage, MediaKind, Secret, ServerMessage, Ticket, Token};
use serde::{Deserialize, Serialize};

use crate::{
    media::{MediaCommand, MediaEvent},
    view::Update,
};

/// What happened, to be told to [`Client::handle`](crate::Client::handle).
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The person did something.
    Command(Command),
    /// The WebSocket changed.
    Link(LinkEvent),
    /// The server said something.
    Message(ServerMessage),
    /// The media engine did something.
    Media(MediaEvent),
    /// The interface was loaded anew while the client went on (a webview's reload): what it held of a call is gone.
    InterfaceReloaded,
    /// The system says that there is a network again: a server that is waited for is tried now.
    NetworkBack,
    /// The time asked for by [`Output::Wake`] has come. More of them, or early ones, do no harm.
    Tick,
}

/// What the person can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Log in under this name.
    LogIn {
        /// As typed.
        name: String,
        /// The access key or password, where the server has asked for one. Kept in memory alone, until the log-out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
    },
    /// Leave, and let the name go.
    LogOut,
    /// Call somebody. Asks for the devices first.
    Call {
        /// Whom.
        to: Token,
        /// With what.
        media: MediaKind,
    },
    /// Take the call that rings.
    Accept {
        /// With what. Need not be what the caller offers.
        media: MediaKind,
    },
    /// Decline the call that rings.
    Decline,
    /// Give up the call being set up, or hang up.
    HangUp,
    /// Choose which part of a large roster to see: what is searched for, and whose presence is wanted in any case. Replaces the
    /// filter before, and holds until the logout and beyond. Only a server that shows a part of who is online is sent it.
    SetRosterFilter {
        /// As typed. Empty: no search.
        query: String,
        /// Favourites, and who was spoken to last. Those past the first 64 (`limits::WATCHED_NAMES`) are left out.
        names: Vec<String>,
    },
    /// The sentence on the screen was read.
    DismissNotice,
}

/// The WebSocket as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// It is open: hello can be sent.
    Up,
    /// It could not be opened, or is gone. Told once for each [`Output::Connect`], unless [`Output::Disconnect`] came first.
    Down,
}

/// What the driver is to do, in this order.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Output {
    /// Open the WebSocket.
    Connect,
    /// Close the WebSocket. No [`LinkEvent`] comes of it.
    Disconnect,
    /// Send this over the WebSocket.
    Send(ClientMessage),
    /// Hand this to the media engine.
    Media(MediaCommand),
    /// Show this: apply it to the interface's [`View`](crate::View).
    Show(Update),
    /// Give [`Input::Tick`] at this time, and forget earlier wishes.
    Wake(Duration),
    /// Keep this where a reload of the page finds it, and a closed tab does not leave it; `None` forgets it.
    Save(Option<Saved>),
}

/// What a reloaded page needs to find its session again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Saved {
    /// The name logged in with.
    pub name: String,
    /// The user's ticket.
    pub ticket: Ticket,
    /// The call that was on. A reloaded page has lost its media, so it cancels this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
}
