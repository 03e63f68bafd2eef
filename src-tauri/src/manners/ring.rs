//! Notifications: somebody calls while the window is out of sight, and the window was closed in a call.

use hutong_protocol::{MediaKind, Name};
use tauri::AppHandle;
use tauri_plugin_notification::{Action, ActionType, NotificationExt};

use super::{
    closing::WayBack,
    keeper::{Happening, Happenings},
    words::Words,
};
use crate::standing::RingId;

/// The sort of notification that can be answered.
const RING: &str = "ring";
const ANSWER: &str = "answer";
const DECLINE: &str = "decline";
/// What the plugin calls a click on the notification itself.
const CLICK: &str = "tap";

/// Shows notifications, and hears what the person does with them.
#[derive(Debug)]
pub struct Notifier {
    app: AppHandle,
    words: &'static Words,
}

impl Notifier {
    /// From now on what the person does with a notification happens.
    pub fn start(app: &AppHandle, words: &'static Words, happenings: Happenings) -> Self {
        let notifications = app.notification();
        let action = |id: &str, title: &str| Action::builder(id, title).build();
        let actions = vec![action(ANSWER, words.answer), action(DECLINE, words.decline)];
        let kind = ActionType::builder(RING).actions(actions).build();
        let ready = notifications.register_action_types(vec![kind]).and_then(|()| {
            notifications.on_action(move |performed| {
                let ring = performed.notification().map(tauri_plugin_notification::ActiveNotification::id);
                match (performed.action_id(), ring) {
                    (ANSWER, Some(ring)) => happenings.put(Happening::Answer(Some(ring))),
                    (DECLINE, Some(ring)) => happenings.put(Happening::Decline(Some(ring))),
                    (CLICK, _) => happenings.put(Happening::Show),
                    _ => {}
                }
            })
        });
        if let Err(error) = ready {
            tracing::warn!(%error, "notifications have no buttons");
        }
        Self { app: app.clone(), words }
    }

    /// Somebody calls.
    pub fn rings(&self, ring: RingId, name: &Name, media: MediaKind) {
        let words = self.words;
        let notification = self.app.notification().builder().id(ring).action_type_id(RING);
        // The name is in the title alone: what some systems read in a body is markup.
        let notification = notification.title((words.calling)(name.as_str())).body((words.offered)(media));
        if let Err(error) = notification.show() {
            tracing::warn!(%error, "there is no notification of a call");
        }
    }

    /// It rings no more.
    pub fn rings_no_more(&self, ring: RingId) {
        let app = self.app.clone();
        // It waits for the system's answer.
        tauri::async_runtime::spawn_blocking(move || {
            if let Err(error) = app.notification().remove_active(vec![ring]) {
                tracing::debug!(%error, "a notification stays");
            }
        });
    }

    /// The window was closed, and the call goes on.
    pub fn goes_on(&self, way: WayBack) {
        let notification = self.app.notification().builder().title(self.words.goes_on).body((self.words.back)(way));
        if let Err(error) = notification.show() {
            tracing::warn!(%error, "nothing says that the call goes on");
        }
    }
}
