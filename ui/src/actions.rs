//! Callbacks of the root component for the person's actions, passed down to all views.

use hutong_core::{Command, PeerId, host_messages::AppCommand};
use yew::Callback;

use crate::{
    i18n::Language,
    media::{DeviceKind, LocalSource, StatsFuture},
};

/// Choice of the person about this browser and its tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceAction {
    /// Continue in this tab what another one runs.
    MoveHere,
    /// Use this tab for somebody else, apart from the other tabs.
    UseTabAlone,
    /// Log out, and remove what is stored of the person.
    Forget,
    /// Load the new version of the page.
    Reload,
}

/// Change of the list of recent calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryAction {
    /// The person has seen the missed calls.
    MarkSeen,
    /// Remove all.
    Clear,
}

/// The person's actions.
#[derive(Clone, PartialEq)]
pub struct Actions {
    /// Sends a command to the client.
    pub command: Callback<Command>,
    /// Sends a command to the app.
    pub app: Callback<AppCommand>,
    /// Switches a local source of the current call on or off.
    pub switch: Callback<(PeerId, LocalSource, bool)>,
    /// Chooses a device by its [`id`](crate::media::MediaDevice::id).
    pub choose: Callback<(DeviceKind, String)>,
    /// Requests the statistics of a call.
    pub stats: Callback<PeerId, StatsFuture>,
    /// Sets, before a login, whether this browser remembers the person afterwards.
    pub remember: Callback<bool>,
    /// Chooses what this browser remembers, and which of its tabs is in use.
    pub device: Callback<DeviceAction>,
    /// Changes the list of recent calls.
    pub history: Callback<HistoryAction>,
    /// Asks whether notifications are allowed.
    pub allow_notifications: Callback<()>,
    /// Changes the language.
    pub language: Callback<Language>,
}
