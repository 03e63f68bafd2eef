//! Shows desktop notifications, and sends what the person does with them to the shell.

use tauri::AppHandle;
use tauri_plugin_notification::{Action, ActionType, ActiveNotification, NotificationExt};

use super::{
    event::{ShellEvent, ShellEvents},
    host::Notification,
    strings::Strings,
};
use crate::call_status::RingId;

/// The kind of notification that has buttons.
const RING: &str = "ring";
const ANSWER: &str = "answer";
const DECLINE: &str = "decline";
/// What the plugin calls a click on the notification itself.
const CLICK: &str = "tap";

/// The system's notifications.
#[derive(Debug)]
pub struct Notifications(AppHandle);

impl Notifications {
    /// Registers the buttons, and sends events from now on.
    pub fn start(app: &AppHandle, strings: &Strings, events: ShellEvents) -> Self {
        let notifications = app.notification();
        let action = |id: &str, title: &str| Action::builder(id, title).build();
        let actions = vec![action(ANSWER, strings.answer), action(DECLINE, strings.decline)];
        let kind = ActionType::builder(RING).actions(actions).build();
        let ready = notifications.register_action_types(vec![kind]).and_then(|()| {
            notifications.on_action(move |performed| {
                let ring = performed.notification().map(ActiveNotification::id);
                match (performed.action_id(), ring) {
                    (ANSWER, Some(ring)) => events.send(ShellEvent::Answer(Some(ring))),
                    (DECLINE, Some(ring)) => events.send(ShellEvent::Decline(Some(ring))),
                    (CLICK, _) => events.send(ShellEvent::Show),
                    _ => {}
                }
            })
        });
        if let Err(error) = ready {
            tracing::warn!(%error, "registering notification buttons failed; notifications have none");
        }
        Self(app.clone())
    }

    /// Shows a notification.
    pub fn show(&self, notification: Notification) {
        let Notification { ring, title, body } = notification;
        let mut builder = self.0.notification().builder().title(title).body(body);
        if let Some(ring) = ring {
            builder = builder.id(ring).action_type_id(RING);
        }
        if let Err(error) = builder.show() {
            tracing::warn!(%error, is_ring = ring.is_some(), "notification not shown");
        }
    }

    /// Takes the notification of a ring back.
    pub fn dismiss(&self, ring: RingId) {
        let app = self.0.clone();
        // It waits for the system's answer.
        tauri::async_runtime::spawn_blocking(move || {
            if let Err(error) = app.notification().remove_active(vec![ring]) {
                tracing::debug!(%error, "notification not dismissed");
            }
        });
    }
}
