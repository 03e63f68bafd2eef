//! The card of the app about its server: which one it uses, and sharing the embedded one.

use hutong_core::host_messages::{AppCommand, AppView, EmbeddedServerView, OpensLinks, ServerChoice, WhenClosed};
use web_sys::{HtmlInputElement, SubmitEvent};
use yew::{
    Callback, Html, MouseEvent, NodeRef, Properties, UseStateHandle, component, hook, html, use_effect_with,
    use_node_ref, use_state,
};

use super::{icons, invite::AddressBox, qr::Qr};
use crate::{
    dom,
    i18n::{Texts, use_texts},
    page_origin::without_key,
};

/// Properties of [`AppServer`].
#[derive(PartialEq, Properties)]
pub struct AppServerProps {
    /// The app's state, once received.
    pub app: Option<AppView>,
    /// Sends commands to the app.
    pub command: Callback<AppCommand>,
}

/// Card about the server. Only shown in the app.
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
            if let Some(when_closed) = app.when_closed {
                { switch(SwitchRow {
                    testid: "stay-reachable",
                    on: when_closed == WhenClosed::Stay,
                    label: texts.stay_reachable,
                    hint_id: "stay-reachable-hint",
                    hint: texts.stay_reachable_hint,
                    onclick: props.command.reform(move |_| AppCommand::SetWhenClosed {
                        to: if when_closed == WhenClosed::Stay { WhenClosed::Quit } else { WhenClosed::Stay },
                    }),
                }) }
            }
            if let Some(opens_links) = app.opens_links {
                { links(opens_links, &props.command, texts) }
            }
            if let Some(on) = app.autostart {
                { switch(SwitchRow {
                    testid: "autostart",
                    on,
                    label: texts.autostart,
                    hint_id: "autostart-hint",
                    hint: texts.autostart_hint,
                    onclick: props.command.reform(move |_| AppCommand::Autostart { on: !on }),
                }) }
            }
        </section>
    }
}

/// The offer to open links with this app, and after its answer the switch.
fn links(opens_links: OpensLinks, command: &Callback<AppCommand>, texts: &Texts) -> Html {
    let set = |on| command.reform(move |_| AppCommand::OpenLinks { on });
    if opens_links == OpensLinks::Offered {
        return html! {
            <div class="links-offer" data-testid="links-offer">
                <p>{ texts.links_offer }</p>
                <div class="dialog-buttons">
                    <button type="button" class="secondary" data-testid="links-accept" onclick={set(true)}>
                        { texts.links_accept }
                    </button>
                    <button type="button" class="quiet" data-testid="links-decline" onclick={set(false)}>
                        { texts.links_decline }
                    </button>
                </div>
            </div>
        };
    }
    let on = opens_links == OpensLinks::On;
    switch(SwitchRow {
        testid: "open-links",
        on,
        label: texts.open_links,
        hint_id: "open-links-hint",
        hint: texts.open_links_hint,
        onclick: set(!on),
    })
}

/// The embedded server: sharing it, or a button to use it.
fn embedded_server(embedded: &EmbeddedServerView, in_use: bool, command: &Callback<AppCommand>, texts: &Texts) -> Html {
    html! {
        <>
            if let Some(wanted) = embedded.wanted_port_taken {
                <p class="hint">{ (texts.port_taken)(wanted, embedded.port) }</p>
            }
            if in_use {
                <ShareSettings embedded={embedded.clone()} command={command.clone()} />
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

/// Holds the typed address, initially the one in use.
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

/// A switch with an explanation.
struct SwitchRow {
    testid: &'static str,
    on: bool,
    label: &'static str,
    hint_id: &'static str,
    hint: &'static str,
    onclick: Callback<MouseEvent>,
}

fn switch(SwitchRow { testid, on, label, hint_id, hint, onclick }: SwitchRow) -> Html {
    html! {
        <button
            type="button"
            class="switch"
            data-testid={testid}
            aria-pressed={on.to_string()}
            aria-describedby={hint_id}
            {onclick}
        >
            <span class="switch-words">
                <span>{ label }</span>
                <span id={hint_id} class="hint">{ hint }</span>
            </span>
            <span class="switch-track" aria-hidden="true"><span class="switch-knob" /></span>
        </button>
    }
}

#[derive(PartialEq, Properties)]
struct ShareSettingsProps {
    embedded: EmbeddedServerView,
    command: Callback<AppCommand>,
}

/// The switch that opens the embedded server to the network, and how others join.
#[component]
fn ShareSettings(props: &ShareSettingsProps) -> Html {
    let texts = use_texts();
    let EmbeddedServerView { shared, requires_access_key, .. } = props.embedded;
    let address = props.embedded.addresses.first().filter(|_| shared);
    html! {
        <>
            { switch(SwitchRow {
                testid: "share",
                on: shared,
                label: texts.share,
                hint_id: "share-hint",
                hint: texts.share_hint,
                onclick: props.command.reform(move |_| AppCommand::Share { on: !shared }),
            }) }
            if shared {
                { switch(SwitchRow {
                    testid: "require-access-key",
                    on: requires_access_key,
                    label: texts.require_access_key,
                    hint_id: "require-access-key-hint",
                    hint: texts.require_access_key_hint,
                    onclick: props.command.reform(move |_| AppCommand::RequireAccessKey { on: !requires_access_key }),
                }) }
            }
            if let Some(address) = address {
                <p class="hint">{ texts.share_how }</p>
                <AddressBox address={address.clone()} testid="share-address" />
                { for props.embedded.addresses.iter().skip(1).map(|other| html! {
                    <AddressBox key={other.clone()} address={other.clone()} testid="share-address-more" />
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
