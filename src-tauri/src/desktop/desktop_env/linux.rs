//! Linux: asks over the session bus.

use std::time::Duration;

use zbus::Connection;

/// How long the bus may take to answer: a window that closes waits for it.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether a tray host runs now. Many desktops have none.
pub async fn has_tray_host() -> bool {
    let asked = async {
        let connection = Connection::session().await?;
        let reply = connection
            .call_method(
                Some("org.kde.StatusNotifierWatcher"),
                "/StatusNotifierWatcher",
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &("org.kde.StatusNotifierWatcher", "IsStatusNotifierHostRegistered"),
            )
            .await?;
        let value: zbus::zvariant::OwnedValue = reply.body().deserialize()?;
        Ok::<bool, zbus::Error>(bool::try_from(value)?)
    };
    matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(true)))
}

/// Whether a second start finds this app, and a tray is possible at all: whether there is a session bus.
pub async fn finds_running_app() -> bool {
    matches!(tokio::time::timeout(ANSWER, Connection::session()).await, Ok(Ok(_)))
}
