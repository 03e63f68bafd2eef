//! The call screen, over the whole page.

use hutong_core::{CallPhase, CallView};
use hutong_protocol::Name;
use web_sys::HtmlElement;
use yew::{
    Callback, Html, NodeRef, Properties, component, hook, html, use_effect_with, use_mut_ref, use_node_ref, use_state,
};

use super::{
    call_details::CallDetails,
    call_parts::CallParts,
    controls::CallControls,
    device_settings::DeviceSettings,
    panels::{Panel, Panels, use_panels},
    playback::use_playback,
};
use crate::{
    actions::Actions,
    dom,
    i18n::{Texts, use_texts},
    media::{MediaCapabilities, MediaView, Mirror, RemoteMedia},
    tones::Tone,
    wake_lock::use_wake_lock,
};

/// Properties of [`CallScreen`].
#[derive(PartialEq, Properties)]
pub struct CallScreenProps {
    /// The call.
    pub call: CallView,
    /// The media of the call.
    pub media: Option<MediaView>,
    /// Whether the client is reconnecting to the server.
    pub reconnecting: bool,
    /// Who last tried to call meanwhile.
    pub tried: Option<Name>,
    /// The features that may be offered.
    pub capabilities: MediaCapabilities,
    /// `deviceId` of the chosen loudspeaker.
    pub speaker: Option<String>,
    /// The person's actions.
    pub actions: Actions,
}

/// The call screen.
#[component]
pub fn CallScreen(props: &CallScreenProps) -> Html {
    let texts = use_texts();
    let screen = use_node_ref();
    let playback = use_playback();
    let phase = props.call.phase;
    let name = props.call.with.name.to_string();
    let since = use_connected_since(phase);
    use_tones(phase);
    use_wake_lock();
    use_title(phase, &name, texts);
    use_focus(phase, &screen);
    let was_connected = matches!(phase, CallPhase::Connected | CallPhase::Reconnecting);
    let answered = matches!(phase, CallPhase::Connecting) || was_connected;
    let Panels { open, toggle, onkeydown } = use_panels(&screen, answered);
    let media = props.media.as_ref();
    let local = media.map(|media| media.local).unwrap_or_default();
    let remote = media.map_or_else(RemoteMedia::default, |media| media.remote);
    // Before the first frame the video would be a black page.
    let shows_video = remote.video && was_connected && playback.has_frame(props.call.peer);
    let mirror = use_state(Mirror::stored);
    let toggle_mirror = {
        let mirror = mirror.clone();
        Callback::from(move |()| {
            let toggled = mirror.toggled();
            toggled.store();
            mirror.set(toggled);
        })
    };
    let parts = CallParts { call: &props.call, name: &name, media, local, remote, mirror: *mirror, shows_video, texts };
    let code = dom::code(&phase);
    html! {
        <section
            ref={screen}
            {onkeydown}
            class={yew::classes!("call", code.clone(), shows_video.then_some("with-picture"))}
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
            { parts.header(since) }
            { parts.hints(props.reconnecting, props.tried.as_ref()) }
            { parts.self_view() }
            { playback.button(texts) }
            if let (Some(peer), true) = (props.call.peer.filter(|_| answered), open.details) {
                <CallDetails {peer} stats={props.actions.stats.clone()} close={toggle.reform(|()| Panel::Details)} />
            }
            if let (Some(media), true) = (&props.media, open.settings) {
                <DeviceSettings
                    in_use={media.in_use.clone()}
                    speaker={props.speaker.clone()}
                    capabilities={props.capabilities}
                    details={open.details}
                    mirror={*mirror}
                    {toggle_mirror}
                    choose={props.actions.choose.clone()}
                    toggle={toggle.clone()}
                />
            }
            { CallControls {
                call: &props.call,
                local,
                video: media.map(|media| media.video).unwrap_or_default(),
                capabilities: props.capabilities,
                actions: &props.actions,
                settings_open: open.settings,
                toggle_panel: toggle,
                texts,
            }.view() }
        </section>
    }
}

/// When the call was connected, by [`dom::now_ms`].
#[hook]
fn use_connected_since(phase: CallPhase) -> Option<f64> {
    let since = use_mut_ref(|| None::<f64>);
    let mut since = since.borrow_mut();
    match phase {
        CallPhase::Connected => {
            since.get_or_insert_with(dom::now_ms);
        }
        CallPhase::Reconnecting | CallPhase::Ending => {}
        // A later call with the same person may reuse this component.
        _ => *since = None,
    }
    *since
}

/// Plays ringtone or ringback tone.
#[hook]
fn use_tones(phase: CallPhase) {
    let incoming = match phase {
        CallPhase::Incoming => Some(true),
        CallPhase::Ringing => Some(false),
        _ => None,
    };
    use_effect_with(incoming, |&incoming| {
        let tone = incoming.and_then(|incoming| if incoming { Tone::ringtone() } else { Tone::ringback() });
        move || drop(tone)
    });
}

/// Shows the call in the title of the page, which is visible from other tabs.
#[hook]
fn use_title(phase: CallPhase, name: &str, texts: &'static Texts) {
    let title = match phase {
        CallPhase::Incoming => format!("☎ {}", (texts.incoming_title)(name)),
        _ => format!("{name} · {}", texts.app_name),
    };
    use_effect_with(title, move |title| {
        let document = dom::window().and_then(|window| window.document());
        if let Some(document) = &document {
            document.set_title(title);
        }
        move || {
            if let Some(document) = document {
                document.set_title(texts.app_name);
            }
        }
    });
}

/// Moves the focus to the call screen at each phase. Not to a button: a key pressed by chance must not answer or end a call.
#[hook]
fn use_focus(phase: CallPhase, screen: &NodeRef) {
    let screen = screen.clone();
    use_effect_with(phase, move |_| keep_focus(screen.cast()));
}

/// Focuses the call screen, unless the focus is inside.
fn keep_focus(screen: Option<HtmlElement>) {
    let inside = match (&screen, dom::focused()) {
        (Some(screen), Some(focused)) => screen.contains(Some(&focused)),
        _ => false,
    };
    if !inside {
        dom::focus(screen);
    }
}
