//! Desktop notifications: shows them, and forwards clicks and buttons to the shell as events.

use tauri::AppHandle;
use tauri_plugin_notification::{Action, ActionType, ActiveNotification, NotificationExt};

use super::{
    shell_event::{ShellEvent, ShellEvents},
    shell_host::Notification,
    strings::Strings,
};
use crate::call_status::RingId;

/// The action type of ring notifications, which have buttons.
const RING: &str = "ring";
const ANSWER: &str = "answer";
const DECLINE: &str = "decline";
/// The plugin's action ID of a click on the notification itself.
const CLICK: &str = "tap";

/// The notification service.
#[derive(Debug)]
pub struct Notifications(AppHandle);

impl Notifications {
    /// Registers buttons and event handler.
    pub fn start(app: &AppHandle, strings: &Strings, events: ShellEvents) -> Self {
        let notifications = app.notification();
        let action = |id: &str, title: &str| Action::builder(id, title).build();
        let actions = vec![action(ANSWER, strings.answer), action(DECLINE, strings.decline)];
        let action_type = ActionType::builder(RING).actions(actions).build();
        let registered = notifications.register_action_types(vec![action_type]).and_then(|()| {
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
        if let Err(error) = registered {
            tracing::warn!(%error, "registering notification buttons failed; notifications have no buttons");
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
            tracing::warn!(%error, is_ring = ring.is_some(), "cannot show a notification");
        }
    }

    /// Removes the notification of a ring.
    pub fn dismiss(&self, ring: RingId) {
        let app = self.0.clone();
        // The call blocks until the notification service answers.
        tauri::async_runtime::spawn_blocking(move || {
            if let Err(error) = app.notification().remove_active(vec![ring]) {
                tracing::debug!(%error, "cannot remove the notification of an incoming call; it stays visible");
            }
        });
    }
}
