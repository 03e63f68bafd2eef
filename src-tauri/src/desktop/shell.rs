//! Keeps window, tray and notifications in step with the call status: one event after the other.

use hutong_core::Command;
use hutong_protocol::{MediaKind, Name};
use tokio::sync::{mpsc, watch};

use super::{
    closing::WindowRestore,
    event::ShellEvent,
    host::{Notification, ShellHost},
    strings::Strings,
    tray_content::TrayContent,
};
use crate::call_status::{CallStatus, RingId};

/// Decides what the desktop shows; the host does it.
#[derive(Debug)]
pub struct DesktopShell<H> {
    host: H,
    status: watch::Receiver<CallStatus>,
    strings: &'static Strings,
    ring: RingNotice,
    /// How the person restores the window that they closed; `None` while it is not closed.
    restore: Option<WindowRestore>,
}

/// Where a call that rings is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RingNotice {
    /// It does not ring.
    Silent,
    /// The window shows it.
    InWindow(RingId),
    /// A notification shows it too.
    Notified(RingId),
}

impl RingNotice {
    /// The notice in this status: a ring that goes on stays where it is shown.
    fn follow(self, status: &CallStatus) -> Self {
        match (status, self) {
            (CallStatus::Ringing { ring, .. }, Self::InWindow(id) | Self::Notified(id)) if id == *ring => self,
            (CallStatus::Ringing { ring, .. }, _) => Self::InWindow(*ring),
            (CallStatus::Idle | CallStatus::InCall { .. }, _) => Self::Silent,
        }
    }
}

impl<H: ShellHost> DesktopShell<H> {
    /// A shell that has shown nothing yet.
    pub fn new(host: H, status: watch::Receiver<CallStatus>, strings: &'static Strings) -> Self {
        Self { host, status, strings, ring: RingNotice::Silent, restore: None }
    }

    /// Follows status and events until the client is gone.
    pub async fn run(mut self, mut events: mpsc::Receiver<ShellEvent>) {
        loop {
            tokio::select! {
                changed = self.status.changed() => match changed {
                    Ok(()) => {
                        let status = self.status.borrow_and_update().clone();
                        self.follow(&status);
                    }
                    // The client is gone: the app ends.
                    Err(_) => return,
                },
                event = events.recv() => match event {
                    Some(event) => self.handle(event).await,
                    None => return,
                }
            }
        }
    }

    fn follow(&mut self, status: &CallStatus) {
        self.host.set_tray(&TrayContent::in_status(status, self.strings));
        let before = self.ring;
        self.ring = before.follow(status);
        if let RingNotice::Notified(id) = before
            && self.ring != before
        {
            self.host.dismiss(id);
        }
        self.notify_unseen(status);
        // Where nothing else restores it.
        if *status == CallStatus::Idle && self.restore == Some(WindowRestore::SecondStart) {
            self.show();
        }
    }

    async fn handle(&mut self, event: ShellEvent) {
        match event {
            ShellEvent::CloseRequested => self.hide_in_call().await,
            ShellEvent::FocusChanged => {
                let window = self.host.window();
                if window.visible && !window.minimized {
                    self.restore = None;
                }
                let status = self.status.borrow().clone();
                self.notify_unseen(&status);
            }
            ShellEvent::Show => self.show(),
            ShellEvent::SecondStart { link } => {
                if let Some(link) = link {
                    self.host.open_link(link).await;
                }
                self.show();
            }
            ShellEvent::Answer(ring) => {
                if let Some(media) = self.ringing(ring) {
                    // Nobody would see the call in a hidden window.
                    self.show();
                    self.host.command(Command::Accept { media }).await;
                }
            }
            ShellEvent::Decline(ring) => {
                if self.ringing(ring).is_some() {
                    self.host.command(Command::Decline).await;
                }
            }
            ShellEvent::Quit => self.host.exit(),
        }
    }

    /// What the caller offers, if it is this ring that rings.
    fn ringing(&self, meant: Option<RingId>) -> Option<MediaKind> {
        match &*self.status.borrow() {
            CallStatus::Ringing { ring, media, .. } if meant.is_none_or(|meant| meant == *ring) => Some(*media),
            _ => None,
        }
    }

    /// Hides the window that the person closed in a call.
    async fn hide_in_call(&mut self) {
        let restore = WindowRestore::best(self.host.shows_tray().await, self.host.finds_running_app().await);
        // It may have changed while others were asked.
        let status = self.status.borrow().clone();
        self.follow(&status);
        let gone = match restore {
            WindowRestore::Tray | WindowRestore::SecondStart => self.host.hide_window(),
            WindowRestore::WindowList => self.host.minimize_window(),
        };
        if let Err(error) = gone {
            tracing::warn!(%error, "hiding the window failed; it stays");
            return;
        }
        self.restore = Some(restore);
        match &status {
            CallStatus::InCall { .. } => self.host.notify(Notification {
                ring: None,
                title: self.strings.call_continues.to_owned(),
                body: (self.strings.restore)(restore),
            }),
            // The window no longer shows it, and a window without the focus sends no event of that.
            CallStatus::Ringing { ring, name, media } => self.notify_ring(*ring, name, *media),
            // The call ended meanwhile. The person wanted to close the window, and does.
            CallStatus::Idle => self.host.exit(),
        }
    }

    /// Notifies of a call that rings, once, when the person does not see it in the window.
    fn notify_unseen(&mut self, status: &CallStatus) {
        if let CallStatus::Ringing { ring, name, media } = status {
            let window = self.host.window();
            if !(window.visible && window.focused) {
                self.notify_ring(*ring, name, *media);
            }
        }
    }

    fn notify_ring(&mut self, ring: RingId, name: &Name, media: MediaKind) {
        if self.ring != RingNotice::InWindow(ring) {
            return;
        }
        self.ring = RingNotice::Notified(ring);
        let title = (self.strings.calling)(name.as_str());
        self.host.notify(Notification { ring: Some(ring), title, body: (self.strings.incoming)(media) });
    }

    fn show(&mut self) {
        self.restore = None;
        self.host.show_window();
    }
}

#[cfg(test)]
mod tests;
