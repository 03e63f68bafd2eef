//! The own screen, in place of the camera's picture.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

use wasm_bindgen_futures::spawn_local;
use web_sys::MediaStreamTrack;

use super::{
    super::{
        connection::TrackKind,
        devices::{self, NoScreen},
        view::Sending,
    },
    state::PeerState,
};

/// The own screen in one peer's call.
pub struct ScreenShare {
    me: Weak<Self>,
    peer: Rc<PeerState>,
    /// Whether the browser's dialog is open.
    asking: Cell<bool>,
}

impl ScreenShare {
    /// Nothing is shared yet.
    pub fn new(peer: Rc<PeerState>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self { me: me.clone(), peer, asking: Cell::new(false) })
    }

    /// Asks for the screen and sends it, or ends that. Asks within the person's click, so it waits for nothing else.
    pub fn switch(self: &Rc<Self>, on: bool) {
        let (shared, acquired) = {
            let parts = self.peer.parts.borrow();
            (parts.view.own.screen.is_on(), parts.view.local.is_some())
        };
        if on == shared || !acquired {
            return;
        }
        let share = Rc::clone(self);
        if !on {
            spawn_local(async move { share.unshare(Sending::Absent).await });
            return;
        }
        if self.asking.replace(true) {
            return;
        }
        let asked = devices::screen();
        spawn_local(async move {
            let screen = asked.await;
            share.asking.set(false);
            match screen {
                Ok(track) if share.peer.is_closed() => track.stop(),
                Ok(track) => share.share(track).await,
                Err(NoScreen::Cancelled) => share.peer.change(|parts| parts.view.own.screen = Sending::Absent),
                Err(NoScreen::Failed) => share.peer.change(|parts| parts.view.own.screen = Sending::Lost),
            }
        });
    }

    async fn share(&self, track: MediaStreamTrack) {
        // By the browser's own button, or with the window that was shared.
        let mut ended = Some(self.peer.on(&self.me, &track, "ended", |share, _| {
            let share = Rc::clone(share);
            spawn_local(async move { share.unshare(Sending::Absent).await });
        }));
        self.peer.change(|parts| {
            parts.listeners.extend(ended.take());
            parts.sources.screen = Some(track);
            parts.view.own.screen = Sending::On;
            parts.show_own();
        });
        if !self.peer.send(TrackKind::Picture).await {
            self.unshare(Sending::Lost).await;
        }
    }

    /// Back to the camera, if it is on.
    async fn unshare(&self, state: Sending) {
        if self.peer.is_closed() {
            return;
        }
        self.peer.change(|parts| {
            if let Some(track) = parts.sources.screen.take() {
                track.stop();
            }
            parts.view.own.screen = state;
            parts.show_own();
        });
        // Whatever does not take the camera back has lost the call.
        self.peer.send(TrackKind::Picture).await;
    }
}
