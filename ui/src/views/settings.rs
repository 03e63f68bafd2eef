//! The devices of a call, to choose from.

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
    media::{self, Abilities, Device, InUse, Sort},
};

/// Properties of [`Settings`].
#[derive(PartialEq, Properties)]
pub struct SettingsProps {
    /// What is in use now.
    pub in_use: InUse,
    /// The loudspeaker that is chosen.
    pub speaker: Option<String>,
    /// What can be offered here.
    pub abilities: Abilities,
    /// Whether the call's figures are shown.
    pub details: bool,
    /// Where a choice goes.
    pub choose: Callback<(Sort, String)>,
    /// Opens and closes.
    pub toggle: Callback<Panel>,
}

/// The devices that are there, as lists; and the switch for the call's figures.
#[component]
pub fn Settings(props: &SettingsProps) -> Html {
    let texts = use_texts();
    let devices = use_devices();
    let panel = use_node_ref();
    {
        let panel = panel.clone();
        use_effect_with((), move |()| dom::focus(panel.cast::<HtmlElement>()));
    }
    let now = |sort| match sort {
        Sort::Camera => props.in_use.camera.clone(),
        Sort::Microphone => props.in_use.microphone.clone(),
        Sort::Speaker => props.speaker.clone(),
    };
    let is_there = |sort| devices.iter().any(|device| device.sort == sort);
    // Firefox can change it and lists none: then there is nothing to choose from.
    let speaker = props.abilities.speaker && is_there(Sort::Speaker);
    let sorts = Sort::ALL.into_iter().filter(|&sort| sort != Sort::Speaker || speaker);
    html! {
        <>
            <div class="settings-around" aria-hidden="true" onclick={props.toggle.reform(|_| Panel::Settings)} />
            <div ref={panel} class="settings" role="group" aria-label={texts.settings} tabindex="-1" data-testid="settings">
                { for sorts.map(|sort| html! {
                    <Choice key={sort.code()} {sort} devices={devices.clone()} now={now(sort)} choose={props.choose.clone()} />
                }) }
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

/// The devices, as they come and go.
#[hook]
fn use_devices() -> Vec<Device> {
    let devices = use_state(Vec::new);
    {
        let devices = devices.clone();
        use_effect_with((), move |()| {
            let look = move || {
                let devices = devices.clone();
                spawn_local(async move { devices.set(media::devices().await) });
            };
            look();
            let listener = media::on_change(look);
            move || drop(listener)
        });
    }
    (*devices).clone()
}

/// Properties of [`Choice`].
#[derive(PartialEq, Properties)]
struct ChoiceProps {
    sort: Sort,
    devices: Vec<Device>,
    /// What is in use, as far as it is known.
    now: Option<String>,
    choose: Callback<(Sort, String)>,
}

/// The devices of one sort.
#[component]
fn Choice(props: &ChoiceProps) -> Html {
    let texts = use_texts();
    let select = use_node_ref();
    let sort = props.sort;
    let (words, icon) = match sort {
        Sort::Camera => (texts.camera, icons::camera()),
        Sort::Microphone => (texts.microphone, icons::microphone()),
        Sort::Speaker => (texts.speaker, icons::speaker()),
    };
    let devices: Vec<_> = props.devices.iter().filter(|device| device.sort == sort).cloned().collect();
    let is_there = |id: &String| devices.iter().any(|device| device.id == *id);
    // Without one that is known, the first is the system's own.
    let now = props.now.clone().or_else(|| media::chosen(sort)).filter(is_there);
    let now = now.or_else(|| devices.first().map(|device| device.id.clone())).unwrap_or_default();
    {
        let select = select.clone();
        // After each drawing: attributes say nothing to a list that the person has chosen from.
        use_effect(move || {
            if let Some(select) = select.cast::<HtmlSelectElement>() {
                select.set_value(&now);
            }
        });
    }
    let onchange =
        props.choose.reform(move |event: Event| (sort, event.target_unchecked_into::<HtmlSelectElement>().value()));
    html! {
        <label class="settings-row">
            { icon }
            <span class="unseen-words">{ words }</span>
            <select ref={select} data-testid={format!("choose-{}", sort.code())} disabled={devices.is_empty()} {onchange}>
                if devices.is_empty() {
                    <option value="">{ (texts.no_device)(sort) }</option>
                }
                { for devices.iter().map(|device| html! {
                    <option key={device.id.clone()} value={device.id.clone()}>{ &device.name }</option>
                }) }
            </select>
        </label>
    }
}
