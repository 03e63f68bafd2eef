//! Linux: probes over the D-Bus session bus.

use std::time::Duration;

use zbus::Connection;

/// Timeout of a D-Bus reply. Closing the window waits for it.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a tray host (`StatusNotifierHost`) is running. Many desktops have none.
pub async fn has_tray_host() -> bool {
    let probe = async {
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
    matches!(tokio::time::timeout(REPLY_TIMEOUT, probe).await, Ok(Ok(true)))
}

/// Whether there is a session bus. Single instance and tray both need one.
pub async fn finds_running_app() -> bool {
    matches!(tokio::time::timeout(REPLY_TIMEOUT, Connection::session()).await, Ok(Ok(_)))
}
