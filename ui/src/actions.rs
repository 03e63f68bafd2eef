//! Callbacks of the root component for the person's actions, passed down to all views.

use hutong_core::{Command, PeerId, host_messages::AppCommand};
use yew::Callback;

use crate::{
    i18n::Language,
    media::{DeviceKind, LocalSource, StatsFuture},
};

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
    /// Changes the language.
    pub language: Callback<Language>,
}
