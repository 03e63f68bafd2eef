//! Which server the app uses, and opening the one inside it to others.

use hutong_core::app::{AppCommand, AppView, Embedded, ServerChoice};
use web_sys::{HtmlInputElement, SubmitEvent};
use yew::{
    Callback, Html, MouseEvent, NodeRef, Properties, UseStateHandle, component, hook, html, use_effect_with,
    use_node_ref, use_state,
};

use super::{icons, invite::Address, qr::Qr};
use crate::{
    dom,
    i18n::{Texts, use_texts},
    place::without_key,
};

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
    let form = use_address_form(props);
    let Some(app) = &props.app else { return html! {} };
    let status = match &app.server {
        ServerChoice::None => texts.server_is_none.to_owned(),
        ServerChoice::Embedded => texts.server_is_embedded.to_owned(),
        ServerChoice::Other { address } => (texts.server_is_other)(without_key(address)),
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
                { embedded_server(embedded, app.server == ServerChoice::Embedded, &props.command, texts) }
            }
            { form.view(&props.command, texts) }
            if let Some(on) = app.autostart {
                { switch(Switch {
                    testid: "autostart",
                    on,
                    words: texts.autostart,
                    hint_id: "autostart-hint",
                    hint: texts.autostart_hint,
                    act: props.command.reform(move |_| AppCommand::Autostart { on: !on }),
                }) }
            }
        </section>
    }
}

/// The server inside the app: what is shared of it, or how to use it.
fn embedded_server(embedded: &Embedded, in_use: bool, command: &Callback<AppCommand>, texts: &Texts) -> Html {
    html! {
        <>
            if let Some(wanted) = embedded.wanted_port_taken {
                <p class="hint">{ (texts.port_taken)(wanted, embedded.port) }</p>
            }
            if in_use {
                <Share embedded={embedded.clone()} command={command.clone()} />
            } else {
                <button
                    type="button"
                    class="secondary wide"
                    data-testid="server-embedded"
                    onclick={command.reform(|_| AppCommand::UseEmbedded)}
                >
                    { texts.use_embedded }
                </button>
            }
        </>
    }
}

/// The form for another server's address.
struct AddressForm {
    field: NodeRef,
    address: UseStateHandle<String>,
}

/// Holds the address that is typed: at first the one in use.
#[hook]
fn use_address_form(props: &AppServerProps) -> AddressForm {
    let form = AddressForm { field: use_node_ref(), address: use_state(String::new) };
    let other = match props.app.as_ref().map(|app| &app.server) {
        Some(ServerChoice::Other { address }) => address.clone(),
        Some(ServerChoice::None | ServerChoice::Embedded) | None => String::new(),
    };
    let address = form.address.clone();
    use_effect_with(other, move |other| address.set(other.clone()));
    form
}

impl AddressForm {
    fn view(&self, command: &Callback<AppCommand>, texts: &Texts) -> Html {
        let choose = {
            let (field, address, command) = (self.field.clone(), self.address.clone(), command.clone());
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
            let (field, address) = (self.field.clone(), self.address.clone());
            move |_| {
                if let Some(field) = field.cast::<HtmlInputElement>() {
                    address.set(field.value());
                }
            }
        };
        html! {
            <form class="server-form" onsubmit={choose} novalidate=true>
                <label for="server-address">{ texts.other_server }</label>
                <div class="field-row">
                    <input
                        ref={self.field.clone()}
                        id="server-address"
                        data-testid="server-address"
                        type="text"
                        inputmode="url"
                        autocomplete="url"
                        autocapitalize="none"
                        spellcheck="false"
                        placeholder="https://"
                        value={(*self.address).clone()}
                        oninput={typed}
                    />
                    <button type="submit" class="secondary" data-testid="server-use">{ texts.use_server }</button>
                </div>
            </form>
        }
    }
}

/// A switch, with a sentence that explains it.
struct Switch {
    testid: &'static str,
    on: bool,
    words: &'static str,
    hint_id: &'static str,
    hint: &'static str,
    act: Callback<MouseEvent>,
}

fn switch(Switch { testid, on, words, hint_id, hint, act }: Switch) -> Html {
    html! {
        <button
            type="button"
            class="switch"
            data-testid={testid}
            aria-pressed={on.to_string()}
            aria-describedby={hint_id}
            onclick={act}
        >
            <span class="switch-words">
                <span>{ words }</span>
                <span id={hint_id} class="hint">{ hint }</span>
            </span>
            <span class="switch-track" aria-hidden="true"><span class="switch-knob" /></span>
        </button>
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
            { switch(Switch {
                testid: "share",
                on: shared,
                words: texts.share,
                hint_id: "share-hint",
                hint: texts.share_hint,
                act: props.command.reform(move |_| AppCommand::Share { on: !shared }),
            }) }
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
