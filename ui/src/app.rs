//! The root component: holds the state, and connects driver, media engine and views.

use std::{cell::OnceCell, rc::Rc};

use hutong_core::{
    View,
    host_messages::{AppView, HostToPage, PageToHost},
};
use web_sys::HtmlElement;
use yew::{Callback, Component, Context, ContextProvider, Html, html};

use crate::{
    actions::Actions,
    contacts,
    dom::{self, EventListener},
    driver::{self, PageDriver},
    i18n::Language,
    leave_guard::LeaveGuard,
    media::{self, DeviceKind, MediaCallbacks, MediaEngine, MediaView},
    page_origin::PageOrigin,
    tones,
    views::{CallLinkDialog, CallScreen, ConnectionBanner, LoginPage, MainPage, NoticeBar},
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
    /// Asks before the page is left; only in a browser. Closing the app's window does not end a call.
    leave_guard: Option<LeaveGuard>,
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
        let driver = driver::create({
            let (engine, link) = (Rc::clone(&engine), link.clone());
            Callback::from(move |message| match message {
                // Not through the component's queue: a call must not wait for the next rendering.
                HostToPage::Media(command) => engine.perform(command),
                message => link.send_message(Msg::Host(message)),
            })
        });
        slot.set(Rc::clone(&driver)).ok();
        driver.start();
        let language = Language::current();
        language.apply_to_page();
        let commands = Rc::clone(&slot);
        let actions = Actions {
            command: Callback::from(move |command| send(&commands, PageToHost::Command(command))),
            app: Callback::from(move |command| send(&slot, PageToHost::App(command))),
            // Not through the component's queue: browsers require the person's click for screen capture.
            switch: {
                let engine = Rc::clone(&engine);
                Callback::from(move |(peer, source, on)| engine.switch(peer, source, on))
            },
            choose: link.callback(|(kind, id)| Msg::Choose(kind, id)),
            stats: {
                let engine = Rc::clone(&engine);
                Callback::from(move |peer| engine.stats(peer))
            },
            language: link.callback(Msg::Language),
        };
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
            leave_guard: None,
            _listeners: tones::unlock_on_gestures(),
        }
    }

    fn update(&mut self, _: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Host(HostToPage::Snapshot(view)) => {
                self.remember_focus(view.call.is_some());
                self.view = Rc::new(view);
            }
            Msg::Host(HostToPage::Show(update)) => {
                if let hutong_core::ViewUpdate::Call(call) = &update {
                    self.remember_focus(call.is_some());
                    if let Some(call) = call {
                        contacts::record_call(call.with.name.as_str());
                    }
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
        }
        if !self.driver.in_app() {
            self.leave_guard = LeaveGuard::update(self.leave_guard.take(), &self.view);
        }
        true
    }

    fn view(&self, _: &Context<Self>) -> Html {
        let actions = self.actions.clone();
        let view = Rc::clone(&self.view);
        let capabilities = self.engine.capabilities();
        let can_call = capabilities.calls;
        let in_call = self.view.call.is_some();
        html! {
            <ContextProvider<Language> context={self.language}>
                <div class="page" inert={in_call}>
                    <ConnectionBanner session={view.session.clone()} {in_call} />
                    if view.session.me().is_some() {
                        <MainPage
                            view={Rc::clone(&view)}
                            app={self.app.clone()}
                            in_app={self.driver.in_app()}
                            origin={self.origin.clone()}
                            {can_call}
                            actions={actions.clone()}
                        />
                    } else {
                        <LoginPage
                            session={view.session.clone()}
                            app={self.app.clone()}
                            in_app={self.driver.in_app()}
                            origin={self.origin.clone()}
                            {can_call}
                            actions={actions.clone()}
                        />
                    }
                </div>
                if let Some(call) = &view.call {
                    <CallScreen
                        key={call.with.token.0}
                        call={call.clone()}
                        media={self.media.clone().filter(|media| Some(media.peer) == call.peer)}
                        reconnecting={matches!(view.session, hutong_core::SessionView::Reconnecting { .. })}
                        {capabilities}
                        speaker={self.speaker.clone()}
                        actions={actions.clone()}
                    />
                }
                if let Some(link) = self.app.as_ref().and_then(|app| app.call_link.clone()).filter(|_| !in_call) {
                    <CallLinkDialog {link} command={actions.app.clone()} />
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
    fn remember_focus(&mut self, call_opens: bool) {
        if call_opens && self.view.call.is_none() {
            self.focused = dom::focused();
        }
    }
}

fn send(slot: &OnceCell<Rc<dyn PageDriver>>, message: PageToHost) {
    if let Some(driver) = slot.get() {
        driver.send(message);
    }
}
