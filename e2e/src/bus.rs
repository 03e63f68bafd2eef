//! A session bus of a test's own, with what a desktop has on it: somebody who shows notifications and, if wanted, a tray. Both
//! remember what they were to show, and do what a person would.

use std::{collections::HashMap, fs, time::Duration};

use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::{process::Command, sync::watch, time::timeout};
use zbus::{
    Connection, MatchRule, MessageStream, connection, fdo, interface,
    message::{self, Header},
    zvariant::{OwnedValue, Structure, Value},
};

use crate::{Context, Result, anyhow, paths, process::Process};

const START: Duration = Duration::from_secs(20);

/// Who closed a notification: it was asked to by a call (Desktop Notifications Specification).
const CLOSED_BY_CALL: u32 = 3;

/// Signals that may wait to be read: where more do, the connection stands still.
const SIGNALS: usize = 1_000;

/// Whether a desktop shows trays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trays {
    /// As many do not.
    None,
    /// It does.
    Shown,
}

/// A running bus. It ends with this value.
#[derive(Debug)]
pub struct Bus {
    connection: Connection,
    notifications: watch::Receiver<Vec<Notification>>,
    items: watch::Receiver<Vec<Item>>,
    daemon: Daemon,
}

/// A bus with nothing on it. It ends with this value.
#[derive(Debug)]
pub struct Daemon {
    address: String,
    _process: Process,
    _folder: TempDir,
}

/// A notification that was to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its number.
    pub id: u32,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its buttons: identifiers and words, in turn.
    pub actions: Vec<String>,
    /// Whether it was taken back.
    pub state: State,
}

/// Whether a notification is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Shown,
    /// The app took it back.
    Closed,
}

/// A sign in the tray: who put it there, and the path of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    owner: String,
    path: String,
}

impl Daemon {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When there is no bus daemon here, or it does not start.
    pub async fn start() -> Result<Self> {
        let program = paths::installed(&["dbus-daemon"], "`apt-get install dbus-daemon`")?;
        let folder = tempfile::Builder::new().prefix("hutong-bus-").tempdir()?;
        let config = folder.path().join("bus.conf");
        // Nothing of this machine is started by a call to it.
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
        let mut process = Process::spawn("dbus-daemon", &mut command)?;
        let address = process.wait_for_line(START, |line| line.starts_with("unix:").then(|| line.to_owned())).await?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// Where it is, for `DBUS_SESSION_BUS_ADDRESS`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Bus {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When there is no bus daemon here, or it does not start.
    pub async fn start(trays: Trays) -> Result<Self> {
        let daemon = Daemon::start().await?;
        let (shown, notifications) = watch::channel(Vec::new());
        let (put, items) = watch::channel(Vec::new());
        let mut builder = connection::Builder::address(daemon.address())?
            .name("org.freedesktop.Notifications")?
            .serve_at(NOTIFICATIONS, Notifications(shown))?;
        if trays == Trays::Shown {
            builder =
                builder.name("org.kde.StatusNotifierWatcher")?.serve_at("/StatusNotifierWatcher", Watcher(put))?;
        }
        let connection = builder.build().await?;
        Ok(Self { connection, notifications, items, daemon })
    }

    /// Where it is, for `DBUS_SESSION_BUS_ADDRESS`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.daemon.address()
    }

    /// Waits for a notification like this.
    ///
    /// # Errors
    ///
    /// When none comes in time.
    pub async fn notification(&self, limit: Duration, like: impl Fn(&Notification) -> bool) -> Result<Notification> {
        let mut notifications = self.notifications.clone();
        let found = timeout(limit, notifications.wait_for(|all| all.iter().any(&like))).await;
        match found {
            Ok(all) => all?.iter().rev().find(|it| like(it)).cloned().context("a notification"),
            Err(_) => Err(anyhow!("no such notification in {limit:?}, but {:?}", *self.notifications.borrow())),
        }
    }

    /// How many notifications there were.
    #[must_use]
    pub fn notifications(&self) -> usize {
        self.notifications.borrow().len()
    }

    /// Presses a button of a notification; `default` is a click on the notification itself.
    ///
    /// # Errors
    ///
    /// When the bus is gone.
    pub async fn press(&self, notification: &Notification, action: &str) -> Result<()> {
        Ok(signal(&self.connection, "ActionInvoked", &(notification.id, action)).await?)
    }

    /// What the menu of the first sign in the tray offers, without separators.
    ///
    /// # Errors
    ///
    /// When there is no sign in time, or it has no menu.
    pub async fn menu(&self) -> Result<Vec<(i32, String)>> {
        let item = self.item().await?;
        let layout = self.on_menu(&item, "GetLayout", &(0_i32, -1_i32, Vec::<&str>::new())).await?;
        let (_revision, (_, _, entries)): (u32, Node) = layout.body().deserialize()?;
        let mut read = Vec::new();
        for entry in entries {
            let entry = Structure::try_from(Value::from(entry))?;
            let [Value::I32(id), Value::Dict(properties), _] = entry.fields() else {
                return Err(anyhow!("an entry is no entry: {entry:?}"));
            };
            if let Ok(Some(label)) = properties.get::<&str, &str>(&"label")
                && !label.is_empty()
            {
                read.push((*id, label.replace('_', "")));
            }
        }
        Ok(read)
    }

    /// Waits until the menu offers this.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn offers(&self, label: &str, limit: Duration) -> Result<i32> {
        let offered = async {
            let item = self.item().await?;
            // Listened for before the first look, so that no change is missed. Any signal of the app may mean another menu: its object
            // changes as well as its entries.
            let rule = MatchRule::builder().msg_type(message::Type::Signal).sender(item.owner.as_str())?.build();
            let mut signals = MessageStream::for_match_rule(rule, &self.connection, Some(SIGNALS)).await?;
            loop {
                if let Ok(menu) = self.menu().await
                    && let Some((id, _)) = menu.iter().find(|(_, it)| it == label)
                {
                    return Ok(*id);
                }
                signals.next().await.context("the bus has gone")??;
            }
        };
        match timeout(limit, offered).await {
            Ok(id) => id,
            Err(_) => Err(anyhow!("the tray does not offer {label} in {limit:?}, but {:?}", self.menu().await)),
        }
    }

    /// Chooses this from the menu.
    ///
    /// # Errors
    ///
    /// When it is not there in time.
    pub async fn choose(&self, label: &str, limit: Duration) -> Result<()> {
        let id = self.offers(label, limit).await?;
        let item = self.item().await?;
        self.on_menu(&item, "Event", &(id, "clicked", Value::from(0_i32), 0_u32)).await?;
        Ok(())
    }

    async fn item(&self) -> Result<Item> {
        let mut items = self.items.clone();
        let found = timeout(START, items.wait_for(|all| !all.is_empty())).await.context("no sign in the tray")??;
        found.first().cloned().context("a sign")
    }

    async fn on_menu<B>(&self, item: &Item, method: &str, arguments: &B) -> Result<zbus::Message>
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
            .context("the sign")?;
        let path: OwnedValue = path.body().deserialize()?;
        let path = zbus::zvariant::OwnedObjectPath::try_from(path)?;
        let menu = Some("com.canonical.dbusmenu");
        self.connection.call_method(owner, path.as_str(), menu, method, arguments).await.context("the menu")
    }
}

/// A node of a menu: its number, its properties, and the nodes under it.
type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

const NOTIFICATIONS: &str = "/org/freedesktop/Notifications";

async fn signal<B>(connection: &Connection, name: &str, body: &B) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    connection.emit_signal(None::<&str>, NOTIFICATIONS, "org.freedesktop.Notifications", name, body).await
}

struct Notifications(watch::Sender<Vec<Notification>>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    // The specification's own.
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
            all.push(Notification { id, title, body, actions, state: State::Shown });
        });
        id
    }

    async fn close_notification(&self, id: u32, #[zbus(connection)] connection: &Connection) -> fdo::Result<()> {
        self.0.send_modify(|all| {
            if let Some(it) = all.iter_mut().find(|it| it.id == id) {
                it.state = State::Closed;
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

struct Watcher(watch::Sender<Vec<Item>>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String, #[zbus(header)] header: Header<'_>) {
        let owner = header.sender().map(ToString::to_string).unwrap_or_default();
        // By specification a bus name; libraries send the object's path.
        let path = if service.starts_with('/') { service } else { "/StatusNotifierItem".to_owned() };
        self.0.send_modify(|all| all.push(Item { owner, path }));
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
