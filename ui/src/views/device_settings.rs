//! The panel in which the person chooses camera, microphone and loudspeaker.

use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlElement, HtmlSelectElement};
use yew::{
    Callback, Event, Html, Properties, TargetCast, component, hook, html, use_effect, use_effect_with, use_node_ref,
    use_state,
};

use super::{icons, panels::Panel};
use crate::{
    dom,
    i18n::use_texts,
    media::{self, DeviceKind, DevicesInUse, MediaCapabilities, MediaDevice, Mirror},
};

/// Properties of [`DeviceSettings`].
#[derive(PartialEq, Properties)]
pub struct DeviceSettingsProps {
    /// The devices in use.
    pub in_use: DevicesInUse,
    /// `deviceId` of the chosen loudspeaker.
    pub speaker: Option<String>,
    /// The features that may be offered.
    pub capabilities: MediaCapabilities,
    /// Whether the call details are open.
    pub details: bool,
    /// Whether the own picture is mirrored.
    pub mirror: Mirror,
    /// Changes that.
    pub toggle_mirror: Callback<()>,
    /// Called with the kind and ID of a chosen device.
    pub choose: Callback<(DeviceKind, String)>,
    /// Opens or closes a panel.
    pub toggle: Callback<Panel>,
}

/// A list for each kind of device, and the toggle for the call details.
#[component]
pub fn DeviceSettings(props: &DeviceSettingsProps) -> Html {
    let texts = use_texts();
    let devices = use_devices();
    let panel = use_node_ref();
    {
        let panel = panel.clone();
        use_effect_with((), move |()| dom::focus(panel.cast::<HtmlElement>()));
    }
    let current = |kind| match kind {
        DeviceKind::Camera => props.in_use.camera.clone(),
        DeviceKind::Microphone => props.in_use.microphone.clone(),
        DeviceKind::Speaker => props.speaker.clone(),
    };
    let is_available = |kind| devices.iter().any(|device| device.kind == kind);
    // Firefox supports `setSinkId`, but may list no loudspeakers.
    let shows_speaker = props.capabilities.speaker && is_available(DeviceKind::Speaker);
    let kinds = DeviceKind::ALL.into_iter().filter(|&kind| kind != DeviceKind::Speaker || shows_speaker);
    html! {
        <>
            <div class="settings-around" aria-hidden="true" onclick={props.toggle.reform(|_| Panel::Settings)} />
            <div ref={panel} class="settings" role="group" aria-label={texts.settings} tabindex="-1" data-testid="settings">
                { for kinds.map(|kind| html! {
                    <DeviceSelect key={kind.code()} {kind} devices={devices.clone()} current={current(kind)} choose={props.choose.clone()} />
                }) }
                <button
                    type="button"
                    class="settings-row"
                    data-testid="mirror"
                    aria-pressed={props.mirror.is_on().to_string()}
                    onclick={props.toggle_mirror.reform(|_| ())}
                >
                    <span>{ texts.mirror }</span>
                    if props.mirror.is_on() { { icons::tick() } }
                </button>
                <button
                    type="button"
                    class="settings-row"
                    data-testid="details-toggle"
                    aria-pressed={props.details.to_string()}
                    onclick={props.toggle.reform(|_| Panel::Details)}
                >
                    <span>{ texts.details }</span>
                    if props.details { { icons::tick() } } else { <kbd aria-hidden="true">{ "i" }</kbd> }
                </button>
            </div>
        </>
    }
}

/// The available devices, kept up to date.
#[hook]
fn use_devices() -> Vec<MediaDevice> {
    let devices = use_state(Vec::new);
    {
        let devices = devices.clone();
        use_effect_with((), move |()| {
            let refresh = move || {
                let devices = devices.clone();
                spawn_local(async move { devices.set(media::devices().await) });
            };
            refresh();
            let listener = media::on_device_change(refresh);
            move || drop(listener)
        });
    }
    (*devices).clone()
}

/// Properties of [`DeviceSelect`].
#[derive(PartialEq, Properties)]
struct DeviceSelectProps {
    kind: DeviceKind,
    devices: Vec<MediaDevice>,
    /// ID of the device in use, if known.
    current: Option<String>,
    choose: Callback<(DeviceKind, String)>,
}

/// List of the devices of one kind.
#[component]
fn DeviceSelect(props: &DeviceSelectProps) -> Html {
    let texts = use_texts();
    let select = use_node_ref();
    let kind = props.kind;
    let (label, icon) = match kind {
        DeviceKind::Camera => (texts.camera, icons::camera()),
        DeviceKind::Microphone => (texts.microphone, icons::microphone()),
        DeviceKind::Speaker => (texts.speaker, icons::speaker()),
    };
    let devices: Vec<_> = props.devices.iter().filter(|device| device.kind == kind).cloned().collect();
    let is_available = |id: &String| devices.iter().any(|device| device.id == *id);
    // If none is known, the first one is the system's default.
    let current = props.current.clone().or_else(|| media::chosen(kind)).filter(is_available);
    let current = current.or_else(|| devices.first().map(|device| device.id.clone())).unwrap_or_default();
    {
        let select = select.clone();
        // After each rendering: `selected` attributes have no effect once the person has chosen an entry.
        use_effect(move || {
            if let Some(select) = select.cast::<HtmlSelectElement>() {
                select.set_value(&current);
            }
        });
    }
    let onchange =
        props.choose.reform(move |event: Event| (kind, event.target_unchecked_into::<HtmlSelectElement>().value()));
    html! {
        <label class="settings-row">
            { icon }
            <span class="unseen-words">{ label }</span>
            <select ref={select} data-testid={format!("choose-{}", kind.code())} disabled={devices.is_empty()} {onchange}>
                if devices.is_empty() {
                    <option value="">{ (texts.no_device)(kind) }</option>
                }
                { for devices.iter().map(|device| html! {
                    <option key={device.id.clone()} value={device.id.clone()}>{ &device.label }</option>
                }) }
            </select>
        </label>
    }
}
