//! The root: holds what is shown, and connects driver, media engine and views.

use std::{cell::OnceCell, rc::Rc};

use hutong_core::{
    View,
    app::{AppView, FromUi, ToUi},
};
use web_sys::HtmlElement;
use yew::{Callback, Component, Context, ContextProvider, Html, html};

use crate::{
    actions::Actions,
    dom::{self, Listener},
    driver::{self, Driver},
    i18n::Language,
    media::{self, Engine, MediaView, Reports, Sort},
    people,
    place::Place,
    sound,
    views::{CallOffer, CallScreen, LinkBanner, Login, Main, NoticeBar},
};

/// What happened.
pub enum Msg {
    /// The client or the app said something.
    Said(ToUi),
    /// There is something else to see of a call.
    Media(MediaView),
    /// The person chose a device.
    Choose(Sort, String),
    /// The person switched the language.
    Language(Language),
}

/// The root component.
pub struct App {
    driver: Rc<dyn Driver>,
    engine: Rc<dyn Engine>,
    view: Rc<View>,
    app: Option<AppView>,
    media: Option<MediaView>,
    speaker: Option<String>,
    language: Language,
    place: Place,
    actions: Actions,
    /// Where the focus was before the call covered the page.
    focused: Option<HtmlElement>,
    _listeners: Vec<Listener>,
}

impl Component for App {
    type Message = Msg;
    type Properties = ();

    fn create(ctx: &Context<Self>) -> Self {
        let link = ctx.link();
        let slot: Rc<OnceCell<Rc<dyn Driver>>> = Rc::default();
        let engine = media::start(Reports {
            events: {
                let slot = Rc::clone(&slot);
                Callback::from(move |event| send(&slot, FromUi::Media(event)))
            },
            views: link.callback(Msg::Media),
        });
        let driver = driver::make({
            let (engine, link) = (Rc::clone(&engine), link.clone());
            Callback::from(move |said| match said {
                // Not by way of the components: what a call waits for does not wait for the next rendering.
                ToUi::Media(command) => engine.perform(command),
                said => link.send_message(Msg::Said(said)),
            })
        });
        slot.set(Rc::clone(&driver)).ok();
        driver.begin();
        let language = Language::of_this_person();
        language.mark_page();
        let commands = Rc::clone(&slot);
        let actions = Actions {
            command: Callback::from(move |command| send(&commands, FromUi::Command(command))),
            app: Callback::from(move |command| send(&slot, FromUi::App(command))),
            // At once and not by a message: browsers want to see that it comes of a click.
            switch: {
                let engine = Rc::clone(&engine);
                Callback::from(move |(peer, source, on)| engine.switch(peer, source, on))
            },
            choose: link.callback(|(sort, id)| Msg::Choose(sort, id)),
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
            speaker: media::chosen(Sort::Speaker),
            language,
            place: Place::here(),
            actions,
            focused: None,
            _listeners: sound::unlock_on_gestures(),
        }
    }

    fn update(&mut self, _: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Said(ToUi::Snapshot(view)) => {
                self.remember_focus(view.call.is_some());
                self.view = Rc::new(view);
            }
            Msg::Said(ToUi::Show(update)) => {
                if let hutong_core::Update::Call(call) = &update {
                    self.remember_focus(call.is_some());
                    if let Some(call) = call {
                        people::meet(call.with.name.as_str());
                    }
                }
                Rc::make_mut(&mut self.view).apply(update);
            }
            Msg::Said(ToUi::App(app)) => self.app = Some(app),
            Msg::Said(ToUi::Media(command)) => self.engine.perform(command),
            Msg::Media(media) => self.media = Some(media),
            Msg::Choose(sort, id) => {
                media::choose(sort, &id);
                if let Some(peer) = self.view.call.as_ref().and_then(|call| call.peer) {
                    self.engine.change(peer, sort);
                }
                if sort == Sort::Speaker {
                    self.speaker = Some(id);
                }
            }
            Msg::Language(language) => {
                language.remember();
                language.mark_page();
                self.language = language;
            }
        }
        true
    }

    fn view(&self, _: &Context<Self>) -> Html {
        let actions = self.actions.clone();
        let view = Rc::clone(&self.view);
        let abilities = self.engine.abilities();
        let can_call = abilities.calls;
        let behind = self.view.call.is_some();
        html! {
            <ContextProvider<Language> context={self.language}>
                <div class="page" inert={behind}>
                    <LinkBanner session={view.session.clone()} in_call={behind} />
                    if view.session.me().is_some() {
                        <Main
                            view={Rc::clone(&view)}
                            app={self.app.clone()}
                            in_app={self.driver.in_app()}
                            place={self.place.clone()}
                            {can_call}
                            actions={actions.clone()}
                        />
                    } else {
                        <Login
                            session={view.session.clone()}
                            app={self.app.clone()}
                            in_app={self.driver.in_app()}
                            place={self.place.clone()}
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
                        link_lost={matches!(view.session, hutong_core::Session::Reconnecting { .. })}
                        {abilities}
                        speaker={self.speaker.clone()}
                        actions={actions.clone()}
                    />
                }
                if let Some(offer) = self.app.as_ref().and_then(|app| app.offer.clone()).filter(|_| !behind) {
                    <CallOffer {offer} command={actions.app.clone()} />
                }
                <NoticeBar notice={view.notice.clone()} place={self.place.clone()} command={actions.command.clone()} />
            </ContextProvider<Language>>
        }
    }

    fn rendered(&mut self, _: &Context<Self>, _: bool) {
        // The page is no longer inert only now, so only now can it take the focus back.
        if self.view.call.is_none()
            && let Some(element) = self.focused.take()
        {
            dom::focus(Some(element));
        }
    }
}

impl App {
    fn remember_focus(&mut self, call_comes: bool) {
        if call_comes && self.view.call.is_none() {
            self.focused = dom::focused();
        }
    }
}

fn send(slot: &OnceCell<Rc<dyn Driver>>, what: FromUi) {
    if let Some(driver) = slot.get() {
        driver.send(what);
    }
}
