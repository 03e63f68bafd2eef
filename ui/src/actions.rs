//! Callbacks for what the person does: the root makes them, and every view may call them.

use hutong_core::{Command, PeerId, app::AppCommand};
use yew::Callback;

use crate::{
    i18n::Language,
    media::{Sort, Source, Stats},
};

/// What the person can set off, from anywhere in the views.
#[derive(Clone, PartialEq)]
pub struct Actions {
    /// For the client.
    pub command: Callback<Command>,
    /// For the app around this page.
    pub app: Callback<AppCommand>,
    /// For the media engine, in the call that is on.
    pub switch: Callback<(PeerId, Source, bool)>,
    /// To another device, by its [`id`](crate::media::Device::id).
    pub choose: Callback<(Sort, String)>,
    /// Measures a call.
    pub stats: Callback<PeerId, Stats>,
    /// To the other language.
    pub language: Callback<Language>,
}
