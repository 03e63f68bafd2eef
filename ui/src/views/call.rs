//! The call, over everything else.

use hutong_core::{CallPhase, CallView};
use hutong_protocol::MediaKind;
use web_sys::HtmlElement;
use yew::{
    Callback, Html, KeyboardEvent, Properties, component, hook, html, use_effect_with, use_mut_ref, use_node_ref,
    use_state,
};

use super::{
    avatar::Avatar,
    controls::{self, Panel},
    details::Details,
    icons,
    settings::Settings,
    stream::Stream,
    timer::Timer,
};
use crate::{
    app::Actions,
    awake::use_screen_on,
    dom,
    i18n::{Texts, use_texts},
    media::{Abilities, MediaView, Other, Sending},
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
    let blocked = use_state(|| false);
    let asked = use_state(|| 0_u32);
    let framed = use_state(|| None);
    let open = use_state(Open::default);
    let since = use_mut_ref(|| None::<f64>);
    let phase = props.call.phase;
    let name = props.call.with.name.to_string();
    use_tone(phase);
    use_screen_on();
    use_title(phase, &name, texts);
    {
        let screen = screen.clone();
        // On the whole, and not on a button: a key that is pressed by chance must neither take a call nor end one.
        use_effect_with(phase, move |_| keep_focus(screen.cast()));
    }
    match phase {
        CallPhase::Connected => {
            since.borrow_mut().get_or_insert_with(dom::now_ms);
        }
        CallPhase::Reconnecting | CallPhase::Ending => {}
        // A next call with the same person may find this very component.
        _ => *since.borrow_mut() = None,
    }
    let own = props.media.as_ref().map(|media| media.own).unwrap_or_default();
    let other = props.media.as_ref().map_or_else(Other::default, |media| media.other);
    let own_picture = own.camera.is_on() || own.screen.is_on();
    let flowing = matches!(phase, CallPhase::Connected | CallPhase::Reconnecting);
    // A picture that is announced and not there yet would be a black page.
    let picture = other.picture && flowing && *framed == props.call.peer;
    let set_up = matches!(phase, CallPhase::Connecting) || flowing;
    let peer = props.call.peer.filter(|_| set_up);
    let Open { settings, details } = if set_up { *open } else { Open::default() };
    // The moment the call is taken, drawing has to make way for setting it up.
    let alone = matches!(phase, CallPhase::Acquiring | CallPhase::Offering | CallPhase::Ringing);
    let code = dom::code(&phase);
    let set_blocked = {
        let blocked = blocked.clone();
        Callback::from(move |now| blocked.set(now))
    };
    let ask = {
        let asked = asked.clone();
        move |_| asked.set(*asked + 1)
    };
    let toggle = {
        let (open, screen) = (open.clone(), screen.clone());
        Callback::from(move |panel| {
            let next = open.toggled(panel);
            if open.settings && !next.settings {
                // What had the focus is gone.
                dom::focus(screen.cast::<HtmlElement>().and_then(|screen| controls::more_button(&screen)));
            }
            open.set(next);
        })
    };
    let onkeydown = {
        let toggle = toggle.clone();
        Callback::from(move |event: KeyboardEvent| {
            let Some(panel) = wanted(&event, settings, set_up) else { return };
            event.prevent_default();
            toggle.emit(panel);
        })
    };
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
            if let Some(peer) = props.call.peer {
                <Stream
                    key={peer.0}
                    stream={props.media.as_ref().and_then(|media| media.remote.clone())}
                    label={if other.screen { (texts.screen_of)(&name) } else { (texts.picture_of)(&name) }}
                    testid="remote-video"
                    class={yew::classes!("remote", (!picture).then_some("unseen"), other.screen.then_some("screen"))}
                    speaker={props.speaker.clone()}
                    seen={let framed = framed.clone(); move |()| framed.set(Some(peer))}
                    blocked={set_blocked}
                    asked={*asked}
                />
            }
            <div class="who">
                <span class="who-ring"><Avatar name={name.clone()} class="huge" /></span>
                <h1 class="who-name">{ name.clone() }</h1>
                <p id="call-phase" class="who-phase" role="status">
                    { said(phase, props.call.media, &name, texts) }
                </p>
                if let (true, Some(since)) = (flowing, *since.borrow()) {
                    <Timer {since} />
                }
                if flowing && !other.camera && own.camera != Sending::Absent {
                    <p class="who-more">{ (texts.other_camera_off)(&name) }</p>
                }
            </div>
            <div class="call-hints" aria-live="polite">
                if props.link_lost {
                    <p class="call-hint" data-testid="link"><span class="spinner" aria-hidden="true" />{ texts.reconnecting_in_call }</p>
                }
                if flowing && !other.microphone {
                    <p class="call-hint">{ icons::microphone_off() }{ (texts.other_muted)(&name) }</p>
                }
                if own.camera == Sending::Held {
                    <p class="call-hint warn" data-testid="camera-held">{ icons::camera_off() }{ texts.camera_held }</p>
                }
                if own.microphone == Sending::Held {
                    <p class="call-hint warn" data-testid="microphone-held">{ icons::microphone_off() }{ texts.microphone_held }</p>
                }
                if own.camera == Sending::Lost {
                    <p class="call-hint warn" data-testid="camera-lost">{ icons::warning() }{ texts.camera_lost }</p>
                }
                if own.screen == Sending::Lost {
                    <p class="call-hint warn" data-testid="screen-lost">{ icons::warning() }{ texts.screen_lost }</p>
                }
                if own.microphone == Sending::Lost {
                    <p class="call-hint warn" data-testid="microphone-lost">{ icons::warning() }{ texts.microphone_lost }</p>
                }
            </div>
            if own.camera != Sending::Absent || own.screen.is_on() {
                <div class={yew::classes!("self", alone.then_some("large"))}>
                    <Stream
                        stream={props.media.as_ref().and_then(|media| media.local.clone())}
                        muted=true
                        label={texts.own_picture}
                        testid="local-video"
                        class={yew::classes!("local", (!own_picture).then_some("unseen"), own.screen.is_on().then_some("screen"))}
                    />
                    if !own_picture {
                        <span class="self-off">{ icons::camera_off() }</span>
                    }
                    <span class="self-name">
                        if !own.microphone.is_on() { { icons::microphone_off() } }
                        { if own.screen.is_on() { texts.your_screen } else { texts.you } }
                    </span>
                </div>
            }
            if *blocked {
                <button type="button" class="primary hear" data-testid="hear" onclick={ask}>
                    { icons::speaker() }<span>{ texts.tap_to_hear }</span>
                </button>
            }
            if let (Some(peer), true) = (peer, details) {
                <Details {peer} stats={props.actions.stats.clone()} close={toggle.reform(|()| Panel::Details)} />
            }
            if let (Some(media), true) = (&props.media, settings) {
                <Settings
                    in_use={media.in_use.clone()}
                    speaker={props.speaker.clone()}
                    abilities={props.abilities}
                    details={details}
                    choose={props.actions.choose.clone()}
                    toggle={toggle.clone()}
                />
            }
            { controls::controls(props, own, settings, toggle, texts) }
        </section>
    }
}

/// What is open beside the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    settings: bool,
    details: bool,
}

impl Open {
    fn toggled(self, panel: Panel) -> Self {
        match panel {
            Panel::Settings => Self { settings: !self.settings, ..self },
            Panel::Details => Self { details: !self.details, ..self },
        }
    }
}

/// Which panel a key opens or closes.
fn wanted(event: &KeyboardEvent, settings: bool, set_up: bool) -> Option<Panel> {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || !set_up {
        return None;
    }
    match event.key().as_str() {
        "Escape" if settings => Some(Panel::Settings),
        // Letters choose within a list.
        "i" | "I" if !settings => Some(Panel::Details),
        _ => None,
    }
}

fn said(phase: CallPhase, media: MediaKind, name: &str, texts: &Texts) -> String {
    match phase {
        CallPhase::Incoming => (texts.incoming)(media).to_owned(),
        phase => (texts.phase)(phase, media, name),
    }
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
