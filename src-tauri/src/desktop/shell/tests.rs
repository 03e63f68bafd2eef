//! Tests of the desktop shell with a host that records its calls.

use super::*;
use crate::desktop::{
    shell_event::ShellEvents,
    shell_host::{WindowError, WindowState},
    tray_content::{MenuEntry, TrayAction},
};

/// A call of a [`ShellHost`] method.
#[derive(Debug, PartialEq, Eq)]
enum HostCall {
    Show,
    ShowByToken(ActivationToken),
    Hide,
    Minimize,
    SetTray(TrayContent),
    Notify(Notification),
    Dismiss(RingId),
    Command(Command),
    OpenLink(String),
    AskWhenClosed,
    Exit,
}

/// Test host: performs window changes and records all calls.
struct RecordingHost {
    window: WindowState,
    has_tray: bool,
    has_bus: bool,
    window_is_stuck: bool,
    /// Sets this status while the tray is probed.
    status_during_probe: Option<(watch::Sender<CallStatus>, CallStatus)>,
    calls: mpsc::UnboundedSender<HostCall>,
}

const IN_FRONT: WindowState = WindowState { visible: true, minimized: false, focused: true };
const BEHIND: WindowState = WindowState { visible: true, minimized: false, focused: false };
const HIDDEN: WindowState = WindowState { visible: false, minimized: false, focused: false };
const MINIMIZED: WindowState = WindowState { visible: true, minimized: true, focused: false };

impl RecordingHost {
    fn change_window(&mut self, to: WindowState, call: HostCall) -> Result<(), WindowError> {
        if self.window_is_stuck {
            return Err(WindowError("stuck".to_owned()));
        }
        self.window = to;
        self.record(call);
        Ok(())
    }

    fn record(&self, call: HostCall) {
        self.calls.send(call).unwrap();
    }
}

impl ShellHost for RecordingHost {
    fn window(&self) -> WindowState {
        self.window
    }

    fn show_window(&mut self, token: Option<&ActivationToken>) {
        let call = token.map_or(HostCall::Show, |token| HostCall::ShowByToken(token.clone()));
        self.change_window(IN_FRONT, call).unwrap();
    }

    fn hide_window(&mut self) -> Result<(), WindowError> {
        self.change_window(HIDDEN, HostCall::Hide)
    }

    fn minimize_window(&mut self) -> Result<(), WindowError> {
        self.change_window(MINIMIZED, HostCall::Minimize)
    }

    fn set_tray(&mut self, content: &TrayContent) {
        self.record(HostCall::SetTray(content.clone()));
    }

    async fn shows_tray(&self) -> bool {
        if let Some((status, next)) = &self.status_during_probe {
            status.send_replace(next.clone());
        }
        self.has_tray
    }

    async fn finds_running_app(&self) -> bool {
        self.has_bus
    }

    fn notify(&mut self, notification: Notification) {
        self.record(HostCall::Notify(notification));
    }

    fn dismiss(&mut self, ring: RingId) {
        self.record(HostCall::Dismiss(ring));
    }

    async fn command(&mut self, command: Command) {
        self.record(HostCall::Command(command));
    }

    async fn open_link(&mut self, link: String) {
        self.record(HostCall::OpenLink(link));
    }

    async fn ask_when_closed(&mut self) {
        self.record(HostCall::AskWhenClosed);
    }

    fn exit(&mut self) {
        self.record(HostCall::Exit);
    }
}

/// A shell with its recording host.
struct ShellFixture {
    shell: DesktopShell<RecordingHost>,
    status: watch::Sender<CallStatus>,
    policy: watch::Sender<ClosePolicy>,
    calls: mpsc::UnboundedReceiver<HostCall>,
}

/// A fixture with a session bus, with or without a tray. The window has the focus.
fn fixture(has_tray: bool) -> ShellFixture {
    let (status, watched) = watch::channel(CallStatus::Idle);
    let (policy, followed) = watch::channel(ClosePolicy::default());
    let (record, calls) = mpsc::unbounded_channel();
    let host = RecordingHost {
        window: IN_FRONT,
        has_tray,
        has_bus: true,
        window_is_stuck: false,
        status_during_probe: None,
        calls: record,
    };
    let strings = Strings::of(["en".to_owned()].into_iter());
    ShellFixture { shell: DesktopShell::new(host, watched, followed, strings), status, policy, calls }
}

impl ShellFixture {
    /// Changes the call status. Returns the shell's host calls, without tray updates.
    fn set_status(&mut self, status: &CallStatus) -> Vec<HostCall> {
        self.status.send_replace(status.clone());
        self.shell.update(status);
        self.calls()
    }

    /// Changes the window and sends a focus event.
    async fn set_window(&mut self, window: WindowState) -> Vec<HostCall> {
        self.shell.host.window = window;
        self.send(ShellEvent::FocusChanged).await
    }

    /// Changes the close policy.
    async fn set_policy(&mut self, when_closed: WhenClosed, is_asking: bool) -> Vec<HostCall> {
        self.policy.send_replace(ClosePolicy { when_closed, is_asking });
        self.shell.close_policy_changed().await;
        self.calls()
    }

    async fn send(&mut self, event: ShellEvent) -> Vec<HostCall> {
        self.shell.handle(event).await;
        self.calls()
    }

    fn calls(&mut self) -> Vec<HostCall> {
        let calls = std::iter::from_fn(|| self.calls.try_recv().ok());
        calls.filter(|call| !matches!(call, HostCall::SetTray(_))).collect()
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

fn ring_notification(ring: RingId) -> HostCall {
    let title = "Ana is calling".to_owned();
    HostCall::Notify(Notification { ring: Some(ring), title, body: "Incoming video call" })
}

/// Whether this is the notification that the call continues, with `way` in its body.
fn is_call_continues(call: &HostCall, way: &str) -> bool {
    matches!(call, HostCall::Notify(it) if it.ring.is_none() && it.title == "Your call continues" && it.body.contains(way))
}

#[test]
fn tray_text_and_menu_follow_the_call_status() {
    let mut fixture = fixture(true);
    let show = MenuEntry::Action(TrayAction::Show, "Show Hutong");
    let quit = MenuEntry::Action(TrayAction::Quit, "Quit");
    let answer = MenuEntry::Action(TrayAction::Answer, "Answer");
    let decline = MenuEntry::Action(TrayAction::Decline, "Decline");
    for (status, tooltip, menu) in [
        (ringing(1), "Ana is calling", vec![answer, decline, MenuEntry::Separator, show, quit]),
        (in_call(), "Hutong: in a call with Ana", vec![show, quit]),
        (CallStatus::Idle, "Hutong", vec![show, quit]),
    ] {
        fixture.shell.update(&status);
        let content = TrayContent { tooltip: tooltip.to_owned(), menu };
        assert_eq!(fixture.calls.try_recv(), Ok(HostCall::SetTray(content)), "{status:?}");
    }
}

#[test]
fn a_ring_without_a_focused_window_is_notified_once_and_dismissed_when_it_ends() {
    for window in [BEHIND, HIDDEN, MINIMIZED] {
        for end in [CallStatus::Idle, in_call()] {
            let mut fixture = fixture(true);
            fixture.shell.host.window = window;
            assert_eq!(fixture.set_status(&ringing(1)), [ring_notification(1)], "{window:?}");
            assert_eq!(fixture.set_status(&ringing(1)), []);
            assert_eq!(fixture.set_status(&end), [HostCall::Dismiss(1)]);
            assert_eq!(fixture.set_status(&end), []);
        }
    }
}

#[tokio::test]
async fn a_ring_in_the_focused_window_is_notified_when_the_focus_is_lost() {
    let mut fixture = fixture(true);
    assert_eq!(fixture.set_status(&ringing(1)), []);
    assert_eq!(fixture.set_window(IN_FRONT).await, []);
    assert_eq!(fixture.set_window(BEHIND).await, [ring_notification(1)]);
    assert_eq!(fixture.set_window(IN_FRONT).await, []);
    assert_eq!(fixture.set_window(BEHIND).await, []);
    assert_eq!(fixture.set_status(&in_call()), [HostCall::Dismiss(1)]);
    assert_eq!(fixture.set_window(BEHIND).await, []);
}

#[test]
fn the_next_ring_replaces_the_notification_of_the_last_one() {
    let mut fixture = fixture(true);
    fixture.shell.host.window = HIDDEN;
    assert_eq!(fixture.set_status(&ringing(1)), [ring_notification(1)]);
    assert_eq!(fixture.set_status(&ringing(2)), [HostCall::Dismiss(1), ring_notification(2)]);
}

#[tokio::test]
async fn a_window_closed_during_a_call_is_hidden_and_a_notification_explains_how_to_restore_it() {
    for (has_tray, has_bus, expected, way) in [
        (true, true, HostCall::Hide, "in the tray"),
        (false, true, HostCall::Hide, "start Hutong again"),
        (false, false, HostCall::Minimize, "minimised"),
    ] {
        let mut fixture = fixture(has_tray);
        fixture.shell.host.has_bus = has_bus;
        fixture.set_status(&in_call());
        let calls = fixture.send(ShellEvent::CloseRequested).await;
        assert!(calls.len() == 2 && calls[0] == expected && is_call_continues(&calls[1], way), "{calls:?}");
    }
}

#[tokio::test]
async fn a_window_hidden_without_a_tray_is_shown_when_the_call_ends() {
    for (has_tray, expected) in [(false, vec![HostCall::Show]), (true, vec![])] {
        let mut fixture = fixture(has_tray);
        fixture.set_status(&in_call());
        fixture.send(ShellEvent::CloseRequested).await;
        assert_eq!(fixture.set_window(HIDDEN).await, [], "hiding the window also changes its focus");
        assert_eq!(fixture.set_status(&CallStatus::Idle), expected);
    }
}

#[tokio::test]
async fn a_restored_window_is_not_shown_again_when_the_call_ends() {
    for restored in
        [ShellEvent::Show, ShellEvent::SecondStart { link: None, activation_token: None }, ShellEvent::FocusChanged]
    {
        let mut fixture = fixture(false);
        fixture.set_status(&in_call());
        fixture.send(ShellEvent::CloseRequested).await;
        if restored == ShellEvent::FocusChanged {
            fixture.shell.host.window = IN_FRONT;
        }
        fixture.send(restored).await;
        fixture.shell.host.window = BEHIND;
        assert_eq!(fixture.set_status(&CallStatus::Idle), []);
    }
}

#[tokio::test]
async fn closing_the_window_during_a_ring_shows_the_rings_notification() {
    let mut fixture = fixture(true);
    fixture.set_status(&ringing(1));
    assert_eq!(fixture.send(ShellEvent::CloseRequested).await, [HostCall::Hide, ring_notification(1)]);
    fixture.set_window(IN_FRONT).await;
    assert_eq!(fixture.send(ShellEvent::CloseRequested).await, [HostCall::Hide], "the ring was notified before");
}

#[tokio::test]
async fn a_call_that_ends_while_the_window_is_closing_is_no_call() {
    for (when_closed, expected) in [
        (WhenClosed::Quit, HostCall::Exit),
        (WhenClosed::Stay, HostCall::Hide),
        (WhenClosed::Ask, HostCall::AskWhenClosed),
    ] {
        let mut fixture = fixture(true);
        fixture.set_status(&in_call());
        fixture.set_policy(when_closed, false).await;
        fixture.shell.host.status_during_probe = Some((fixture.status.clone(), CallStatus::Idle));
        assert_eq!(fixture.send(ShellEvent::CloseRequested).await, [expected]);
    }
}

#[tokio::test]
async fn the_answer_to_the_question_hides_minimises_or_quits() {
    for (has_tray, answer, expected) in [
        (true, WhenClosed::Stay, vec![HostCall::Hide]),
        (false, WhenClosed::Stay, vec![HostCall::Minimize]),
        (true, WhenClosed::Quit, vec![HostCall::Exit]),
        // Dismissed.
        (true, WhenClosed::Ask, vec![]),
    ] {
        let mut fixture = fixture(has_tray);
        assert_eq!(fixture.send(ShellEvent::CloseRequested).await, [HostCall::AskWhenClosed]);
        assert_eq!(fixture.set_policy(WhenClosed::Ask, true).await, []);
        assert_eq!(fixture.set_policy(answer, false).await, expected);
        // A later change in the settings does nothing to the window.
        for later in [WhenClosed::Stay, WhenClosed::Quit] {
            assert_eq!(fixture.set_policy(later, false).await, []);
        }
    }
}

#[tokio::test]
async fn a_window_that_cannot_be_hidden_sends_no_notification() {
    let mut fixture = fixture(false);
    fixture.shell.host.window_is_stuck = true;
    fixture.set_status(&in_call());
    assert_eq!(fixture.send(ShellEvent::CloseRequested).await, []);
    fixture.shell.host.window_is_stuck = false;
    assert_eq!(fixture.set_status(&CallStatus::Idle), []);
}

#[tokio::test]
async fn a_window_that_begins_hidden_is_minimized_without_a_tray_and_rings() {
    for (has_tray, expected) in [(true, vec![]), (false, vec![HostCall::Minimize])] {
        let mut fixture = fixture(has_tray);
        fixture.shell.host.window = HIDDEN;
        fixture.shell.begin_hidden().await;
        assert_eq!(fixture.calls(), expected);
        assert_eq!(fixture.set_status(&ringing(1)), [ring_notification(1)]);
        assert_eq!(fixture.send(ShellEvent::Answer(Some(1))).await[0], HostCall::Show);
    }
}

#[tokio::test]
async fn a_second_start_shows_the_window_and_opens_its_link() {
    let mut fixture = fixture(true);
    fixture.shell.host.window = HIDDEN;
    assert_eq!(fixture.send(ShellEvent::SecondStart { link: None, activation_token: None }).await, [HostCall::Show]);
    let link = "hutong://call/Ana?server=a.example".to_owned();
    let token = ActivationToken::new("token").unwrap();
    let event = ShellEvent::SecondStart { link: Some(link.clone()), activation_token: Some(token.clone()) };
    assert_eq!(fixture.send(event).await, [HostCall::OpenLink(link), HostCall::ShowByToken(token)]);
}

#[tokio::test]
async fn answering_shows_the_window_and_accepts_the_current_ring_only() {
    let mut fixture = fixture(true);
    fixture.shell.host.window = HIDDEN;
    fixture.set_status(&ringing(2));
    let accept = || HostCall::Command(Command::Accept { media: MediaKind::Video });
    assert_eq!(fixture.send(ShellEvent::Answer(Some(1))).await, [], "an earlier ring");
    assert_eq!(fixture.send(ShellEvent::Answer(Some(2))).await, [HostCall::Show, accept()]);
    assert_eq!(fixture.send(ShellEvent::Answer(None)).await, [HostCall::Show, accept()]);
    for status in [in_call(), CallStatus::Idle] {
        fixture.set_status(&status);
        assert_eq!(fixture.send(ShellEvent::Answer(None)).await, [], "nothing rings");
        assert_eq!(fixture.send(ShellEvent::Answer(Some(2))).await, [], "nothing rings");
    }
}

#[tokio::test]
async fn declining_leaves_the_window_hidden_and_declines_the_current_ring_only() {
    let mut fixture = fixture(true);
    fixture.shell.host.window = HIDDEN;
    fixture.set_status(&ringing(2));
    assert_eq!(fixture.send(ShellEvent::Decline(Some(1))).await, [], "an earlier ring");
    for ring in [None, Some(2)] {
        assert_eq!(fixture.send(ShellEvent::Decline(ring)).await, [HostCall::Command(Command::Decline)]);
    }
    fixture.set_status(&CallStatus::Idle);
    assert_eq!(fixture.send(ShellEvent::Decline(None)).await, [], "nothing rings");
}

#[tokio::test]
async fn quitting_exits_the_app_during_a_call_too() {
    let mut fixture = fixture(true);
    fixture.set_status(&in_call());
    assert_eq!(fixture.send(ShellEvent::Quit).await, [HostCall::Exit]);
}

#[tokio::test]
async fn the_shell_handles_statuses_and_events_until_the_controller_stops() {
    let ShellFixture { shell, status, policy, mut calls } = fixture(true);
    let (events, queue) = ShellEvents::channel();
    let running = tokio::spawn(shell.run(queue));
    events.send(ShellEvent::Show);
    assert_eq!(calls.recv().await, Some(HostCall::Show));
    status.send_replace(in_call());
    assert!(matches!(calls.recv().await, Some(HostCall::SetTray(_))));
    drop((status, policy));
    running.await.unwrap();
}
