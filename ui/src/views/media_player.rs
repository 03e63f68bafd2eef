//! A `<video>` element that plays a media stream.

use js_sys::{Function, Promise};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{HtmlVideoElement, MediaStream};
use yew::{AttrValue, Callback, Classes, Html, Properties, component, html, use_effect_with, use_node_ref, use_state};

use crate::{
    dom::{self, EventListener},
    media,
};

/// Properties of [`MediaPlayer`].
#[derive(PartialEq, Properties)]
pub struct MediaPlayerProps {
    /// The stream.
    pub stream: Option<MediaStream>,
    /// Plays without audio.
    #[prop_or_default]
    pub muted: bool,
    /// Accessible label.
    pub label: AttrValue,
    /// Test ID.
    pub testid: &'static str,
    /// CSS classes.
    pub class: Classes,
    /// `deviceId` of the loudspeaker; the system's default if it is not available.
    #[prop_or_default]
    pub speaker: Option<String>,
    /// Called when the first frame is available, and when the size of the video changes.
    #[prop_or_default]
    pub on_first_frame: Callback<()>,
    /// Called when playback is blocked by the autoplay policy or paused by the system, and when it starts.
    #[prop_or_default]
    pub on_blocked: Callback<bool>,
    /// Number of times the person has requested playback. A change starts it.
    #[prop_or_default]
    pub play_requests: u32,
}

/// Plays a stream. Has the CSS class `wide` or `tall` by the aspect ratio of the video.
#[component]
pub fn MediaPlayer(props: &MediaPlayerProps) -> Html {
    let node = use_node_ref();
    let wide = use_state(|| true);
    {
        let (node, muted, on_blocked) = (node.clone(), props.muted, props.on_blocked.clone());
        use_effect_with((props.stream.clone(), props.play_requests), move |(stream, _)| {
            let element: Option<HtmlVideoElement> = node.cast();
            if let Some(element) = &element {
                // The `muted` attribute has no effect on an element that a script creates.
                element.set_muted(muted);
                if element.src_object() != *stream {
                    element.set_src_object(stream.as_ref());
                }
                if stream.is_some() {
                    play(element, on_blocked);
                }
            }
        });
    }
    {
        let node = node.clone();
        use_effect_with((props.speaker.clone(), props.stream.is_some()), move |(speaker, _)| {
            let element: Option<HtmlVideoElement> = node.cast();
            let speaker = speaker.clone().unwrap_or_default();
            if let Some(element) = &element {
                set_speaker(element, &speaker);
            }
            // A chosen loudspeaker that is unplugged stays set, and silent, also once it is plugged in again. So the default one is
            // set meanwhile.
            let listener = element.filter(|_| !speaker.is_empty()).and_then(|element| {
                media::on_device_change(move || {
                    let element = element.clone();
                    spawn_local(async move {
                        let available = media::available_speaker(&media::devices().await);
                        set_speaker(&element, &available.unwrap_or_default());
                    });
                })
            });
            move || drop(listener)
        });
    }
    {
        let (node, wide, on_first_frame) = (node.clone(), wide.clone(), props.on_first_frame.clone());
        use_effect_with((), move |()| {
            let element: Option<HtmlVideoElement> = node.cast();
            let listener = element.as_ref().map(|element| {
                let video = element.clone();
                EventListener::new(element, "resize", move |_| {
                    wide.set(video.video_width() >= video.video_height());
                    if video.video_width() > 0 {
                        on_first_frame.emit(());
                    }
                })
            });
            move || {
                drop(listener);
                if let Some(element) = element {
                    element.set_src_object(None);
                }
            }
        });
    }
    {
        let (node, on_blocked) = (node.clone(), props.on_blocked.clone());
        use_effect_with((), move |()| {
            let listeners = node.cast().map(|element| handle_pauses(&element, &on_blocked));
            move || drop(listeners)
        });
    }
    html! {
        <video
            ref={node}
            class={yew::classes!(props.class.clone(), if *wide { "wide" } else { "tall" })}
            data-testid={props.testid}
            aria-label={props.label.clone()}
            autoplay=true
            playsinline=true
            disablepictureinpicture=true
        />
    }
}

/// Handles pauses by the system, for a phone call or another app. Playback resumes when the page becomes visible; until then the
/// person may resume it.
fn handle_pauses(element: &HtmlVideoElement, on_blocked: &Callback<bool>) -> Vec<EventListener> {
    let is_paused =
        |element: &HtmlVideoElement| element.paused() && element.src_object().is_some_and(|stream| stream.active());
    let paused = {
        let (element, on_blocked) = (element.clone(), on_blocked.clone());
        move |_| {
            if is_paused(&element) {
                on_blocked.emit(true);
            }
        }
    };
    let mut listeners = vec![EventListener::new(element, "pause", paused), {
        let on_blocked = on_blocked.clone();
        EventListener::new(element, "playing", move |_| on_blocked.emit(false))
    }];
    if let Some(document) = element.owner_document() {
        let (element, on_blocked) = (element.clone(), on_blocked.clone());
        listeners.push(EventListener::new(&document, "visibilitychange", move |_| {
            if dom::is_visible() && is_paused(&element) {
                play(&element, on_blocked.clone());
            }
        }));
    }
    listeners
}

/// Sets the loudspeaker (Audio Output Devices API, section 3.2). If it is unplugged, the current one stays.
fn set_speaker(element: &HtmlVideoElement, speaker: &str) {
    if dom::text_property(element, "sinkId").is_none_or(|current| current == speaker) {
        return;
    }
    let set = dom::property(element, "setSinkId").and_then(|it| it.dyn_into::<Function>().ok());
    let promise = set.and_then(|set| set.call1(element, &speaker.into()).ok()?.dyn_into::<Promise>().ok());
    if let Some(promise) = promise {
        spawn_local(async move { drop(JsFuture::from(promise).await) });
    }
}

fn play(element: &HtmlVideoElement, on_blocked: Callback<bool>) {
    let Ok(promise) = element.play() else { return };
    spawn_local(async move {
        match JsFuture::from(promise).await {
            Ok(_) => on_blocked.emit(false),
            // Autoplay was blocked. Other errors only mean that the stream has changed meanwhile.
            Err(error) if dom::text_property(&error, "name").as_deref() == Some("NotAllowedError") => {
                on_blocked.emit(true)
            }
            Err(_) => {}
        }
    });
}
