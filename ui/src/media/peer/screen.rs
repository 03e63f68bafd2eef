//! The own screen, in place of the camera's picture.

use std::rc::Rc;

use wasm_bindgen_futures::spawn_local;
use web_sys::MediaStreamTrack;

use super::{
    super::{
        Sending,
        connection::TrackKind,
        devices::{self, NoScreen},
    },
    Peer,
};

impl Peer {
    /// Asks for the screen and sends it, or ends that. Asks within the person's click, so it waits for nothing else.
    pub(super) fn switch_screen(self: &Rc<Self>, on: bool) {
        let (shared, acquired) = {
            let parts = self.parts.borrow();
            (parts.view.own.screen.is_on(), parts.view.local.is_some())
        };
        if on == shared || !acquired {
            return;
        }
        let peer = Rc::clone(self);
        if !on {
            spawn_local(async move { peer.unshare(Sending::Absent).await });
            return;
        }
        if self.asking_screen.replace(true) {
            return;
        }
        let asked = devices::screen();
        spawn_local(async move {
            let screen = asked.await;
            peer.asking_screen.set(false);
            match screen {
                Ok(track) if peer.closed.get() => track.stop(),
                Ok(track) => peer.share(track).await,
                Err(NoScreen::Cancelled) => peer.change(|parts| parts.view.own.screen = Sending::Absent),
                Err(NoScreen::Failed) => peer.change(|parts| parts.view.own.screen = Sending::Lost),
            }
        });
    }

    async fn share(&self, track: MediaStreamTrack) {
        // By the browser's own button, or with the window that was shared.
        let mut ended = Some(self.on(&track, "ended", |peer, _| {
            if let Some(peer) = peer.me.upgrade() {
                spawn_local(async move { peer.unshare(Sending::Absent).await });
            }
        }));
        self.change(|parts| {
            parts.listeners.extend(ended.take());
            parts.sources.screen = Some(track);
            parts.view.own.screen = Sending::On;
            parts.show_own();
        });
        if !self.send(TrackKind::Picture).await {
            self.unshare(Sending::Lost).await;
        }
    }

    /// Back to the camera, if it is on.
    async fn unshare(&self, state: Sending) {
        if self.closed.get() {
            return;
        }
        self.change(|parts| {
            if let Some(track) = parts.sources.screen.take() {
                track.stop();
            }
            parts.view.own.screen = state;
            parts.show_own();
        });
        // Whatever does not take the camera back has lost the call.
        self.send(TrackKind::Picture).await;
    }
}
