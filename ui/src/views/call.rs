//! The call, over everything else.

use hutong_core::{CallPhase, CallView, Command};
use hutong_protocol::MediaKind;
use web_sys::HtmlElement;
use yew::{
    Callback, Html, MouseEvent, Properties, component, hook, html, use_effect_with, use_mut_ref, use_node_ref,
    use_state,
};

use super::{avatar::Avatar, icons, stream::Stream, timer::Timer};
use crate::{
    app::Actions,
    dom,
    i18n::{Texts, use_texts},
    media::{MediaView, Other, Own, Sending, Source},
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
    /// Whether calls can be made here.
    pub can_call: bool,
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
    let since = use_mut_ref(|| None::<f64>);
    let phase = props.call.phase;
    let name = props.call.with.name.to_string();
    use_tone(phase);
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
    let flowing = matches!(phase, CallPhase::Connected | CallPhase::Reconnecting);
    let picture = other.picture && flowing;
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
    html! {
        <section
            ref={screen}
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
            if props.call.peer.is_some() {
                <Stream
                    stream={props.media.as_ref().and_then(|media| media.remote.clone())}
                    label={(texts.picture_of)(&name)}
                    testid="remote-video"
                    class={yew::classes!("remote", (!picture).then_some("unseen"))}
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
                if own.camera == Sending::Lost {
                    <p class="call-hint warn" data-testid="camera-lost">{ icons::warning() }{ texts.camera_lost }</p>
                }
                if own.microphone == Sending::Lost {
                    <p class="call-hint warn" data-testid="microphone-lost">{ icons::warning() }{ texts.microphone_lost }</p>
                }
            </div>
            if own.camera != Sending::Absent {
                <div class={yew::classes!("self", alone.then_some("large"))}>
                    <Stream
                        stream={props.media.as_ref().and_then(|media| media.local.clone())}
                        muted=true
                        label={texts.own_picture}
                        testid="local-video"
                        class={yew::classes!("local", (!own.camera.is_on()).then_some("unseen"))}
                    />
                    if !own.camera.is_on() {
                        <span class="self-off">{ icons::camera_off() }</span>
                    }
                    <span class="self-name">
                        if !own.microphone.is_on() { { icons::microphone_off() } }
                        { texts.you }
                    </span>
                </div>
            }
            if *blocked {
                <button type="button" class="primary hear" data-testid="hear" onclick={ask}>
                    { icons::speaker() }<span>{ texts.tap_to_hear }</span>
                </button>
            }
            { controls(props, own, texts) }
        </section>
    }
}

fn said(phase: CallPhase, media: MediaKind, name: &str, texts: &Texts) -> String {
    match phase {
        CallPhase::Incoming => (texts.incoming)(media).to_owned(),
        phase => (texts.phase)(phase, media, name),
    }
}

fn controls(props: &CallScreenProps, own: Own, texts: &'static Texts) -> Html {
    let command = &props.actions.command;
    match props.call.phase {
        CallPhase::Incoming => html! {
            <div class="controls answer">
                { control("decline", "danger", icons::hang_up(), texts.decline, command.reform(|_| Command::Decline)) }
                if props.can_call {
                    { control("accept-voice", accent(props.call.media, MediaKind::Voice), icons::phone(), texts.accept_voice,
                        command.reform(|_| Command::Accept { media: MediaKind::Voice })) }
                    { control("accept-video", accent(props.call.media, MediaKind::Video), icons::camera(), texts.accept_video,
                        command.reform(|_| Command::Accept { media: MediaKind::Video })) }
                } else {
                    <p class="call-hint warn">{ texts.no_calls }</p>
                }
            </div>
        },
        CallPhase::Ending => html! { <div class="controls" /> },
        phase => {
            let set_up = matches!(phase, CallPhase::Connecting | CallPhase::Connected | CallPhase::Reconnecting);
            let end = if set_up { texts.hang_up } else { texts.cancel_call };
            html! {
                <div class="controls">
                    { toggle(props, Source::Microphone, own.microphone, texts) }
                    { toggle(props, Source::Camera, own.camera, texts) }
                    { control("hang-up", "danger", icons::hang_up(), end, command.reform(|_| Command::HangUp)) }
                </div>
            }
        }
    }
}

/// The way of answering that matches the call stands out.
fn accent(offered: MediaKind, answer: MediaKind) -> &'static str {
    if offered == answer { "go" } else { "plain" }
}

fn control(
    testid: &'static str,
    class: &'static str,
    icon: Html,
    words: &'static str,
    act: Callback<MouseEvent>,
) -> Html {
    html! {
        <button type="button" class={yew::classes!("control", class)} data-testid={testid} onclick={act}>
            <span class="control-disc">{ icon }</span>
            <span class="control-words">{ words }</span>
        </button>
    }
}

fn toggle(props: &CallScreenProps, source: Source, state: Sending, texts: &'static Texts) -> Html {
    let (testid, words, icon) = match (source, state.is_on()) {
        (Source::Microphone, true) => ("mute", texts.mute, icons::microphone()),
        (Source::Microphone, false) => ("mute", texts.mute, icons::microphone_off()),
        (Source::Camera, true) => ("camera", texts.camera_off, icons::camera()),
        (Source::Camera, false) => ("camera", texts.camera_off, icons::camera_off()),
    };
    if state == Sending::Absent {
        return html! {};
    }
    let on = !state.is_on();
    html! {
        <button
            type="button"
            class="control plain"
            data-testid={testid}
            aria-pressed={(!state.is_on()).to_string()}
            disabled={source == Source::Microphone && state == Sending::Lost}
            onclick={props.actions.switch.reform(move |_| (source, on))}
        >
            <span class="control-disc">{ icon }</span>
            <span class="control-words">{ words }</span>
        </button>
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
