//! The main page after login: who is here, and how to invite others.

use std::rc::Rc;

use hutong_core::{Command, Session, View, app::AppView};
use yew::{Html, Properties, component, html};

use super::{
    app_server::AppServer, avatar::Avatar, caution::not_secure, icons, invite::Invite, language::LanguageSwitch,
    roster::Roster,
};
use crate::{actions::Actions, dom, i18n::use_texts, place::Place};

/// Properties of [`Main`].
#[derive(PartialEq, Properties)]
pub struct MainProps {
    /// What the client says.
    pub view: Rc<View>,
    /// The app's state, once it has told it.
    pub app: Option<AppView>,
    /// Whether an app is around this page.
    pub in_app: bool,
    /// Where this page came from.
    pub place: Place,
    /// Whether calls can be made here.
    pub can_call: bool,
    /// What the person can do.
    pub actions: Actions,
}

/// The main page.
#[component]
pub fn Main(props: &MainProps) -> Html {
    let texts = use_texts();
    let Some(me) = props.view.session.me() else { return html! {} };
    let away = matches!(props.view.session, Session::Reconnecting { .. });
    let state = if away { "offline".to_owned() } else { dom::code(&me.state) };
    let name = me.name.to_string();
    html! {
        <>
            <header class="top">
                <h1 class="brand"><span class="logo small" aria-hidden="true" /><span class="brand-name">{ texts.hutong }</span></h1>
                <span
                    class="me"
                    data-testid="me"
                    data-name={name.clone()}
                    data-token={me.token.to_string()}
                    data-state={state.clone()}
                    title={(texts.logged_in_as)(&name)}
                >
                    <Avatar name={name.clone()} class="tiny" />
                    <span class="me-words">
                        <span class="me-name">{ name }</span>
                        <span class={yew::classes!("chip", state)}>
                            { if away { texts.you_are_away } else { (texts.state)(me.state) } }
                        </span>
                    </span>
                </span>
                <span class="top-actions">
                    <LanguageSwitch choose={props.actions.language.clone()} />
                    <button
                        type="button"
                        class="quiet"
                        data-testid="log-out"
                        onclick={props.actions.command.reform(|_| Command::LogOut)}
                    >
                        { icons::leave() }<span class="may-go">{ texts.log_out }</span>
                    </button>
                </span>
            </header>
            <div class="columns">
                <main>
                    { not_secure(&props.place, texts) }
                    if !props.can_call {
                        <p id="no-calls" class="card caution" data-testid="no-calls">{ texts.no_calls }</p>
                    }
                    <Roster
                        view={Rc::clone(&props.view)}
                        can_call={props.can_call}
                        command={props.actions.command.clone()}
                    />
                </main>
                <aside>
                    if props.in_app {
                        <AppServer app={props.app.clone()} command={props.actions.app.clone()} />
                        if let Some(AppView { invitation: Some(invitation), .. }) = &props.app {
                            <Invite address={invitation.clone()} />
                        }
                    } else {
                        <Invite address={props.place.address()} />
                    }
                </aside>
            </div>
        </>
    }
}
