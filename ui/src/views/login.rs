//! The main page before login: one field, and one more where the server has asked for a secret.

use hutong_core::{
    Command, RetryReason as Trouble, Session,
    app::{AppView, ServerChoice},
};
use hutong_protocol::{RefusedCode, Secret, limits::SECRET_BYTES};
use web_sys::{HtmlInputElement, SubmitEvent};
use yew::{
    Callback, Html, NodeRef, Properties, UseStateHandle, component, hook, html, use_effect_with, use_node_ref,
    use_state,
};

use super::{app_server::AppServer, caution::not_secure, icons, language::LanguageSwitch};
use crate::{
    actions::Actions,
    dom,
    i18n::{Texts, use_texts},
    place::Place,
};

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
    let form = use_form(props);
    html! {
        <div class="login-page">
            <header class="login-top"><LanguageSwitch choose={props.actions.language.clone()} /></header>
            <main class="login">
                <form class="card login-card" onsubmit={form.submit()} novalidate=true>
                    <span class="logo" aria-hidden="true" />
                    <h1>{ texts.hutong }</h1>
                    <p class="tagline">{ texts.tagline }</p>
                    { form.name_field(texts) }
                    if form.asked {
                        { form.secret_field(texts) }
                    }
                    { form.problem_text(texts) }
                    { form.buttons(texts) }
                    // It says that there is no password.
                    if !form.asked {
                        <p id="name-hint" class="hint">{ texts.name_hint }</p>
                    }
                </form>
                { not_secure(&props.place, texts) }
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

/// The form: what is typed into it, and how far the login is.
struct Form {
    field: NodeRef,
    secret_field: NodeRef,
    name: UseStateHandle<String>,
    entering: bool,
    /// Whether the server asks for a secret.
    asked: bool,
    no_server: bool,
    problem: Option<Trouble>,
    command: Callback<Command>,
}

/// Holds the name that is typed, and moves the focus.
#[hook]
fn use_form(props: &LoginProps) -> Form {
    let (field, secret_field) = (use_node_ref(), use_node_ref());
    let name = use_state(|| known_name(&props.session));
    let entering = matches!(props.session, Session::LoggingIn { .. });
    let asked = use_secret_asked(props);
    {
        let (field, secret_field) = (field.clone(), secret_field.clone());
        // The field is where a person goes on after every refusal. A secret that was refused is typed anew.
        use_effect_with((entering, asked), move |&(entering, _)| {
            if entering {
                return;
            }
            match secret_field.cast::<HtmlInputElement>() {
                Some(secret) => {
                    secret.set_value("");
                    dom::focus(Some(secret.into()));
                }
                None => dom::focus(field.cast()),
            }
        });
    }
    Form {
        field,
        secret_field,
        name,
        entering,
        asked,
        no_server: matches!(&props.app, Some(AppView { server: ServerChoice::None, .. })),
        problem: problem(&props.session),
        command: props.actions.command.clone(),
    }
}

impl Form {
    fn submit(&self) -> Callback<SubmitEvent> {
        let (name, field, log_in) = (self.name.clone(), self.field.clone(), self.command.clone());
        let secret_field = self.secret_field.clone();
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let typed = name.trim();
            if typed.is_empty() {
                dom::focus(field.cast());
                return;
            }
            if let Some(storage) = dom::local_storage() {
                storage.set_item(NAME, typed).ok();
            }
            // Read when it is needed and kept nowhere else: the field itself is its only copy on the page.
            let secret = secret_field.cast::<HtmlInputElement>().map(|field| field.value());
            let secret = secret.filter(|secret| !secret.is_empty()).and_then(|secret| Secret::new(&secret).ok());
            log_in.emit(Command::LogIn { name: typed.to_owned(), secret });
        })
    }

    fn name_field(&self, texts: &Texts) -> Html {
        let described_by = match (self.problem, self.asked) {
            (Some(_), _) => Some("login-problem"),
            (None, false) => Some("name-hint"),
            (None, true) => None,
        };
        let typed = {
            let (name, field) = (self.name.clone(), self.field.clone());
            move |_| {
                if let Some(field) = field.cast::<HtmlInputElement>() {
                    name.set(field.value());
                }
            }
        };
        html! {
            <>
                <label for="name">{ texts.your_name }</label>
                <input
                    ref={self.field.clone()}
                    id="name"
                    name="name"
                    type="text"
                    autocomplete="nickname"
                    autocapitalize="words"
                    spellcheck="false"
                    enterkeyhint="go"
                    maxlength="80"
                    required=true
                    readonly={self.entering}
                    aria-describedby={described_by}
                    aria-invalid={is_about_the_name(self.problem).then_some("true")}
                    value={(*self.name).clone()}
                    oninput={typed}
                />
            </>
        }
    }

    fn secret_field(&self, texts: &Texts) -> Html {
        html! {
            <>
                <label for="secret">{ texts.secret }</label>
                <input
                    ref={self.secret_field.clone()}
                    id="secret"
                    name="secret"
                    type="password"
                    autocomplete="current-password"
                    enterkeyhint="go"
                    maxlength={SECRET_BYTES.to_string()}
                    readonly={self.entering}
                    aria-describedby={self.problem.map(|_| "login-problem")}
                    aria-invalid={is_about_the_secret(self.problem).then_some("true")}
                    data-testid="secret"
                />
            </>
        }
    }

    fn problem_text(&self, texts: &Texts) -> Html {
        let text = |problem| match problem {
            Trouble::ServerAway => texts.server_away,
            Trouble::Refused(code) => (texts.refused)(code),
        };
        html! {
            <div class="login-said" aria-live="polite">
                if let Some(problem) = self.problem {
                    <p id="login-problem" class="problem" data-testid="login-problem" data-code={code_of(problem)}>
                        { icons::warning() }<span>{ text(problem) }</span>
                    </p>
                }
            </div>
        }
    }

    fn buttons(&self, texts: &Texts) -> Html {
        html! {
            <>
                <button type="submit" class="primary" data-testid="login" disabled={self.entering || self.no_server}>
                    if self.entering {
                        <span class="spinner" aria-hidden="true" />{ texts.entering }
                    } else {
                        { texts.enter }
                    }
                </button>
                if self.entering {
                    <button type="button" class="quiet wide" onclick={self.command.reform(|_| Command::LogOut)}>
                        { texts.cancel }
                    </button>
                }
            </>
        }
    }
}

/// Whether this server has asked for a secret since the person came to this page.
#[hook]
fn use_secret_asked(props: &LoginProps) -> bool {
    let server = props.app.as_ref().map(|app| app.server.clone());
    let asked_by = use_state(|| None);
    {
        let asked_by = asked_by.clone();
        let asks = matches!(
            props.session,
            Session::Refused { code: RefusedCode::SecretRequired | RefusedCode::SecretWrong, .. }
        );
        use_effect_with((asks, server.clone()), move |(asks, server)| {
            if *asks {
                asked_by.set(Some(server.clone()));
            }
        });
    }
    // Another server is another question.
    *asked_by == Some(server)
}

const fn code_of(problem: Trouble) -> &'static str {
    match problem {
        Trouble::ServerAway => "server_away",
        Trouble::Refused(code) => code.as_str(),
    }
}

const fn is_about_the_name(problem: Option<Trouble>) -> bool {
    matches!(problem, Some(Trouble::Refused(RefusedCode::NameInvalid | RefusedCode::NameTaken)))
}

const fn is_about_the_secret(problem: Option<Trouble>) -> bool {
    matches!(problem, Some(Trouble::Refused(RefusedCode::SecretWrong)))
}

/// What stands in the way.
fn problem(session: &Session) -> Option<Trouble> {
    match session {
        Session::LoggingIn { retry_reason, .. } => *retry_reason,
        Session::Refused { code, .. } => Some(Trouble::Refused(*code)),
        Session::Replaced { .. } => Some(Trouble::Refused(RefusedCode::Replaced)),
        Session::LoggedOut | Session::LoggedIn { .. } | Session::Reconnecting { .. } => None,
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
