//! What the interface shows, as plain data.

use std::collections::BTreeMap;

use hutong_protocol::{EndReason, ErrorCode, MediaKind, Name, RefusedCode, Token, User, UserState};
use serde::{Deserialize, Serialize};

use crate::media::{MediaProblem, PeerId};

/// Everything that the interface shows of session, roster and call. Kept equal on both ends by [`Update`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// Who we are, and whether the server is there.
    pub session: Session,
    /// Everybody else online, or the part of them that the server shows.
    pub users: BTreeMap<Token, User>,
    /// Where a part is shown: how many are online, this user included. `None`: everybody is shown.
    pub total: Option<u32>,
    /// The call, if there is one.
    pub call: Option<CallView>,
    /// A sentence for the person, until it is dismissed or replaced.
    pub notice: Option<Notice>,
}

impl View {
    /// Brings the view up to date.
    pub fn apply(&mut self, update: Update) {
        match update {
            Update::Session(session) => self.session = session,
            Update::Roster(users) => self.users = users.into_iter().map(|user| (user.token, user)).collect(),
            Update::Total(total) => self.total = total,
            Update::Users(changes) => {
                for user in changes {
                    if user.state == UserState::Offline {
                        self.users.remove(&user.token);
                    } else {
                        self.users.insert(user.token, user);
                    }
                }
            }
            Update::Call(call) => self.call = call,
            Update::Notice(notice) => self.notice = notice,
        }
    }

    /// How many users the server had when it was last there, this one among them; 1 where it never was.
    pub(crate) fn online(&self) -> usize {
        self.total.map_or(self.users.len() + 1, |total| total as usize)
    }
}

/// A change of the [`View`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "show", content = "with", rename_all = "snake_case")]
pub enum Update {
    /// The session is now this.
    Session(Session),
    /// The roster is now this.
    Roster(Vec<User>),
    /// So many are online, and a part of them is shown; or everybody is.
    Total(Option<u32>),
    /// These users came, went or changed state.
    Users(Vec<User>),
    /// The call is now this.
    Call(Option<CallView>),
    /// The sentence is now this.
    Notice(Option<Notice>),
}

/// Who we are on the server, and whether it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Session {
    /// The main page, with the name field.
    #[default]
    LoggedOut,
    /// Hello is on its way for the first time.
    LoggingIn {
        /// As typed.
        name: String,
        /// Why the last attempt failed, if there was one. The next is made by itself.
        retry_reason: Option<RetryReason>,
    },
    /// The server said no; the person can mend it on the main page.
    Refused {
        /// As typed.
        name: String,
        /// Why.
        code: RefusedCode,
    },
    /// Logged in.
    LoggedIn {
        /// This user. Its state follows presence.
        me: User,
    },
    /// Was logged in; the link is lost and being made again. A call's media may go on.
    Reconnecting {
        /// This user, `offline` for everybody else.
        me: User,
    },
    /// The same user came back elsewhere. Only a [`LogIn`](crate::Command::LogIn) brings this client back.
    Replaced {
        /// The name it had.
        name: Name,
    },
}

/// Why the login is being retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryReason {
    /// The server does not answer.
    ServerAway,
    /// The server is there and cannot take this client yet.
    Refused(RefusedCode),
}

impl Session {
    /// This user, while logged in or coming back.
    #[must_use]
    pub const fn me(&self) -> Option<&User> {
        match self {
            Self::LoggedIn { me } | Self::Reconnecting { me } => Some(me),
            Self::LoggedOut | Self::LoggingIn { .. } | Self::Refused { .. } | Self::Replaced { .. } => None,
        }
    }
}

/// The call as the interface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallView {
    /// The other side.
    pub with: User,
    /// The local peer connection; `None` while it rings here and nothing was asked for yet.
    pub peer: Option<PeerId>,
    /// What this side sends (or, while it rings here, what the caller offers).
    pub media: MediaKind,
    /// How far it is.
    pub phase: CallPhase,
}

/// How far a call is, as this side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallPhase {
    /// We call: the devices are asked for.
    Acquiring,
    /// We call: OFFERING is sent.
    Offering,
    /// We call: it rings there.
    Ringing,
    /// We are called: it rings here.
    Incoming,
    /// We are called and accepted: the devices are asked for, the offer is made.
    Accepting,
    /// Both agreed; the peer connection is being made.
    Connecting,
    /// Media flows.
    Connected,
    /// Media stopped, and is being brought back.
    Reconnecting,
    /// It is over; the devices are being let go.
    Ending,
}

/// A sentence for the person, as data: the interface says it in the person's language.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Notice {
    /// A call ended, and not by the person's own doing.
    CallEnded {
        /// The other side.
        with: Name,
        /// Why.
        reason: EndReason,
    },
    /// The person called cannot be called now.
    CannotCall {
        /// Whom.
        with: Name,
        /// In which state they are.
        state: UserState,
    },
    /// A call did not start or ended, because of this side's devices.
    Media {
        /// Why.
        problem: MediaProblem,
        /// Whom to call by voice instead, where that would do and they are still there.
        voice_instead: Option<User>,
    },
    /// The server found a message of ours wrong: a fault in the program.
    Error {
        /// What.
        code: ErrorCode,
    },
}
