//! The main page before login: one field.

use hutong_core::{
    Command, Session,
    app::{AppView, ServerChoice},
};
use hutong_protocol::RefusedCode;
use web_sys::{HtmlInputElement, SubmitEvent};
use yew::{Html, Properties, component, html, use_effect_with, use_node_ref, use_state};

use super::{app_server::AppServer, icons, language::LanguageSwitch};
use crate::{app::Actions, dom, i18n::use_texts, place::Place};

/// Where the last name is remembered.
const NAME: &str = "hutong.name";

/// Properties of [`Login`].
#[derive(PartialEq, Properties)]
pub struct LoginProps {
    /// How far the login is.
    pub session: Session,
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

/// The main page, with the name field.
#[component]
pub fn Login(props: &LoginProps) -> Html {
    let texts = use_texts();
    let field = use_node_ref();
    let name = use_state(|| known_name(&props.session));
    let entering = matches!(props.session, Session::LoggingIn { .. });
    let no_server = matches!(&props.app, Some(AppView { server: ServerChoice::None, .. }));
    {
        let field = field.clone();
        // The field is where a person goes on after every refusal.
        use_effect_with(entering, move |&entering| {
            if !entering {
                dom::focus(field.cast());
            }
        });
    }
    let problem = problem(&props.session);
    let problem_text = problem.map(|problem| match problem {
        Problem::ServerAway => texts.server_away,
        Problem::Refused(code) => (texts.refused)(code),
    });
    let submit = {
        let (name, field, log_in) = (name.clone(), field.clone(), props.actions.command.clone());
        move |event: SubmitEvent| {
            event.prevent_default();
            let typed = name.trim();
            if typed.is_empty() {
                dom::focus(field.cast());
                return;
            }
            if let Some(storage) = dom::local_storage() {
                storage.set_item(NAME, typed).ok();
            }
            log_in.emit(Command::LogIn { name: typed.to_owned() });
        }
    };
    let typed = {
        let (name, field) = (name.clone(), field.clone());
        move |_| {
            if let Some(field) = field.cast::<HtmlInputElement>() {
                name.set(field.value());
            }
        }
    };
    html! {
        <div class="login-page">
            <header class="login-top"><LanguageSwitch choose={props.actions.language.clone()} /></header>
            <main class="login">
                <form class="card login-card" onsubmit={submit} novalidate=true>
                    <span class="logo" aria-hidden="true" />
                    <h1>{ texts.hutong }</h1>
                    <p class="tagline">{ texts.tagline }</p>
                    <label for="name">{ texts.your_name }</label>
                    <input
                        ref={field}
                        id="name"
                        name="name"
                        type="text"
                        autocomplete="nickname"
                        autocapitalize="words"
                        spellcheck="false"
                        enterkeyhint="go"
                        maxlength="80"
                        required=true
                        readonly={entering}
                        aria-describedby={if problem.is_some() { "login-problem" } else { "name-hint" }}
                        aria-invalid={matches!(problem, Some(Problem::Refused(_))).then_some("true")}
                        value={(*name).clone()}
                        oninput={typed}
                    />
                    <div class="login-said" aria-live="polite">
                        if let (Some(problem), Some(text)) = (problem, problem_text) {
                            <p id="login-problem" class="problem" data-testid="login-problem" data-code={problem.code()}>
                                { icons::warning() }<span>{ text }</span>
                            </p>
                        }
                    </div>
                    <button type="submit" class="primary" data-testid="login" disabled={entering || no_server}>
                        if entering {
                            <span class="spinner" aria-hidden="true" />{ texts.entering }
                        } else {
                            { texts.enter }
                        }
                    </button>
                    if entering {
                        <button type="button" class="quiet wide" onclick={props.actions.command.reform(|_| Command::LogOut)}>
                            { texts.cancel }
                        </button>
                    }
                    <p id="name-hint" class="hint">{ texts.name_hint }</p>
                </form>
                if let Some(address) = props.place.secure_twin() {
                    <section class="card caution" data-testid="not-secure">
                        <h2>{ icons::warning() }{ texts.not_secure_title }</h2>
                        <p>{ texts.not_secure }</p>
                        <a class="button" href={address.clone()}>{ texts.not_secure_link }{ " " }{ address }</a>
                    </section>
                }
                if !props.can_call {
                    <p class="card caution" data-testid="no-calls">{ texts.no_calls }</p>
                }
                if props.in_app {
                    <AppServer app={props.app.clone()} command={props.actions.app.clone()} />
                }
            </main>
        </div>
    }
}

/// What stands in the way.
#[derive(Clone, Copy)]
enum Problem {
    ServerAway,
    Refused(RefusedCode),
}

impl Problem {
    fn code(self) -> &'static str {
        match self {
            Self::ServerAway => "server_away",
            Self::Refused(code) => code.as_str(),
        }
    }
}

fn problem(session: &Session) -> Option<Problem> {
    match session {
        Session::LoggingIn { server_away: true, .. } => Some(Problem::ServerAway),
        Session::Refused { code, .. } => Some(Problem::Refused(*code)),
        Session::Replaced { .. } => Some(Problem::Refused(RefusedCode::Replaced)),
        Session::LoggedOut
        | Session::LoggingIn { server_away: false, .. }
        | Session::LoggedIn { .. }
        | Session::Reconnecting { .. } => None,
    }
}

fn known_name(session: &Session) -> String {
    match session {
        Session::LoggingIn { name, .. } | Session::Refused { name, .. } => name.clone(),
        Session::Replaced { name } => name.to_string(),
        Session::LoggedOut | Session::LoggedIn { .. } | Session::Reconnecting { .. } => {
            let remembered = dom::local_storage().and_then(|storage| storage.get_item(NAME).ok().flatten());
            remembered.unwrap_or_default()
        }
    }
}
