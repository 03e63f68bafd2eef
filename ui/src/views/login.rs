//! The main page before login: a field for the name, and one for the secret if the server requires it.

use hutong_core::{
    Command, RetryReason, SessionView,
    host_messages::{AppView, ServerChoice},
};
use hutong_protocol::{RefusedCode, Secret, limits::MAX_SECRET_BYTES};
use web_sys::{HtmlInputElement, SubmitEvent};
use yew::{
    Callback, Html, NodeRef, Properties, UseStateHandle, component, hook, html, use_effect_with, use_node_ref,
    use_state,
};

use super::{
    app_server::AppServer,
    call_link::{CallLinkDialogProps, LoginNote},
    icons,
    insecure_warning::insecure_warning,
    language_switch::LanguageSwitch,
    remembered::Remembered,
};
use crate::{
    actions::Actions,
    dom,
    i18n::{Texts, use_texts},
    page_origin::PageOrigin,
    personal_storage::{self, Entry, Scope},
};

/// Properties of [`LoginPage`].
#[derive(PartialEq, Properties)]
pub struct LoginPageProps {
    /// State of the session.
    pub session: SessionView,
    /// The app's state, once received.
    pub app: Option<AppView>,
    /// Whether the page runs in the app.
    pub in_app: bool,
    /// Origin of the page.
    pub origin: PageOrigin,
    /// Whether calls are supported.
    pub can_call: bool,
    /// The call that a link proposes.
    pub call_link: Option<CallLinkDialogProps>,
    /// The person's actions.
    pub actions: Actions,
}

/// The page with the login form.
#[component]
pub fn LoginPage(props: &LoginPageProps) -> Html {
    let texts = use_texts();
    let form = use_login_form(props);
    html! {
        <div class="login-page">
            <header class="login-top"><LanguageSwitch choose={props.actions.language.clone()} /></header>
            <main class="login">
                <form class="card login-card" onsubmit={form.submit()} novalidate=true>
                    <span class="logo" aria-hidden="true" />
                    <h1>{ texts.app_name }</h1>
                    if let Some(link) = &props.call_link {
                        <LoginNote ..link.clone() />
                    } else {
                        <p class="tagline">{ texts.tagline }</p>
                    }
                    { form.name_field(texts) }
                    if form.secret_required {
                        { form.secret_field(texts) }
                    }
                    if !form.in_app {
                        { form.remember_box(texts) }
                    }
                    { form.problem_text(texts) }
                    { form.buttons(texts) }
                    // The hint says that no password is needed.
                    if !form.secret_required {
                        <p id="name-hint" class="hint">{ texts.name_hint }</p>
                    }
                </form>
                if personal_storage::read(Entry::Name).is_some() {
                    <Remembered in_app={props.in_app} choose={props.actions.device.clone()} />
                }
                { insecure_warning(&props.origin, texts) }
                if !props.can_call {
                    <p class="card caution" data-testid="no-calls">{ texts.no_calls }</p>
                }
                // By the feature too, so that the build for browsers lacks the card.
                if cfg!(feature = "app") && props.in_app {
                    <AppServer app={props.app.clone()} command={props.actions.app.clone()} />
                }
            </main>
        </div>
    }
}

/// State of the login form.
struct LoginForm {
    field: NodeRef,
    secret_field: NodeRef,
    name: UseStateHandle<String>,
    logging_in: bool,
    /// Whether the server requires a secret.
    secret_required: bool,
    no_server: bool,
    problem: Option<LoginProblem>,
    in_app: bool,
    /// Whether the browser is to remember the person.
    is_remembered: UseStateHandle<bool>,
    command: Callback<Command>,
    remember: Callback<bool>,
}

/// Holds the typed name, and manages the focus.
#[hook]
fn use_login_form(props: &LoginPageProps) -> LoginForm {
    let (field, secret_field) = (use_node_ref(), use_node_ref());
    let name = use_state(|| initial_name(&props.session));
    let is_remembered = use_state(|| Scope::current() == Scope::Device);
    let logging_in = matches!(props.session, SessionView::LoggingIn { .. });
    let secret_required = use_secret_required(props);
    {
        let (field, secret_field) = (field.clone(), secret_field.clone());
        // After every refusal the field gets the focus again. A refused secret is cleared.
        use_effect_with((logging_in, secret_required), move |&(logging_in, _)| {
            if logging_in {
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
    LoginForm {
        field,
        secret_field,
        name,
        logging_in,
        secret_required,
        no_server: matches!(&props.app, Some(AppView { server: ServerChoice::None, .. })),
        problem: problem(&props.session),
        in_app: props.in_app,
        is_remembered,
        command: props.actions.command.clone(),
        remember: props.actions.remember.clone(),
    }
}

impl LoginForm {
    fn submit(&self) -> Callback<SubmitEvent> {
        let (name, field, log_in) = (self.name.clone(), self.field.clone(), self.command.clone());
        let secret_field = self.secret_field.clone();
        let (in_app, is_remembered, remember) = (self.in_app, *self.is_remembered, self.remember.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let typed = name.trim();
            if typed.is_empty() {
                dom::focus(field.cast());
                return;
            }
            if !in_app {
                remember.emit(is_remembered);
            }
            personal_storage::write(Entry::Name, typed);
            // The field holds the only copy of the secret in the page.
            let secret = secret_field.cast::<HtmlInputElement>().map(|field| field.value());
            let secret = secret.filter(|secret| !secret.is_empty()).and_then(|secret| Secret::new(&secret).ok());
            log_in.emit(Command::LogIn { name: typed.to_owned(), secret });
        })
    }

    fn name_field(&self, texts: &Texts) -> Html {
        let described_by = match (self.problem, self.secret_required) {
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
                    readonly={self.logging_in}
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
                    maxlength={MAX_SECRET_BYTES.to_string()}
                    readonly={self.logging_in}
                    aria-describedby={self.problem.map(|_| "login-problem")}
                    aria-invalid={is_about_the_secret(self.problem).then_some("true")}
                    data-testid="secret"
                />
            </>
        }
    }

    fn problem_text(&self, texts: &Texts) -> Html {
        let text = |problem| match problem {
            LoginProblem::Retry(RetryReason::ServerUnreachable) => texts.server_away,
            LoginProblem::Retry(RetryReason::SocketRefused) => texts.socket_refused,
            LoginProblem::Retry(RetryReason::Refused(code)) => (texts.refused)(code),
            LoginProblem::InvitationOutdated => texts.invitation_outdated,
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

    fn remember_box(&self, texts: &Texts) -> Html {
        let toggle = {
            let is_remembered = self.is_remembered.clone();
            move |_| is_remembered.set(!*is_remembered)
        };
        html! {
            <label class="check">
                <input
                    type="checkbox"
                    data-testid="not-remembered"
                    checked={!*self.is_remembered}
                    disabled={self.logging_in}
                    onchange={toggle}
                />
                <span>{ texts.not_remembered }</span>
            </label>
        }
    }

    fn buttons(&self, texts: &Texts) -> Html {
        let is_in_call_elsewhere = self.problem == Some(LoginProblem::refused(RefusedCode::InCallElsewhere));
        html! {
            <>
                if is_in_call_elsewhere {
                    <button
                        type="button"
                        class="danger wide"
                        data-testid="end-other-call"
                        onclick={self.command.reform(|_| Command::LogInEndingCall)}
                    >
                        { texts.end_other_call }
                    </button>
                }
                <button type="submit" class="primary" data-testid="login" disabled={self.logging_in || self.no_server}>
                    if self.logging_in {
                        <span class="spinner" aria-hidden="true" />{ texts.entering }
                    } else {
                        { texts.enter }
                    }
                </button>
                if self.logging_in {
                    <button type="button" class="quiet wide" onclick={self.command.reform(|_| Command::LogOut)}>
                        { texts.cancel }
                    </button>
                }
            </>
        }
    }
}

/// Whether this server has required a secret since the page was opened.
#[hook]
fn use_secret_required(props: &LoginPageProps) -> bool {
    let server = props.app.as_ref().map(|app| app.server.clone());
    let required_by = use_state(|| None);
    {
        let required_by = required_by.clone();
        let requires = matches!(
            props.session,
            SessionView::Refused {
                code: RefusedCode::SecretRequired | RefusedCode::SecretWrong | RefusedCode::SecretChanged,
                ..
            } | SessionView::InvitationOutdated { .. }
        );
        use_effect_with((requires, server.clone()), move |(requires, server)| {
            if *requires {
                required_by.set(Some(server.clone()));
            }
        });
    }
    // Another server may not require one.
    *required_by == Some(server)
}

/// Why the person is not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginProblem {
    Retry(RetryReason),
    InvitationOutdated,
}

impl LoginProblem {
    const fn refused(code: RefusedCode) -> Self {
        Self::Retry(RetryReason::Refused(code))
    }
}

const fn code_of(problem: LoginProblem) -> &'static str {
    match problem {
        LoginProblem::Retry(RetryReason::ServerUnreachable) => "server_away",
        LoginProblem::Retry(RetryReason::SocketRefused) => "socket_refused",
        LoginProblem::Retry(RetryReason::Refused(code)) => code.as_str(),
        LoginProblem::InvitationOutdated => "invitation_outdated",
    }
}

const fn is_about_the_name(problem: Option<LoginProblem>) -> bool {
    let Some(LoginProblem::Retry(RetryReason::Refused(code))) = problem else { return false };
    matches!(code, RefusedCode::NameInvalid | RefusedCode::NameTaken)
}

const fn is_about_the_secret(problem: Option<LoginProblem>) -> bool {
    let Some(LoginProblem::Retry(RetryReason::Refused(code))) = problem else { return false };
    matches!(code, RefusedCode::SecretWrong | RefusedCode::SecretChanged)
}

/// The problem to show, if any.
fn problem(session: &SessionView) -> Option<LoginProblem> {
    match session {
        SessionView::LoggingIn { retry_reason, .. } => retry_reason.map(LoginProblem::Retry),
        SessionView::Refused { code, .. } => Some(LoginProblem::refused(*code)),
        SessionView::InvitationOutdated { .. } => Some(LoginProblem::InvitationOutdated),
        SessionView::Replaced { .. } => Some(LoginProblem::refused(RefusedCode::Replaced)),
        SessionView::LoggedOut | SessionView::LoggedIn { .. } | SessionView::Reconnecting { .. } => None,
    }
}

fn initial_name(session: &SessionView) -> String {
    match session {
        SessionView::LoggingIn { name, .. }
        | SessionView::Refused { name, .. }
        | SessionView::InvitationOutdated { name } => name.clone(),
        SessionView::Replaced { name } => name.to_string(),
        SessionView::LoggedOut | SessionView::LoggedIn { .. } | SessionView::Reconnecting { .. } => {
            personal_storage::read(Entry::Name).unwrap_or_default()
        }
    }
}
