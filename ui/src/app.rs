//! The root component: holds the state, and connects driver, media engine and views.

use std::{cell::OnceCell, rc::Rc};

use hutong_core::{
    CallOutcome, CallPhase, CallView, Command, SessionView, View, ViewUpdate,
    host_messages::{AppCommand, AppView, HostToPage, PageToHost, PendingCallLink},
};
use hutong_protocol::Name;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlElement;
use yew::{Callback, Component, Context, ContextProvider, Html, html, html::Scope};

use crate::{
    actions::{Actions, DeviceAction, HistoryAction},
    call_history::{self, PastCall},
    contacts,
    dom::{self, EventListener},
    driver::{self, PageDriver, TabState},
    i18n::Language,
    leave_guard::LeaveGuard,
    media::{self, DeviceKind, MediaCallbacks, MediaEngine, MediaView},
    notifications::{self, CallNotice, CallNotification, NotificationChoice, Permission},
    page_link,
    page_origin::PageOrigin,
    personal_storage, tones, update_check,
    views::{
        CallLinkDialog, CallLinkDialogProps, CallScreen, CloseQuestion, ConnectionBanner, LinkChoice, LinkOpened,
        LoginPage, MainPage, NoticeBar, OtherTabPage, UpdateBanner,
    },
};

/// Message to the root component.
pub enum Msg {
    /// The driver emitted a message.
    Host(HostToPage),
    /// The media engine reported a new view of a call.
    Media(MediaView),
    /// The person chose a device.
    Choose(DeviceKind, String),
    /// The person changed the language.
    Language(Language),
    /// The fragment of the page's address has changed: another link was opened in this tab.
    Link,
    /// The person's answer to a call link.
    LinkChoice(LinkChoice),
    /// In a browser: whether this tab runs the client.
    Tab(TabState),
    /// The person's choice about this browser and its tabs.
    Device(DeviceAction),
    /// The server has a newer version of this page.
    Outdated,
    /// A change of the list of recent calls.
    History(HistoryAction),
    /// The person's choice on the notification of this call.
    Notification(NotificationChoice, String),
    /// The person has answered whether notifications are allowed.
    Permission(Permission),
}

/// The root component.
pub struct App {
    driver: Rc<dyn PageDriver>,
    engine: Rc<dyn MediaEngine>,
    view: Rc<View>,
    app: Option<AppView>,
    media: Option<MediaView>,
    speaker: Option<String>,
    language: Language,
    origin: PageOrigin,
    actions: Actions,
    /// The element that had the focus before the call screen opened.
    focused: Option<HtmlElement>,
    /// The user named by the call link of this page; only in a browser.
    callee: Option<Name>,
    /// Asks before the page is left; only in a browser. Closing the app's window does not end a call.
    leave_guard: Option<LeaveGuard>,
    tab: TabState,
    calls: Rc<Vec<PastCall>>,
    /// The notification of the ringing call; only in a browser. The app has its own.
    notification: Option<CallNotification>,
    /// Whether calls can ring while another page is in front; `None` in the app.
    permission: Option<Permission>,
    /// Who last tried to call during the current call.
    tried: Option<Name>,
    /// Whether the server has a newer version of this page.
    is_outdated: bool,
    /// How often the person has made this device forget: each time, the login form begins anew.
    times_forgotten: u32,
    _listeners: Vec<EventListener>,
}

impl Component for App {
    type Message = Msg;
    type Properties = ();

    fn create(ctx: &Context<Self>) -> Self {
        let link = ctx.link();
        let slot: Rc<OnceCell<Rc<dyn PageDriver>>> = Rc::default();
        let engine = media::start(MediaCallbacks {
            events: {
                let slot = Rc::clone(&slot);
                Callback::from(move |event| send(&slot, PageToHost::Media(event)))
            },
            views: link.callback(Msg::Media),
        });
        let sink = {
            let (engine, link) = (Rc::clone(&engine), link.clone());
            Callback::from(move |message| match message {
                // Not through the component's queue: a call must not wait for the next rendering.
                HostToPage::Media(command) => engine.perform(command),
                message => link.send_message(Msg::Host(message)),
            })
        };
        let driver = driver::create(sink, link.callback(Msg::Tab));
        slot.set(Rc::clone(&driver)).ok();
        let mut listeners = tones::unlock_on_gestures();
        // Nothing is shown before it is known which tab runs the client.
        let tab = if driver.in_app() { TabState::Active } else { TabState::Starting };
        let permission = (!driver.in_app()).then(notifications::permission);
        if !driver.in_app()
            && let Some(window) = dom::window()
        {
            notifications::register_worker();
            listeners.extend(notifications::listen({
                let link = link.clone();
                move |choice, call| {
                    let is_ringing = link.get_component().is_some_and(|app| app.rings(call));
                    if is_ringing {
                        link.send_message(Msg::Notification(choice, call.to_owned()));
                    }
                    is_ringing
                }
            }));
            let link = link.clone();
            listeners.push(EventListener::new(&window, "hashchange", move |_| link.send_message(Msg::Link)));
        }
        driver.start();
        let language = Language::current();
        language.apply_to_page();
        let actions = create_actions(link, &slot, &driver, &engine);
        let callee = page_link::current().filter(|_| !driver.in_app());
        Self {
            driver,
            engine,
            view: Rc::default(),
            app: None,
            media: None,
            speaker: media::chosen(DeviceKind::Speaker),
            language,
            origin: PageOrigin::current(),
            actions,
            focused: None,
            callee,
            leave_guard: None,
            tab,
            calls: Rc::new(call_history::load()),
            notification: None,
            permission,
            tried: None,
            is_outdated: false,
            times_forgotten: 0,
            _listeners: listeners,
        }
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Host(HostToPage::Snapshot(view)) => {
                self.remember_focus(view.call.is_some());
                self.view = Rc::new(view);
                // Another tab may have added to them.
                self.calls = Rc::new(call_history::load());
            }
            Msg::Host(HostToPage::Show(update)) => {
                if let ViewUpdate::Session(session) = &update {
                    self.check_version_after_reconnect(ctx, session);
                    // Another user has other recent calls.
                    if matches!(session, SessionView::LoggedIn { .. }) && self.view.session.me().is_none() {
                        self.calls = Rc::new(call_history::load());
                    }
                }
                if let ViewUpdate::Call(call) = &update {
                    self.remember_focus(call.is_some());
                    match call {
                        Some(call) => contacts::record_call(call.with.name.as_str()),
                        None => self.tried = None,
                    }
                    self.notify(ctx, call.as_ref());
                }
                Rc::make_mut(&mut self.view).apply(update);
            }
            Msg::Host(HostToPage::App(app)) => self.app = Some(app),
            Msg::Host(HostToPage::Media(command)) => self.engine.perform(command),
            Msg::Media(media) => self.media = Some(media),
            Msg::Choose(kind, id) => {
                media::choose(kind, &id);
                if let Some(peer) = self.view.call.as_ref().and_then(|call| call.peer) {
                    self.engine.change_device(peer, kind);
                }
                if kind == DeviceKind::Speaker {
                    self.speaker = Some(id);
                }
            }
            Msg::Language(language) => {
                language.store();
                language.apply_to_page();
                self.language = language;
            }
            Msg::Link => self.callee = page_link::current(),
            Msg::LinkChoice(choice) => self.answer_link(choice),
            Msg::Tab(tab) => {
                if tab != TabState::Active {
                    self.view = Rc::default();
                }
                self.tab = tab;
            }
            Msg::Device(action) => self.act_on_device(action),
            Msg::Outdated => self.is_outdated = true,
            Msg::Host(HostToPage::Record(record)) => {
                if record.outcome == CallOutcome::WhileBusy && self.view.call.is_some() {
                    self.tried = Some(record.with.clone());
                }
                call_history::add(Rc::make_mut(&mut self.calls), record, js_sys::Date::now());
            }
            Msg::Permission(permission) => self.permission = Some(permission),
            Msg::Notification(choice, call) => {
                if self.rings(&call) {
                    self.act_on_notification(choice);
                }
            }
            Msg::History(HistoryAction::MarkSeen) => call_history::mark_seen(Rc::make_mut(&mut self.calls)),
            Msg::History(HistoryAction::Clear) => call_history::clear(Rc::make_mut(&mut self.calls)),
        }
        self.follow_view();
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        match &self.tab {
            TabState::Active => {}
            // Shown for some milliseconds at most.
            TabState::Starting => return html! {},
            TabState::Elsewhere(activity) => {
                return html! {
                    <ContextProvider<Language> context={self.language}>
                        <OtherTabPage activity={activity.clone()} actions={self.actions.clone()} />
                    </ContextProvider<Language>>
                };
            }
        }
        let actions = self.actions.clone();
        let view = Rc::clone(&self.view);
        let capabilities = self.engine.capabilities();
        let can_call = capabilities.calls;
        let in_call = self.view.call.is_some();
        let choose = ctx.link().callback(Msg::LinkChoice);
        let link = self.pending_link().filter(|_| !in_call);
        let link = link.map(|(link, opened)| CallLinkDialogProps { link, opened, choose });
        html! {
            <ContextProvider<Language> context={self.language}>
                <div class="page" inert={in_call}>
                    <ConnectionBanner session={view.session.clone()} {in_call} />
                    if self.is_outdated && !in_call {
                        <UpdateBanner reload={actions.device.reform(|()| DeviceAction::Reload)} />
                    }
                    if view.session.me().is_some() {
                        <MainPage
                            view={Rc::clone(&view)}
                            calls={Rc::clone(&self.calls)}
                            permission={self.permission}
                            app={self.app.clone()}
                            in_app={self.driver.in_app()}
                            origin={self.origin.clone()}
                            {can_call}
                            callee={link.as_ref().map(|link| link.link.name.clone())}
                            actions={actions.clone()}
                        />
                    } else {
                        <LoginPage
                            key={self.times_forgotten}
                            session={view.session.clone()}
                            app={self.app.clone()}
                            in_app={self.driver.in_app()}
                            origin={self.origin.clone()}
                            {can_call}
                            call_link={link.clone()}
                            actions={actions.clone()}
                        />
                    }
                </div>
                if let Some(call) = &view.call {
                    <CallScreen
                        key={call.with.token.0}
                        call={call.clone()}
                        media={self.media.clone().filter(|media| Some(media.peer) == call.peer)}
                        reconnecting={matches!(view.session, SessionView::Reconnecting { .. })}
                        {capabilities}
                        tried={self.tried.clone()}
                        speaker={self.speaker.clone()}
                        actions={actions.clone()}
                    />
                }
                if let Some(link) = link {
                    <CallLinkDialog ..link />
                }
                if cfg!(feature = "app") && self.app.as_ref().is_some_and(|app| app.asks_when_closed) {
                    <CloseQuestion command={actions.app.clone()} />
                }
                <NoticeBar notice={view.notice.clone()} origin={self.origin.clone()} command={actions.command.clone()} />
            </ContextProvider<Language>>
        }
    }

    fn rendered(&mut self, _: &Context<Self>, _: bool) {
        // An inert page cannot be focused: only after this rendering it is no longer inert.
        if self.view.call.is_none()
            && let Some(element) = self.focused.take()
        {
            dom::focus(Some(element));
        }
    }
}

impl App {
    /// The call that a link proposes, and where the link was opened.
    fn pending_link(&self) -> Option<(PendingCallLink, LinkOpened)> {
        if let Some(link) = self.app.as_ref().and_then(|app| app.call_link.clone()) {
            return Some((link, LinkOpened::InApp));
        }
        // Where no call is possible, the page says so.
        let callee = self.callee.as_ref().filter(|_| self.engine.capabilities().calls)?;
        Some((page_link::pending(callee, &self.view)?, LinkOpened::InBrowser))
    }

    fn answer_link(&mut self, choice: LinkChoice) {
        if self.driver.in_app() {
            let command = match choice {
                LinkChoice::Call(link, media) => AppCommand::ConfirmCallLink { link, media },
                LinkChoice::Dismiss => AppCommand::DismissCallLink,
            };
            return self.actions.app.emit(command);
        }
        if let LinkChoice::Call(link, media) = choice {
            let key = link.name.key();
            // Gone at this moment: the page says so, and asks again later.
            let Some(user) = self.view.users.values().find(|user| user.name.key() == key) else { return };
            self.actions.command.emit(Command::Call { to: user.token, media });
        }
        self.callee = None;
        page_link::remove();
    }

    /// What follows from the view in a browser: whether leaving is asked for, and the end of a link to oneself.
    fn follow_view(&mut self) {
        if self.driver.in_app() {
            return;
        }
        self.leave_guard = LeaveGuard::update(self.leave_guard.take(), &self.view);
        if self.callee.as_ref().is_some_and(|callee| page_link::pending(callee, &self.view).is_none()) {
            self.callee = None;
            page_link::remove();
        }
    }

    fn act_on_device(&mut self, action: DeviceAction) {
        match action {
            DeviceAction::MoveHere => self.driver.move_here(),
            DeviceAction::UseTabAlone => self.driver.use_tab_alone(),
            DeviceAction::Forget => {
                self.actions.command.emit(Command::LogOut);
                personal_storage::forget_device();
                self.calls = Rc::default();
                self.times_forgotten += 1;
            }
            DeviceAction::Reload => {
                if let Some(window) = dom::window() {
                    window.location().reload().ok();
                }
            }
        }
    }

    /// Shows the notification of a call that rings while the person looks at something else, and closes it afterwards.
    fn notify(&mut self, ctx: &Context<Self>, call: Option<&CallView>) {
        let Some(call) = call.filter(|call| call.phase == CallPhase::Incoming) else {
            self.notification = None;
            return;
        };
        if self.permission != Some(Permission::Granted)
            || self.notification.is_some()
            || notifications::is_page_in_front()
        {
            return;
        }
        let texts = self.language.texts();
        let notice = CallNotice {
            title: (texts.incoming_title)(call.with.name.as_str()),
            body: (texts.incoming)(call.media),
            answer: texts.answer,
            decline: texts.decline,
            call: notification_call(call),
        };
        let open = ctx.link().callback(|()| Msg::Notification(NotificationChoice::Open, String::new()));
        self.notification = CallNotification::show(notice, open);
    }

    /// Whether this call rings here.
    fn rings(&self, call: &str) -> bool {
        let ringing = self.view.call.as_ref().filter(|call| call.phase == CallPhase::Incoming);
        ringing.is_some_and(|ringing| notification_call(ringing) == call)
    }

    fn act_on_notification(&self, choice: NotificationChoice) {
        let Some(media) = self.view.call.as_ref().map(|call| call.media) else { return };
        match choice {
            NotificationChoice::Answer => self.actions.command.emit(Command::Accept { media }),
            NotificationChoice::Decline => self.actions.command.emit(Command::Decline),
            NotificationChoice::Open => {}
        }
    }

    /// A server that was away may have been updated. The app brings its own page.
    fn check_version_after_reconnect(&self, ctx: &Context<Self>, session: &SessionView) {
        let was_away = matches!(self.view.session, SessionView::Reconnecting { .. });
        if was_away && matches!(session, SessionView::LoggedIn { .. }) && !self.driver.in_app() {
            let link = ctx.link().clone();
            spawn_local(async move {
                if update_check::is_outdated().await {
                    link.send_message(Msg::Outdated);
                }
            });
        }
    }

    fn remember_focus(&mut self, call_opens: bool) {
        if call_opens && self.view.call.is_none() {
            self.focused = dom::focused();
        }
    }
}

/// Connects the person's actions to driver, media engine and component.
fn create_actions(
    link: &Scope<App>,
    slot: &Rc<OnceCell<Rc<dyn PageDriver>>>,
    driver: &Rc<dyn PageDriver>,
    engine: &Rc<dyn MediaEngine>,
) -> Actions {
    let (commands, slot) = (Rc::clone(slot), Rc::clone(slot));
    Actions {
        command: Callback::from(move |command| send(&commands, PageToHost::Command(command))),
        app: Callback::from(move |command| send(&slot, PageToHost::App(command))),
        // Not through the component's queue: browsers require the person's click for screen capture.
        switch: {
            let engine = Rc::clone(engine);
            Callback::from(move |(peer, source, on)| engine.switch(peer, source, on))
        },
        choose: link.callback(|(kind, id)| Msg::Choose(kind, id)),
        stats: {
            let engine = Rc::clone(engine);
            Callback::from(move |peer| engine.stats(peer))
        },
        remember: {
            let driver = Rc::clone(driver);
            // Not through the component's queue: before the login that follows.
            Callback::from(move |is_remembered| driver.set_remembered(is_remembered))
        },
        device: link.callback(Msg::Device),
        history: link.callback(Msg::History),
        allow_notifications: {
            let link = link.clone();
            Callback::from(move |()| {
                let link = link.clone();
                spawn_local(async move { link.send_message(Msg::Permission(notifications::request().await)) });
            })
        },
        language: link.callback(Msg::Language),
    }
}

/// What identifies a ringing call in its notification.
fn notification_call(call: &CallView) -> String {
    call.with.token.to_string()
}

fn send(slot: &OnceCell<Rc<dyn PageDriver>>, message: PageToHost) {
    if let Some(driver) = slot.get() {
        driver.send(message);
    }
}
