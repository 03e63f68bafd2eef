//! Which server the app uses, and opening the one inside it to others.

use hutong_core::app::{AppCommand, AppView, Embedded, ServerChoice};
use web_sys::{HtmlInputElement, SubmitEvent};
use yew::{Callback, Html, Properties, component, html, use_effect_with, use_node_ref, use_state};

use super::{icons, invite::Address, qr::Qr};
use crate::{dom, i18n::use_texts, place::without_key};

/// Properties of [`AppServer`].
#[derive(PartialEq, Properties)]
pub struct AppServerProps {
    /// The app's state, once it has told it.
    pub app: Option<AppView>,
    /// Where commands go.
    pub command: Callback<AppCommand>,
}

/// A card about the server. There is one in the app alone.
#[component]
pub fn AppServer(props: &AppServerProps) -> Html {
    let texts = use_texts();
    let field = use_node_ref();
    let address = use_state(String::new);
    let other = match props.app.as_ref().map(|app| &app.server) {
        Some(ServerChoice::Other { address }) => address.clone(),
        Some(ServerChoice::None | ServerChoice::Embedded) | None => String::new(),
    };
    {
        let address = address.clone();
        use_effect_with(other, move |other| address.set(other.clone()));
    }
    let Some(app) = &props.app else { return html! {} };
    let status = match &app.server {
        ServerChoice::None => texts.server_is_none.to_owned(),
        ServerChoice::Embedded => texts.server_is_embedded.to_owned(),
        ServerChoice::Other { address } => (texts.server_is_other)(without_key(address)),
    };
    let embedded_in_use = app.server == ServerChoice::Embedded;
    let choose = {
        let (field, address, command) = (field.clone(), address.clone(), props.command.clone());
        move |event: SubmitEvent| {
            event.prevent_default();
            let address = address.trim().to_owned();
            if address.is_empty() {
                dom::focus(field.cast());
            } else {
                command.emit(AppCommand::UseServer { address });
            }
        }
    };
    let typed = {
        let (field, address) = (field.clone(), address.clone());
        move |_| {
            if let Some(field) = field.cast::<HtmlInputElement>() {
                address.set(field.value());
            }
        }
    };
    html! {
        <section class="card app-server" data-testid="app-server" aria-labelledby="server-title">
            <h2 id="server-title">{ icons::server() }{ texts.server_title }</h2>
            <p>{ status }</p>
            <div aria-live="polite">
                if let Some(problem) = app.problem {
                    <p class="problem" data-testid="app-problem" data-code={dom::code(&problem)}>
                        { icons::warning() }<span>{ (texts.app_problem)(problem) }</span>
                    </p>
                }
            </div>
            if let Some(embedded) = &app.embedded {
                if let Some(wanted) = embedded.wanted_port_taken {
                    <p class="hint">{ (texts.port_taken)(wanted, embedded.port) }</p>
                }
                if embedded_in_use {
                    <Share embedded={embedded.clone()} command={props.command.clone()} />
                } else {
                    <button
                        type="button"
                        class="secondary wide"
                        data-testid="server-embedded"
                        onclick={props.command.reform(|_| AppCommand::UseEmbedded)}
                    >
                        { texts.use_embedded }
                    </button>
                }
            }
            <form class="server-form" onsubmit={choose} novalidate=true>
                <label for="server-address">{ texts.other_server }</label>
                <div class="field-row">
                    <input
                        ref={field}
                        id="server-address"
                        data-testid="server-address"
                        type="text"
                        inputmode="url"
                        autocomplete="url"
                        autocapitalize="none"
                        spellcheck="false"
                        placeholder="https://"
                        value={(*address).clone()}
                        oninput={typed}
                    />
                    <button type="submit" class="secondary" data-testid="server-use">{ texts.use_server }</button>
                </div>
            </form>
            if let Some(on) = app.autostart {
                <button
                    type="button"
                    class="switch"
                    data-testid="autostart"
                    aria-pressed={on.to_string()}
                    aria-describedby="autostart-hint"
                    onclick={props.command.reform(move |_| AppCommand::Autostart { on: !on })}
                >
                    <span class="switch-words">
                        <span>{ texts.autostart }</span>
                        <span id="autostart-hint" class="hint">{ texts.autostart_hint }</span>
                    </span>
                    <span class="switch-track" aria-hidden="true"><span class="switch-knob" /></span>
                </button>
            }
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct ShareProps {
    embedded: Embedded,
    command: Callback<AppCommand>,
}

#[component]
fn Share(props: &ShareProps) -> Html {
    let texts = use_texts();
    let shared = props.embedded.shared;
    let address = props.embedded.addresses.first().filter(|_| shared);
    html! {
        <>
            <button
                type="button"
                class="switch"
                data-testid="share"
                aria-pressed={shared.to_string()}
                aria-describedby="share-hint"
                onclick={props.command.reform(move |_| AppCommand::Share { on: !shared })}
            >
                <span class="switch-words">
                    <span>{ texts.share }</span>
                    <span id="share-hint" class="hint">{ texts.share_hint }</span>
                </span>
                <span class="switch-track" aria-hidden="true"><span class="switch-knob" /></span>
            </button>
            if let Some(address) = address {
                <p class="hint">{ texts.share_how }</p>
                <Address address={address.clone()} testid="share-address" />
                { for props.embedded.addresses.iter().skip(1).map(|other| html! {
                    <Address key={other.clone()} address={other.clone()} testid="share-address-more" />
                }) }
                <Qr text={address.clone()} label={(texts.qr_code)(without_key(address))} testid="share-qr" />
                if let Some(fingerprint) = &props.embedded.fingerprint {
                    <p class="hint fingerprint">
                        { texts.share_fingerprint }
                        <code data-testid="share-fingerprint">{ fingerprint.clone() }</code>
                    </p>
                }
            }
        </>
    }
}
