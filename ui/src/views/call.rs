//! The call, over everything else.

use hutong_core::{CallPhase, CallView};
use web_sys::HtmlElement;
use yew::{Html, NodeRef, Properties, component, hook, html, use_effect_with, use_mut_ref, use_node_ref};

use super::{
    call_parts::CallParts,
    controls::Controls,
    details::Details,
    panels::{Panel, Panels, use_panels},
    playback::use_playback,
    settings::Settings,
};
use crate::{
    actions::Actions,
    awake::use_screen_on,
    dom,
    i18n::{Texts, use_texts},
    media::{Abilities, MediaView, Other},
    sound::Tone,
};

/// Properties of [`CallScreen`].
#[derive(PartialEq, Properties)]
pub struct CallScreenProps {
    /// The call.
    pub call: CallView,
    /// What there is to see of it.
    pub media: Option<MediaView>,
    /// Whether the server is away meanwhile.
    pub link_lost: bool,
    /// What can be offered here.
    pub abilities: Abilities,
    /// The loudspeaker that is chosen.
    pub speaker: Option<String>,
    /// What the person can do.
    pub actions: Actions,
}

/// The call.
#[component]
pub fn CallScreen(props: &CallScreenProps) -> Html {
    let texts = use_texts();
    let screen = use_node_ref();
    let playback = use_playback();
    let phase = props.call.phase;
    let name = props.call.with.name.to_string();
    let since = use_since(phase);
    use_tone(phase);
    use_screen_on();
    use_title(phase, &name, texts);
    use_focus(phase, &screen);
    let flowing = matches!(phase, CallPhase::Connected | CallPhase::Reconnecting);
    let set_up = matches!(phase, CallPhase::Connecting) || flowing;
    let Panels { open, toggle, onkeydown } = use_panels(&screen, set_up);
    let media = props.media.as_ref();
    let own = media.map(|media| media.own).unwrap_or_default();
    let other = media.map_or_else(Other::default, |media| media.other);
    // A picture that is announced and not there yet would be a black page.
    let picture = other.picture && flowing && playback.has_frame(props.call.peer);
    let parts = CallParts { call: &props.call, name: &name, media, own, other, picture, texts };
    let code = dom::code(&phase);
    html! {
        <section
            ref={screen}
            {onkeydown}
            class={yew::classes!("call", code.clone(), picture.then_some("with-picture"))}
            role={if phase == CallPhase::Incoming { "alertdialog" } else { "dialog" }}
            aria-modal="true"
            aria-label={(texts.call_with)(&name)}
            aria-describedby="call-phase"
            tabindex="-1"
            data-testid="call"
            data-phase={code.clone()}
            data-media={dom::code(&props.call.media)}
        >
            { playback.view(&parts, props.speaker.clone()) }
            { parts.who(since) }
            { parts.hints(props.link_lost) }
            { parts.own_picture() }
            { playback.button(texts) }
            if let (Some(peer), true) = (props.call.peer.filter(|_| set_up), open.details) {
                <Details {peer} stats={props.actions.stats.clone()} close={toggle.reform(|()| Panel::Details)} />
            }
            if let (Some(media), true) = (&props.media, open.settings) {
                <Settings
                    in_use={media.in_use.clone()}
                    speaker={props.speaker.clone()}
                    abilities={props.abilities}
                    details={open.details}
                    choose={props.actions.choose.clone()}
                    toggle={toggle.clone()}
                />
            }
            { Controls {
                call: &props.call,
                own,
                abilities: props.abilities,
                actions: &props.actions,
                settings_open: open.settings,
                toggle_panel: toggle,
                texts,
            }.view() }
        </section>
    }
}

/// Since when media has been flowing, in the milliseconds of [`dom::now_ms`].
#[hook]
fn use_since(phase: CallPhase) -> Option<f64> {
    let since = use_mut_ref(|| None::<f64>);
    let mut since = since.borrow_mut();
    match phase {
        CallPhase::Connected => {
            since.get_or_insert_with(dom::now_ms);
        }
        CallPhase::Reconnecting | CallPhase::Ending => {}
        // A next call with the same person may find this very component.
        _ => *since = None,
    }
    *since
}

/// Rings, here or for the one who waits.
#[hook]
fn use_tone(phase: CallPhase) {
    let wanted = match phase {
        CallPhase::Incoming => Some(true),
        CallPhase::Ringing => Some(false),
        _ => None,
    };
    use_effect_with(wanted, |&wanted| {
        let tone = wanted.and_then(|here| if here { Tone::ringing() } else { Tone::ringback() });
        move || drop(tone)
    });
}

/// A call shows in the tab's title, where it is seen from another tab.
#[hook]
fn use_title(phase: CallPhase, name: &str, texts: &'static Texts) {
    let title = match phase {
        CallPhase::Incoming => format!("☎ {}", (texts.incoming_title)(name)),
        _ => format!("{name} · {}", texts.hutong),
    };
    use_effect_with(title, move |title| {
        let document = dom::window().and_then(|window| window.document());
        if let Some(document) = &document {
            document.set_title(title);
        }
        move || {
            if let Some(document) = document {
                document.set_title(texts.hutong);
            }
        }
    });
}

/// Moves the focus into the call at each of its stages: to the whole, and not to a button, since a key that is pressed by chance must
/// neither take a call nor end one.
#[hook]
fn use_focus(phase: CallPhase, screen: &NodeRef) {
    let screen = screen.clone();
    use_effect_with(phase, move |_| keep_focus(screen.cast()));
}

/// Takes the focus into the call, unless it is there already.
fn keep_focus(screen: Option<HtmlElement>) {
    let inside = match (&screen, dom::focused()) {
        (Some(screen), Some(focused)) => screen.contains(Some(&focused)),
        _ => false,
    };
    if !inside {
        dom::focus(screen);
    }
}
