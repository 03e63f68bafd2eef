//! The desktop shell: handles call status changes and shell events in order, and drives window, tray and notifications.

use hutong_core::{Command, host_messages::WhenClosed};
use hutong_protocol::{MediaKind, Name};
use tokio::sync::{mpsc, watch};

use super::{
    shell_event::ShellEvent,
    shell_host::{Notification, ShellHost},
    strings::Strings,
    tray_content::TrayContent,
    window_close::{CloseAction, WindowRestore},
};
use crate::{
    arguments::ActivationToken,
    call_status::{CallStatus, RingId},
    close_policy::ClosePolicy,
};

/// The controller of window, tray and notifications. Acts through a [`ShellHost`].
#[derive(Debug)]
pub struct DesktopShell<H> {
    host: H,
    status: watch::Receiver<CallStatus>,
    close_policy: watch::Receiver<ClosePolicy>,
    strings: &'static Strings,
    ring: RingNotice,
    /// How to restore the window that was closed; `None` when it was not closed.
    restore: Option<WindowRestore>,
    close_question: CloseQuestion,
}

/// The question what closing the window shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseQuestion {
    /// Not asked.
    None,
    /// The page asks it.
    Asked,
}

/// Where the current ring is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RingNotice {
    /// Nothing rings.
    None,
    /// In the window only.
    InWindow(RingId),
    /// In a notification too.
    Notified(RingId),
}

impl RingNotice {
    /// The notice for this call status: unchanged while the same ring continues.
    fn updated(self, status: &CallStatus) -> Self {
        match (status, self) {
            (CallStatus::Ringing { ring, .. }, Self::InWindow(id) | Self::Notified(id)) if id == *ring => self,
            (CallStatus::Ringing { ring, .. }, _) => Self::InWindow(*ring),
            (CallStatus::Idle | CallStatus::InCall { .. }, _) => Self::None,
        }
    }
}

impl<H: ShellHost> DesktopShell<H> {
    /// Creates a shell that has shown nothing yet.
    pub fn new(
        host: H,
        status: watch::Receiver<CallStatus>,
        close_policy: watch::Receiver<ClosePolicy>,
        strings: &'static Strings,
    ) -> Self {
        let (ring, close_question) = (RingNotice::None, CloseQuestion::None);
        Self { host, status, close_policy, strings, ring, restore: None, close_question }
    }

    /// Leaves the window hidden that begins so, or minimises it where no tray could show it again.
    pub async fn begin_hidden(&mut self) {
        let restore = WindowRestore::without_call(self.host.shows_tray().await);
        if restore == WindowRestore::WindowList
            && let Err(error) = self.host.minimize_window()
        {
            tracing::warn!(%error, "cannot minimize the window; it is shown");
            return self.show(None);
        }
        self.restore = Some(restore);
    }

    /// Handles status changes and events until the controller stops.
    pub async fn run(mut self, mut events: mpsc::Receiver<ShellEvent>) {
        loop {
            tokio::select! {
                changed = self.status.changed() => match changed {
                    Ok(()) => {
                        let status = self.status.borrow_and_update().clone();
                        self.update(&status);
                    }
                    // The controller has stopped: the app exits.
                    Err(_) => return,
                },
                Ok(()) = self.close_policy.changed() => self.close_policy_changed().await,
                event = events.recv() => match event {
                    Some(event) => self.handle(event).await,
                    None => return,
                }
            }
        }
    }

    fn update(&mut self, status: &CallStatus) {
        self.host.set_tray(&TrayContent::in_status(status, self.strings));
        let before = self.ring;
        self.ring = before.updated(status);
        if let RingNotice::Notified(id) = before
            && self.ring != before
        {
            self.host.dismiss(id);
        }
        self.notify_if_unfocused(status);
        // Without a tray the person might not find the hidden window after the call.
        if *status == CallStatus::Idle && self.restore == Some(WindowRestore::SecondStart) {
            self.show(None);
        }
    }

    async fn handle(&mut self, event: ShellEvent) {
        match event {
            ShellEvent::CloseRequested => self.close().await,
            ShellEvent::FocusChanged => {
                let window = self.host.window();
                if window.visible && !window.minimized {
                    self.restore = None;
                }
                let status = self.status.borrow().clone();
                self.notify_if_unfocused(&status);
            }
            ShellEvent::Show => self.show(None),
            ShellEvent::SecondStart { link, activation_token } => {
                if let Some(link) = link {
                    self.host.open_link(link).await;
                }
                self.show(activation_token.as_ref());
            }
            ShellEvent::Answer(ring) => {
                if let Some(media) = self.ringing(ring) {
                    self.show(None);
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

    /// The kind of the call that rings; `None` when nothing rings, or another ring than the `expected` one.
    fn ringing(&self, expected: Option<RingId>) -> Option<MediaKind> {
        match &*self.status.borrow() {
            CallStatus::Ringing { ring, media, .. } if expected.is_none_or(|expected| expected == *ring) => {
                Some(*media)
            }
            _ => None,
        }
    }

    /// Acts on the answer to the question what closing the window shall do.
    async fn close_policy_changed(&mut self) {
        let ClosePolicy { when_closed, is_asking } = *self.close_policy.borrow_and_update();
        if is_asking {
            self.close_question = CloseQuestion::Asked;
            return;
        }
        let before = std::mem::replace(&mut self.close_question, CloseQuestion::None);
        match (before, when_closed) {
            (CloseQuestion::Asked, WhenClosed::Stay) => self.close().await,
            (CloseQuestion::Asked, WhenClosed::Quit) => self.host.exit(),
            // Dismissed, or changed in the settings.
            (CloseQuestion::Asked, WhenClosed::Ask) | (CloseQuestion::None, _) => {}
        }
    }

    /// Hides the window that the person closed, and notifies how to restore it; or asks, or quits.
    async fn close(&mut self) {
        let (has_tray, finds_running_app) = (self.host.shows_tray().await, self.host.finds_running_app().await);
        // The status may have changed during the probes.
        let status = self.status.borrow().clone();
        self.update(&status);
        let policy = *self.close_policy.borrow();
        match CloseAction::in_status(&status, policy) {
            CloseAction::HideWindow => {}
            CloseAction::Ask => return self.host.ask_when_closed().await,
            CloseAction::Quit => return self.host.exit(),
        }
        let restore = match &status {
            CallStatus::Idle => WindowRestore::without_call(has_tray),
            CallStatus::Ringing { .. } | CallStatus::InCall { .. } => WindowRestore::best(has_tray, finds_running_app),
        };
        let hidden = match restore {
            WindowRestore::Tray | WindowRestore::SecondStart => self.host.hide_window(),
            WindowRestore::WindowList => self.host.minimize_window(),
        };
        if let Err(error) = hidden {
            tracing::warn!(%error, "cannot hide or minimize the window; it stays visible");
            return;
        }
        self.restore = Some(restore);
        match &status {
            CallStatus::InCall { .. } => self.host.notify(Notification {
                ring: None,
                title: self.strings.call_continues.to_owned(),
                body: (self.strings.restore)(restore),
            }),
            // Notify here: a window without the focus sends no focus event when it is hidden.
            CallStatus::Ringing { ring, name, media } => self.notify_ring(*ring, name, *media),
            // The person has chosen it.
            CallStatus::Idle => {}
        }
    }

    /// Shows the ring's notification, once, if the window is hidden or has no focus.
    fn notify_if_unfocused(&mut self, status: &CallStatus) {
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

    fn show(&mut self, token: Option<&ActivationToken>) {
        self.restore = None;
        self.host.show_window(token);
    }
}

#[cfg(test)]
mod tests;
