//! The main page after login: roster, own state and invitation.

use std::rc::Rc;

use hutong_core::{Command, SessionView, View, host_messages::AppView};
use hutong_protocol::Name;
use yew::{AttrValue, Html, Properties, component, html};

use super::{
    app_server::AppServer,
    avatar::Avatar,
    icons,
    insecure_warning::insecure_warning,
    invite::Invite,
    language_switch::LanguageSwitch,
    recent_calls::{CallListProps, MissedCalls, RecentCalls},
    remembered::Remembered,
    ring_hint::RingHint,
    roster::Roster,
};
use crate::{
    actions::Actions, call_history::PastCall, dom, i18n::use_texts, notifications::Permission, page_link,
    page_origin::PageOrigin,
};

/// Properties of [`MainPage`].
#[derive(PartialEq, Properties)]
pub struct MainPageProps {
    /// The client's view.
    pub view: Rc<View>,
    /// The recent calls, newest first.
    pub calls: Rc<Vec<PastCall>>,
    /// Whether calls can ring while another page is in front; `None` in the app.
    pub permission: Option<Permission>,
    /// The app's state, once received.
    pub app: Option<AppView>,
    /// Whether the page runs in the app.
    pub in_app: bool,
    /// Origin of the page.
    pub origin: PageOrigin,
    /// Whether calls are supported.
    pub can_call: bool,
    /// The user that a call link proposes to call.
    pub callee: Option<Name>,
    /// The person's actions.
    pub actions: Actions,
}

/// The address by which others join. `None` in an app whose embedded server is not shared.
fn invitation(props: &MainPageProps) -> Option<String> {
    if !props.in_app {
        return Some(props.origin.invitation_url());
    }
    let app = props.app.as_ref()?;
    let shared = app.embedded.as_ref().filter(|embedded| embedded.shared);
    app.invitation.clone().or_else(|| shared?.addresses.first().cloned())
}

/// The main page.
#[component]
pub fn MainPage(props: &MainPageProps) -> Html {
    let texts = use_texts();
    let Some(me) = props.view.session.me() else { return html! {} };
    let reconnecting = matches!(props.view.session, SessionView::Reconnecting { .. });
    let state = if reconnecting { "offline".to_owned() } else { dom::code(&me.state) };
    let name = me.name.to_string();
    let call_list = || CallListProps {
        calls: Rc::clone(&props.calls),
        view: Rc::clone(&props.view),
        can_call: props.can_call,
        command: props.actions.command.clone(),
        change: props.actions.history.clone(),
    };
    html! {
        <>
            <header class="top">
                <h1 class="brand"><span class="logo small" aria-hidden="true" /><span class="brand-name">{ texts.app_name }</span></h1>
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
                            { if reconnecting { texts.state_reconnecting } else { (texts.state)(me.state) } }
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
                    { insecure_warning(&props.origin, texts) }
                    if !props.can_call {
                        <p id="no-calls" class="card caution" data-testid="no-calls">{ texts.no_calls }</p>
                    }
                    if let (Some(permission), true) = (props.permission, props.can_call) {
                        <RingHint {permission} allow={props.actions.allow_notifications.clone()} />
                    }
                    <MissedCalls ..call_list() />
                    <Roster
                        view={Rc::clone(&props.view)}
                        can_call={props.can_call}
                        callee={props.callee.clone()}
                        own_link={invitation(props).map(|address| AttrValue::from(page_link::link_to(&address, &me.name)))}
                        command={props.actions.command.clone()}
                    />
                </main>
                <aside>
                    <RecentCalls ..call_list() />
                    // By the feature too, so that the build for browsers lacks the card.
                    if cfg!(feature = "app") && props.in_app {
                        <AppServer app={props.app.clone()} command={props.actions.app.clone()} />
                        if let Some(AppView { invitation: Some(invitation), .. }) = &props.app {
                            <Invite address={invitation.clone()} />
                        }
                    } else {
                        <Invite address={props.origin.invitation_url()} />
                    }
                    <Remembered in_app={props.in_app} choose={props.actions.device.clone()} />
                </aside>
            </div>
        </>
    }
}
