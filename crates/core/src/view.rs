//! View model: what the interface shows, as plain data.

use std::collections::BTreeMap;

use hutong_protocol::{EndReason, ErrorCode, MediaKind, Name, RefusedCode, Token, User, UserState};
use serde::{Deserialize, Serialize};

use crate::media::{MediaProblem, PeerId};

/// View model of session, roster and call. Client and page each hold a copy; [`ViewUpdate`]s keep them equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// State of the session.
    pub session: SessionView,
    /// All other users online, or the part of them that the server shows.
    pub users: BTreeMap<Token, User>,
    /// Number of users online, including this one, if the server shows only a part of them; `None` if it shows all.
    pub total: Option<u32>,
    /// The current call.
    pub call: Option<CallView>,
    /// Notice for the person, until dismissed or replaced.
    pub notice: Option<Notice>,
}

impl View {
    /// Applies a change.
    pub fn apply(&mut self, update: ViewUpdate) {
        match update {
            ViewUpdate::Session(session) => self.session = session,
            ViewUpdate::Roster(users) => self.users = users.into_iter().map(|user| (user.token, user)).collect(),
            ViewUpdate::Total(total) => self.total = total,
            ViewUpdate::Users(changes) => {
                for user in changes {
                    if user.state == UserState::Offline {
                        self.users.remove(&user.token);
                    } else {
                        self.users.insert(user.token, user);
                    }
                }
            }
            ViewUpdate::Call(call) => self.call = call,
            ViewUpdate::Notice(notice) => self.notice = notice,
        }
    }

    /// Number of users online at the last contact with the server, including this one; 1 before the first contact.
    pub(crate) fn online(&self) -> usize {
        self.total.map_or(self.users.len() + 1, |total| total as usize)
    }
}

/// A change of the [`View`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "show", content = "with", rename_all = "snake_case")]
pub enum ViewUpdate {
    /// Replaces the session.
    Session(SessionView),
    /// Replaces the roster.
    Roster(Vec<User>),
    /// Replaces the number of users online; `None` if the roster is complete.
    Total(Option<u32>),
    /// Inserts, changes or (state `offline`) removes users.
    Users(Vec<User>),
    /// Replaces the call.
    Call(Option<CallView>),
    /// Replaces the notice.
    Notice(Option<Notice>),
}

/// State of the session, as the interface shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum SessionView {
    /// Logged out: the interface shows the login form.
    #[default]
    LoggedOut,
    /// Logging in for the first time.
    LoggingIn {
        /// As typed.
        name: String,
        /// Why the last attempt failed, if there was one. The client retries automatically.
        retry_reason: Option<RetryReason>,
    },
    /// The server refused the login; the person can correct the input.
    Refused {
        /// As typed.
        name: String,
        /// The reason.
        code: RefusedCode,
    },
    /// Logged in.
    LoggedIn {
        /// This user. Its state follows the server's presence messages.
        me: User,
    },
    /// Logged in, but the WebSocket is lost and is being reopened. Media of a call may continue.
    Reconnecting {
        /// This user. Other users see it as `offline`.
        me: User,
    },
    /// The server refused the access key of the invitation by which the person came. A typed one may be right.
    InvitationOutdated {
        /// As typed.
        name: String,
    },
    /// The same user logged in on another client. This client reconnects only on
    /// [`LogIn`](crate::Command::LogIn).
    Replaced {
        /// The user's name.
        name: Name,
    },
}

/// Why the client retries the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryReason {
    /// The server does not answer.
    ServerUnreachable,
    /// The server answers requests, but no WebSocket could be opened.
    SocketRefused,
    /// The server refused this client temporarily.
    Refused(RefusedCode),
}

impl SessionView {
    /// This user, while logged in or reconnecting.
    #[must_use]
    pub const fn me(&self) -> Option<&User> {
        match self {
            Self::LoggedIn { me } | Self::Reconnecting { me } => Some(me),
            Self::LoggedOut
            | Self::LoggingIn { .. }
            | Self::Refused { .. }
            | Self::InvitationOutdated { .. }
            | Self::Replaced { .. } => None,
        }
    }
}

/// State of the call, as the interface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallView {
    /// The other user.
    pub with: User,
    /// The local peer connection; `None` for an incoming call before it is accepted.
    pub peer: Option<PeerId>,
    /// What this side sends; for an incoming call, what the caller offers.
    pub media: MediaKind,
    /// Progress of the call.
    pub phase: CallPhase,
}

/// Progress of a call, as this side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallPhase {
    /// Outgoing: acquiring the devices.
    Acquiring,
    /// Outgoing: `offering` is sent.
    Offering,
    /// Outgoing: the call rings on the other side.
    Ringing,
    /// Incoming: the call rings here.
    Incoming,
    /// Incoming and accepted: acquiring the devices, creating the offer.
    Accepting,
    /// Accepted by both: connecting the peers.
    Connecting,
    /// Media flows.
    Connected,
    /// Media is interrupted and being restored.
    Reconnecting,
    /// Ended: releasing the devices.
    Ending,
}

/// Notice for the person, as data; the interface translates it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Notice {
    /// A call ended without a command of the person.
    CallEnded {
        /// The other user.
        with: Name,
        /// The reason.
        reason: EndReason,
    },
    /// A call could not go on, as far as this side can tell.
    CallFailed {
        /// The other user.
        with: Name,
        /// The cause.
        failure: CallFailure,
    },
    /// The called user cannot be called now.
    CannotCall {
        /// The called user.
        with: Name,
        /// The called user's state.
        state: UserState,
    },
    /// A call failed because of this side's devices or codecs.
    Media {
        /// The cause.
        problem: MediaProblem,
        /// The callee, if a voice call is possible instead.
        voice_instead: Option<User>,
        /// The call, if the person has only to press again.
        again: Option<CallAgain>,
    },
    /// The server rejected a message of this client: the person calls too often, or there is a bug.
    Error {
        /// The server's error code.
        code: ErrorCode,
    },
}

/// A call that can be made again as it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallAgain {
    /// The callee.
    pub user: User,
    /// The media.
    pub media: MediaKind,
}

/// Why a call could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CallFailure {
    /// The connection to the server was lost before the call was established, or the server no longer knows the call.
    ServerLost,
    /// Media was interrupted, and ICE restarts did not restore it in time.
    MediaLost,
    /// Media never flowed: the two sides have no working path.
    NoPath {
        /// What this side tried.
        tried: PathsTried,
    },
}

/// Paths that this side tried for a call without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathsTried {
    /// None: this side gathered no candidate.
    Nothing,
    /// Direct paths; the server offers no relay.
    Direct,
    /// Direct paths; the relay that the server offers did not answer.
    DirectRelaySilent,
    /// Direct paths and the relay.
    DirectAndRelay,
    /// None to private addresses: the browser keeps the page from them.
    LocalNetworkBlocked,
}
