//! The shell's decisions, against a host that records what it is asked to do.

use super::*;
use crate::desktop::{
    event::ShellEvents,
    host::{WindowError, WindowState},
    tray_content::{MenuEntry, TrayAction},
};

/// What the shell asked its host to do.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Show,
    Hide,
    Minimize,
    Tray(TrayContent),
    Notify(Notification),
    Dismiss(RingId),
    Command(Command),
    OpenLink(String),
    Exit,
}

/// A desktop that does what it is asked, and records it.
struct Recorder {
    window: WindowState,
    has_tray: bool,
    has_bus: bool,
    window_is_stuck: bool,
    /// What the status changes to while the desktop is probed.
    meanwhile: Option<(watch::Sender<CallStatus>, CallStatus)>,
    did: mpsc::UnboundedSender<Did>,
}

const IN_FRONT: WindowState = WindowState { visible: true, minimized: false, focused: true };
const BEHIND: WindowState = WindowState { visible: true, minimized: false, focused: false };
const HIDDEN: WindowState = WindowState { visible: false, minimized: false, focused: false };
const MINIMIZED: WindowState = WindowState { visible: true, minimized: true, focused: false };

impl Recorder {
    fn change_window(&mut self, to: WindowState, did: Did) -> Result<(), WindowError> {
        if self.window_is_stuck {
            return Err(WindowError("stuck".to_owned()));
        }
        self.window = to;
        self.record(did);
        Ok(())
    }

    fn record(&self, did: Did) {
        self.did.send(did).unwrap();
    }
}

impl ShellHost for Recorder {
    fn window(&self) -> WindowState {
        self.window
    }

    fn show_window(&mut self) {
        self.change_window(IN_FRONT, Did::Show).unwrap();
    }

    fn hide_window(&mut self) -> Result<(), WindowError> {
        self.change_window(HIDDEN, Did::Hide)
    }

    fn minimize_window(&mut self) -> Result<(), WindowError> {
        self.change_window(MINIMIZED, Did::Minimize)
    }

    fn set_tray(&mut self, content: &TrayContent) {
        self.record(Did::Tray(content.clone()));
    }

    async fn shows_tray(&self) -> bool {
        if let Some((status, meanwhile)) = &self.meanwhile {
            status.send_replace(meanwhile.clone());
        }
        self.has_tray
    }

    async fn finds_running_app(&self) -> bool {
        self.has_bus
    }

    fn notify(&mut self, notification: Notification) {
        self.record(Did::Notify(notification));
    }

    fn dismiss(&mut self, ring: RingId) {
        self.record(Did::Dismiss(ring));
    }

    async fn command(&mut self, command: Command) {
        self.record(Did::Command(command));
    }

    async fn open_link(&mut self, link: String) {
        self.record(Did::OpenLink(link));
    }

    fn exit(&mut self) {
        self.record(Did::Exit);
    }
}

/// A shell with its desktop.
struct Desk {
    shell: DesktopShell<Recorder>,
    status: watch::Sender<CallStatus>,
    did: mpsc::UnboundedReceiver<Did>,
}

/// A desktop with a session bus, with or without a tray. The window is in front.
fn desk(has_tray: bool) -> Desk {
    let (status, watched) = watch::channel(CallStatus::Idle);
    let (record, did) = mpsc::unbounded_channel();
    let host =
        Recorder { window: IN_FRONT, has_tray, has_bus: true, window_is_stuck: false, meanwhile: None, did: record };
    Desk { shell: DesktopShell::new(host, watched, Strings::of(["en".to_owned()].into_iter())), status, did }
}

impl Desk {
    /// The status changes. Returns what the shell did beside updating the tray.
    fn status(&mut self, status: &CallStatus) -> Vec<Did> {
        self.status.send_replace(status.clone());
        self.shell.follow(status);
        self.did()
    }

    /// The window changes, and the desktop reports its focus.
    async fn window(&mut self, window: WindowState) -> Vec<Did> {
        self.shell.host.window = window;
        self.event(ShellEvent::FocusChanged).await
    }

    async fn event(&mut self, event: ShellEvent) -> Vec<Did> {
        self.shell.handle(event).await;
        self.did()
    }

    fn did(&mut self) -> Vec<Did> {
        let did = std::iter::from_fn(|| self.did.try_recv().ok());
        did.filter(|did| !matches!(did, Did::Tray(_))).collect()
    }
}

fn ana() -> Name {
    Name::new("Ana").unwrap()
}

fn ringing(ring: RingId) -> CallStatus {
    CallStatus::Ringing { ring, name: ana(), media: MediaKind::Video }
}

fn in_call() -> CallStatus {
    CallStatus::InCall { name: ana() }
}

fn ring_notification(ring: RingId) -> Did {
    let title = "Ana is calling".to_owned();
    Did::Notify(Notification { ring: Some(ring), title, body: "Incoming video call" })
}

/// The notification of a call that continues; the body has this in it.
fn is_call_continues(did: &Did, how: &str) -> bool {
    matches!(did, Did::Notify(it) if it.ring.is_none() && it.title == "Your call goes on" && it.body.contains(how))
}

#[test]
fn tray_text_and_menu_follow_the_call_status() {
    let mut desk = desk(true);
    let show = MenuEntry::Action(TrayAction::Show, "Show Hutong");
    let quit = MenuEntry::Action(TrayAction::Quit, "Quit");
    let answer = MenuEntry::Action(TrayAction::Answer, "Answer");
    let decline = MenuEntry::Action(TrayAction::Decline, "Decline");
    for (status, tooltip, menu) in [
        (ringing(1), "Ana is calling", vec![answer, decline, MenuEntry::Separator, show, quit]),
        (in_call(), "Hutong: in a call with Ana", vec![show, quit]),
        (CallStatus::Idle, "Hutong", vec![show, quit]),
    ] {
        desk.shell.follow(&status);
        let content = TrayContent { tooltip: tooltip.to_owned(), menu };
        assert_eq!(desk.did.try_recv(), Ok(Did::Tray(content)), "{status:?}");
    }
}

#[test]
fn a_ring_out_of_sight_is_notified_once_and_dismissed_when_it_ends() {
    for window in [BEHIND, HIDDEN, MINIMIZED] {
        for end in [CallStatus::Idle, in_call()] {
            let mut desk = desk(true);
            desk.shell.host.window = window;
            assert_eq!(desk.status(&ringing(1)), [ring_notification(1)], "{window:?}");
            assert_eq!(desk.status(&ringing(1)), []);
            assert_eq!(desk.status(&end), [Did::Dismiss(1)]);
            assert_eq!(desk.status(&end), []);
        }
    }
}

#[tokio::test]
async fn a_ring_in_the_focused_window_is_notified_when_the_focus_is_lost() {
    let mut desk = desk(true);
    assert_eq!(desk.status(&ringing(1)), []);
    assert_eq!(desk.window(IN_FRONT).await, []);
    assert_eq!(desk.window(BEHIND).await, [ring_notification(1)]);
    assert_eq!(desk.window(IN_FRONT).await, []);
    assert_eq!(desk.window(BEHIND).await, []);
    assert_eq!(desk.status(&in_call()), [Did::Dismiss(1)]);
    assert_eq!(desk.window(BEHIND).await, []);
}

#[test]
fn the_next_ring_takes_the_place_of_an_earlier_notification() {
    let mut desk = desk(true);
    desk.shell.host.window = HIDDEN;
    assert_eq!(desk.status(&ringing(1)), [ring_notification(1)]);
    assert_eq!(desk.status(&ringing(2)), [Did::Dismiss(1), ring_notification(2)]);
}

#[tokio::test]
async fn a_window_closed_in_a_call_is_hidden_and_a_notification_names_the_way_back() {
    for (has_tray, has_bus, expected, how) in [
        (true, true, Did::Hide, "in the tray"),
        (false, true, Did::Hide, "start Hutong once more"),
        (false, false, Did::Minimize, "minimised"),
    ] {
        let mut desk = desk(has_tray);
        desk.shell.host.has_bus = has_bus;
        desk.status(&in_call());
        let did = desk.event(ShellEvent::CloseRequested).await;
        assert!(did.len() == 2 && did[0] == expected && is_call_continues(&did[1], how), "{did:?}");
    }
}

#[tokio::test]
async fn a_window_hidden_without_a_tray_is_shown_when_the_call_is_over() {
    for (has_tray, expected) in [(false, vec![Did::Show]), (true, vec![])] {
        let mut desk = desk(has_tray);
        desk.status(&in_call());
        desk.event(ShellEvent::CloseRequested).await;
        assert_eq!(desk.window(HIDDEN).await, [], "the focus it lost");
        assert_eq!(desk.status(&CallStatus::Idle), expected);
    }
}

#[tokio::test]
async fn a_window_that_is_back_already_is_not_shown_again() {
    for restored in [ShellEvent::Show, ShellEvent::SecondStart { link: None }, ShellEvent::FocusChanged] {
        let mut desk = desk(false);
        desk.status(&in_call());
        desk.event(ShellEvent::CloseRequested).await;
        if restored == ShellEvent::FocusChanged {
            desk.shell.host.window = IN_FRONT;
        }
        desk.event(restored).await;
        desk.shell.host.window = BEHIND;
        assert_eq!(desk.status(&CallStatus::Idle), []);
    }
}

#[tokio::test]
async fn a_window_closed_while_it_rings_leaves_a_notification_of_the_ring() {
    let mut desk = desk(true);
    desk.status(&ringing(1));
    assert_eq!(desk.event(ShellEvent::CloseRequested).await, [Did::Hide, ring_notification(1)]);
    desk.window(IN_FRONT).await;
    assert_eq!(desk.event(ShellEvent::CloseRequested).await, [Did::Hide], "it has one already");
}

#[tokio::test]
async fn a_call_that_ends_while_its_window_is_being_closed_ends_the_app() {
    let mut desk = desk(true);
    desk.status(&in_call());
    desk.shell.host.meanwhile = Some((desk.status.clone(), CallStatus::Idle));
    assert_eq!(desk.event(ShellEvent::CloseRequested).await, [Did::Hide, Did::Exit]);
}

#[tokio::test]
async fn a_window_that_cannot_be_hidden_is_not_reported_as_hidden() {
    let mut desk = desk(false);
    desk.shell.host.window_is_stuck = true;
    desk.status(&in_call());
    assert_eq!(desk.event(ShellEvent::CloseRequested).await, []);
    desk.shell.host.window_is_stuck = false;
    assert_eq!(desk.status(&CallStatus::Idle), []);
}

#[tokio::test]
async fn a_second_start_shows_the_window_and_opens_its_link() {
    let mut desk = desk(true);
    desk.shell.host.window = HIDDEN;
    assert_eq!(desk.event(ShellEvent::SecondStart { link: None }).await, [Did::Show]);
    let link = "hutong://call/Ana?server=a.example".to_owned();
    let event = ShellEvent::SecondStart { link: Some(link.clone()) };
    assert_eq!(desk.event(event).await, [Did::OpenLink(link), Did::Show]);
}

#[tokio::test]
async fn an_answer_shows_the_window_and_accepts_the_ring_that_is_meant() {
    let mut desk = desk(true);
    desk.shell.host.window = HIDDEN;
    desk.status(&ringing(2));
    let accept = || Did::Command(Command::Accept { media: MediaKind::Video });
    assert_eq!(desk.event(ShellEvent::Answer(Some(1))).await, [], "an earlier ring");
    assert_eq!(desk.event(ShellEvent::Answer(Some(2))).await, [Did::Show, accept()]);
    assert_eq!(desk.event(ShellEvent::Answer(None)).await, [Did::Show, accept()]);
    for status in [in_call(), CallStatus::Idle] {
        desk.status(&status);
        assert_eq!(desk.event(ShellEvent::Answer(None)).await, [], "nothing rings");
        assert_eq!(desk.event(ShellEvent::Answer(Some(2))).await, [], "nothing rings");
    }
}

#[tokio::test]
async fn a_ring_is_declined_where_the_window_is() {
    let mut desk = desk(true);
    desk.shell.host.window = HIDDEN;
    desk.status(&ringing(2));
    assert_eq!(desk.event(ShellEvent::Decline(Some(1))).await, [], "an earlier ring");
    for meant in [None, Some(2)] {
        assert_eq!(desk.event(ShellEvent::Decline(meant)).await, [Did::Command(Command::Decline)]);
    }
    desk.status(&CallStatus::Idle);
    assert_eq!(desk.event(ShellEvent::Decline(None)).await, [], "nothing rings");
}

#[tokio::test]
async fn to_quit_ends_the_app_also_in_a_call() {
    let mut desk = desk(true);
    desk.status(&in_call());
    assert_eq!(desk.event(ShellEvent::Quit).await, [Did::Exit]);
}

/// Through the queues that the app uses.
#[tokio::test]
async fn the_shell_follows_statuses_and_events_until_the_client_is_gone() {
    let Desk { shell, status, mut did } = desk(true);
    let (events, queue) = ShellEvents::channel();
    let running = tokio::spawn(shell.run(queue));
    events.send(ShellEvent::Show);
    assert_eq!(did.recv().await, Some(Did::Show));
    status.send_replace(in_call());
    assert!(matches!(did.recv().await, Some(Did::Tray(_))));
    drop(status);
    running.await.unwrap();
}
