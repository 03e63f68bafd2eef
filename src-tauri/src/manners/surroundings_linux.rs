//! Linux: what there is around the app is found out over the session bus.

use std::time::Duration;

use zbus::Connection;

/// How long the bus may take to answer. Nobody waits for more than a window that closes.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether somebody shows trays now. Many desktops have none.
pub async fn shows_trays() -> bool {
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

/// Whether this app is found when it is started again, and a tray can be there at all: whether there is a session bus.
pub async fn is_found() -> bool {
    matches!(tokio::time::timeout(ANSWER, Connection::session()).await, Ok(Ok(_)))
}
