//! Screen sharing: the screen's track replaces the camera's.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

use wasm_bindgen_futures::spawn_local;

use super::{
    super::{
        capture::{self, ScreenError, SharedScreen},
        connection::TrackKind,
        view::SourceState,
    },
    audio_mix::AudioMix,
    state::PeerState,
};

/// Starts and stops screen sharing in one peer's call.
pub struct ScreenShare {
    me: Weak<Self>,
    peer: Rc<PeerState>,
    /// Whether the browser's dialog is open.
    dialog_open: Cell<bool>,
}

impl ScreenShare {
    /// Creates it with nothing shared.
    pub fn new(peer: Rc<PeerState>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self { me: me.clone(), peer, dialog_open: Cell::new(false) })
    }

    /// Starts or stops sharing. Calls `getDisplayMedia` before it returns, because browsers require the person's click.
    pub fn switch(self: &Rc<Self>, on: bool) {
        let (shared, acquired) = {
            let parts = self.peer.parts.borrow();
            (parts.view.local.screen.is_on(), parts.view.local_stream.is_some())
        };
        if on == shared || !acquired {
            return;
        }
        let share = Rc::clone(self);
        if !on {
            spawn_local(async move { share.stop(SourceState::Absent).await });
            return;
        }
        if self.dialog_open.replace(true) {
            return;
        }
        let screen = capture::acquire_screen();
        spawn_local(async move {
            let screen = screen.await;
            share.dialog_open.set(false);
            match screen {
                Ok(screen) if share.peer.is_closed() => screen.stop(),
                Ok(screen) => share.start(screen).await,
                Err(ScreenError::Cancelled) => {
                    share.peer.change(|parts| parts.view.local.screen = SourceState::Absent);
                }
                Err(ScreenError::Failed) => share.peer.change(|parts| parts.view.local.screen = SourceState::Lost),
            }
        });
    }

    async fn start(&self, screen: SharedScreen) {
        let track = screen.video;
        // The person stopped sharing in the browser, or closed the shared window.
        let mut ended = Some(self.peer.on(&self.me, &track, "ended", |share, _| {
            let share = Rc::clone(share);
            spawn_local(async move { share.stop(SourceState::Absent).await });
        }));
        self.peer.change(|parts| {
            parts.listeners.extend(ended.take());
            parts.tracks.screen = Some(track);
            parts.tracks.mix = screen.audio.and_then(AudioMix::new);
            parts.view.local.screen = SourceState::On;
            parts.update_local();
        });
        let has_sound = self.peer.parts.borrow().tracks.mix.is_some();
        if !self.peer.send(TrackKind::Video).await || (has_sound && !self.peer.send(TrackKind::Audio).await) {
            self.stop(SourceState::Lost).await;
        }
    }

    /// Returns to the camera, if it is on.
    async fn stop(&self, state: SourceState) {
        if self.peer.is_closed() {
            return;
        }
        let mut mix = None;
        self.peer.change(|parts| {
            if let Some(track) = parts.tracks.screen.take() {
                track.stop();
            }
            mix = parts.tracks.mix.take();
            parts.view.local.screen = state;
            parts.update_local();
        });
        // Both fail only once the connection is lost.
        self.peer.send(TrackKind::Video).await;
        if mix.is_some() {
            self.peer.send(TrackKind::Audio).await;
        }
    }
}
