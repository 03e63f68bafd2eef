//! D-Bus session bus of a test, with test doubles of desktop services: a notification service and, if wanted, a tray.
//! Both record what the app sends and simulate the user's clicks.

use std::{collections::HashMap, fs, time::Duration};

use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::{process::Command, sync::watch, time::timeout};
use zbus::{
    Connection, MatchRule, MessageStream, connection, fdo, interface,
    message::{self, Header},
    zvariant::{OwnedValue, Structure, Value},
};

use crate::{Context, Result, anyhow, paths, process::ChildProcess};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// `NotificationClosed` reason 3: closed by a call to `CloseNotification` (Desktop Notifications Specification).
const CLOSED_BY_CALL: u32 = 3;

/// Capacity of the signal queue; a full queue blocks the connection.
const SIGNAL_QUEUE: usize = 1_000;

/// Whether the desktop offers a tray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraySupport {
    /// No tray, as on many desktops.
    Absent,
    /// A tray.
    Present,
}

/// A session bus with the test doubles on it. Dropping it kills the bus daemon.
#[derive(Debug)]
pub struct SessionBus {
    connection: Connection,
    notifications: watch::Receiver<Vec<RecordedNotification>>,
    items: watch::Receiver<Vec<TrayItem>>,
    daemon: BusDaemon,
}

/// A bus daemon without any service. Dropping it kills the daemon.
#[derive(Debug)]
pub struct BusDaemon {
    address: String,
    _process: ChildProcess,
    _folder: TempDir,
}

/// A notification that an app has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedNotification {
    /// Its ID.
    pub id: u32,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its actions: identifiers and labels, alternating.
    pub actions: Vec<String>,
    /// Whether the app has closed it.
    pub state: NotificationState,
}

/// Whether a notification is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationState {
    /// Visible.
    Visible,
    /// Closed by the app.
    Closed,
}

/// A tray item (`StatusNotifierItem`): the owner's bus name and the object's path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TrayItem {
    owner: String,
    path: String,
}

impl BusDaemon {
    /// Starts a bus.
    ///
    /// # Errors
    ///
    /// Returns an error when dbus-daemon is not installed, or does not start.
    pub async fn start() -> Result<Self> {
        let program = paths::installed_program(&["dbus-daemon"], "`apt-get install dbus-daemon`")?;
        let folder = tempfile::Builder::new().prefix("hutong-bus-").tempdir()?;
        let config = folder.path().join("bus.conf");
        // Without service files, no call activates a service of this machine.
        let policy = r#"<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>"#;
        let listen = folder.path().display();
        fs::write(
            &config,
            format!(
                r#"<busconfig><type>session</type><listen>unix:dir={listen}</listen><policy context="default">{policy}</policy></busconfig>"#
            ),
        )?;
        let mut command = Command::new(program);
        command.arg("--nofork").arg("--nopidfile").arg("--print-address=1");
        command.arg(format!("--config-file={}", config.display()));
        let mut process = ChildProcess::spawn("dbus-daemon", &mut command)?;
        let address =
            process.wait_for_line(START_TIMEOUT, |line| line.starts_with("unix:").then(|| line.to_owned())).await?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// Its address, for `DBUS_SESSION_BUS_ADDRESS`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl SessionBus {
    /// Starts a bus.
    ///
    /// # Errors
    ///
    /// Returns an error when dbus-daemon is not installed, or does not start.
    pub async fn start(trays: TraySupport) -> Result<Self> {
        let daemon = BusDaemon::start().await?;
        let (shown, notifications) = watch::channel(Vec::new());
        let (put, items) = watch::channel(Vec::new());
        let mut builder = connection::Builder::address(daemon.address())?
            .name("org.freedesktop.Notifications")?
            .serve_at(NOTIFICATIONS_PATH, NotificationService(shown))?;
        if trays == TraySupport::Present {
            builder =
                builder.name("org.kde.StatusNotifierWatcher")?.serve_at("/StatusNotifierWatcher", TrayWatcher(put))?;
        }
        let connection = builder.build().await?;
        Ok(Self { connection, notifications, items, daemon })
    }

    /// Its address, for `DBUS_SESSION_BUS_ADDRESS`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.daemon.address()
    }

    /// Waits for a notification for which `matches` is true and returns the latest.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_for_notification(
        &self,
        limit: Duration,
        matches: impl Fn(&RecordedNotification) -> bool,
    ) -> Result<RecordedNotification> {
        let mut notifications = self.notifications.clone();
        let found = timeout(limit, notifications.wait_for(|all| all.iter().any(&matches))).await;
        match found {
            Ok(all) => all?.iter().rev().find(|it| matches(it)).cloned().context("a notification"),
            Err(_) => {
                Err(anyhow!("no matching notification within {limit:?}, only {:?}", *self.notifications.borrow()))
            }
        }
    }

    /// Number of notifications so far.
    #[must_use]
    pub fn notification_count(&self) -> usize {
        self.notifications.borrow().len()
    }

    /// Invokes an action of a notification; `default` is a click on the notification itself.
    ///
    /// # Errors
    ///
    /// Returns an error when the bus is gone.
    pub async fn invoke_action(&self, notification: &RecordedNotification, action: &str) -> Result<()> {
        Ok(signal(&self.connection, "ActionInvoked", &(notification.id, action)).await?)
    }

    /// Entries of the first tray item's menu, without separators: ID and label.
    ///
    /// # Errors
    ///
    /// Returns an error when no tray item appears in time, or it has no menu.
    pub async fn tray_menu(&self) -> Result<Vec<(i32, String)>> {
        let item = self.tray_item().await?;
        let layout = self.call_menu(&item, "GetLayout", &(0_i32, -1_i32, Vec::<&str>::new())).await?;
        let (_revision, (_, _, entries)): (u32, MenuNode) = layout.body().deserialize()?;
        let mut labels = Vec::new();
        for entry in entries {
            let entry = Structure::try_from(Value::from(entry))?;
            let [Value::I32(id), Value::Dict(properties), _] = entry.fields() else {
                return Err(anyhow!("unexpected menu entry: {entry:?}"));
            };
            if let Ok(Some(label)) = properties.get::<&str, &str>(&"label")
                && !label.is_empty()
            {
                labels.push((*id, label.replace('_', "")));
            }
        }
        Ok(labels)
    }

    /// Waits for a menu entry with this label and returns its ID.
    ///
    /// # Errors
    ///
    /// Returns an error when the limit passes.
    pub async fn wait_for_menu_entry(&self, label: &str, limit: Duration) -> Result<i32> {
        let search = async {
            let item = self.tray_item().await?;
            // Subscribe before the first read, so that no change is missed. Any signal of the app may announce another
            // menu: its object changes as well as its entries.
            let rule = MatchRule::builder().msg_type(message::Type::Signal).sender(item.owner.as_str())?.build();
            let mut signals = MessageStream::for_match_rule(rule, &self.connection, Some(SIGNAL_QUEUE)).await?;
            loop {
                if let Ok(menu) = self.tray_menu().await
                    && let Some((id, _)) = menu.iter().find(|(_, it)| it == label)
                {
                    return Ok(*id);
                }
                signals.next().await.context("the bus has closed")??;
            }
        };
        match timeout(limit, search).await {
            Ok(id) => id,
            Err(_) => Err(anyhow!("no menu entry {label} within {limit:?}, only {:?}", self.tray_menu().await)),
        }
    }

    /// Clicks the menu entry with this label.
    ///
    /// # Errors
    ///
    /// Returns an error when the entry does not appear in time.
    pub async fn choose_menu_entry(&self, label: &str, limit: Duration) -> Result<()> {
        let id = self.wait_for_menu_entry(label, limit).await?;
        let item = self.tray_item().await?;
        self.call_menu(&item, "Event", &(id, "clicked", Value::from(0_i32), 0_u32)).await?;
        Ok(())
    }

    async fn tray_item(&self) -> Result<TrayItem> {
        let mut items = self.items.clone();
        let found = timeout(START_TIMEOUT, items.wait_for(|all| !all.is_empty())).await.context("no tray item")??;
        found.first().cloned().context("a tray item")
    }

    async fn call_menu<B>(&self, item: &TrayItem, method: &str, arguments: &B) -> Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let get = ("org.kde.StatusNotifierItem", "Menu");
        let owner = Some(item.owner.as_str());
        let properties = Some("org.freedesktop.DBus.Properties");
        let path = self
            .connection
            .call_method(owner, item.path.as_str(), properties, "Get", &get)
            .await
            .context("the menu's path of the tray item")?;
        let path: OwnedValue = path.body().deserialize()?;
        let path = zbus::zvariant::OwnedObjectPath::try_from(path)?;
        let menu = Some("com.canonical.dbusmenu");
        self.connection.call_method(owner, path.as_str(), menu, method, arguments).await.context("the menu")
    }
}

/// A menu node (com.canonical.dbusmenu): ID, properties and children.
type MenuNode = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

const NOTIFICATIONS_PATH: &str = "/org/freedesktop/Notifications";

async fn signal<B>(connection: &Connection, name: &str, body: &B) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    connection.emit_signal(None::<&str>, NOTIFICATIONS_PATH, "org.freedesktop.Notifications", name, body).await
}

struct NotificationService(watch::Sender<Vec<RecordedNotification>>);

#[interface(name = "org.freedesktop.Notifications")]
impl NotificationService {
    // The specification defines the parameters.
    #[allow(clippy::too_many_arguments)]
    fn notify(
        &self,
        _app: String,
        _replaces: u32,
        _icon: String,
        title: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        let mut id = 0;
        self.0.send_modify(|all| {
            id = all.len() as u32 + 1;
            all.push(RecordedNotification { id, title, body, actions, state: NotificationState::Visible });
        });
        id
    }

    async fn close_notification(&self, id: u32, #[zbus(connection)] connection: &Connection) -> fdo::Result<()> {
        self.0.send_modify(|all| {
            if let Some(it) = all.iter_mut().find(|it| it.id == id) {
                it.state = NotificationState::Closed;
            }
        });
        Ok(signal(connection, "NotificationClosed", &(id, CLOSED_BY_CALL)).await?)
    }

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "body-markup"].map(str::to_owned).into()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("recorder".into(), "hutong".into(), "1".into(), "1.2".into())
    }
}

struct TrayWatcher(watch::Sender<Vec<TrayItem>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl TrayWatcher {
    fn register_status_notifier_item(&self, service: String, #[zbus(header)] header: Header<'_>) {
        let owner = header.sender().map(ToString::to_string).unwrap_or_default();
        // By specification a bus name; some libraries send the object's path.
        let path = if service.starts_with('/') { service } else { "/StatusNotifierItem".to_owned() };
        self.0.send_modify(|all| all.push(TrayItem { owner, path }));
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.borrow().iter().map(|item| format!("{}{}", item.owner, item.path)).collect()
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}
