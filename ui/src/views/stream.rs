//! A video element for a stream.

use js_sys::{Function, Promise};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{HtmlVideoElement, MediaStream};
use yew::{AttrValue, Callback, Classes, Html, Properties, component, html, use_effect_with, use_node_ref, use_state};

use crate::dom::{self, Listener};

/// Properties of [`Stream`].
#[derive(PartialEq, Properties)]
pub struct StreamProps {
    /// What to play.
    pub stream: Option<MediaStream>,
    /// Without its sound.
    #[prop_or_default]
    pub muted: bool,
    /// For screen readers.
    pub label: AttrValue,
    /// For tests.
    pub testid: &'static str,
    /// Classes.
    pub class: Classes,
    /// The loudspeaker that it is heard from, by its `deviceId`; the system's where it is not there.
    #[prop_or_default]
    pub speaker: Option<String>,
    /// Told once the first frame is there to be seen.
    #[prop_or_default]
    pub seen: Callback<()>,
    /// Whether the browser refuses to play by itself.
    #[prop_or_default]
    pub blocked: Callback<bool>,
    /// A number that changes when the person has asked to play.
    #[prop_or_default]
    pub asked: u32,
}

/// Plays a stream. The class `wide` or `tall` says which shape its picture has.
#[component]
pub fn Stream(props: &StreamProps) -> Html {
    let node = use_node_ref();
    let wide = use_state(|| true);
    {
        let (node, muted, blocked) = (node.clone(), props.muted, props.blocked.clone());
        use_effect_with((props.stream.clone(), props.asked), move |(stream, _)| {
            let element: Option<HtmlVideoElement> = node.cast();
            if let Some(element) = &element {
                // The attribute alone has no effect on an element made by a script.
                element.set_muted(muted);
                if element.src_object() != *stream {
                    element.set_src_object(stream.as_ref());
                }
                if stream.is_some() {
                    play(element, blocked);
                }
            }
        });
    }
    {
        let node = node.clone();
        use_effect_with((props.speaker.clone(), props.stream.is_some()), move |(speaker, _)| {
            if let Some(element) = node.cast() {
                hear_from(&element, speaker.as_deref().unwrap_or_default());
            }
        });
    }
    {
        let (node, wide, seen) = (node.clone(), wide.clone(), props.seen.clone());
        use_effect_with((), move |()| {
            let element: Option<HtmlVideoElement> = node.cast();
            let listener = element.as_ref().map(|element| {
                let of = element.clone();
                Listener::new(element, "resize", move |_| {
                    wide.set(of.video_width() >= of.video_height());
                    if of.video_width() > 0 {
                        seen.emit(());
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
        let (node, blocked) = (node.clone(), props.blocked.clone());
        use_effect_with((), move |()| {
            let listeners = node.cast().map(|element| watch_pauses(&element, &blocked));
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

/// Nobody here pauses a call: the system does, for a telephone call or another app. It is played on when the page comes back, and
/// until it plays the person may do it.
fn watch_pauses(element: &HtmlVideoElement, blocked: &Callback<bool>) -> Vec<Listener> {
    let is_paused =
        |element: &HtmlVideoElement| element.paused() && element.src_object().is_some_and(|stream| stream.active());
    let paused = {
        let (element, blocked) = (element.clone(), blocked.clone());
        move |_| {
            if is_paused(&element) {
                blocked.emit(true);
            }
        }
    };
    let mut listeners = vec![Listener::new(element, "pause", paused), {
        let blocked = blocked.clone();
        Listener::new(element, "playing", move |_| blocked.emit(false))
    }];
    if let Some(document) = element.owner_document() {
        let (element, blocked) = (element.clone(), blocked.clone());
        listeners.push(Listener::new(&document, "visibilitychange", move |_| {
            if dom::is_visible() && is_paused(&element) {
                play(&element, blocked.clone());
            }
        }));
    }
    listeners
}

/// Goes over to a loudspeaker (Audio Output Devices API, section 3.2). One that is gone leaves the one that is on.
fn hear_from(element: &HtmlVideoElement, speaker: &str) {
    if dom::text_property(element, "sinkId").is_none_or(|now| now == speaker) {
        return;
    }
    let set = dom::property(element, "setSinkId").and_then(|it| it.dyn_into::<Function>().ok());
    let promise = set.and_then(|set| set.call1(element, &speaker.into()).ok()?.dyn_into::<Promise>().ok());
    if let Some(promise) = promise {
        spawn_local(async move { drop(JsFuture::from(promise).await) });
    }
}

fn play(element: &HtmlVideoElement, blocked: Callback<bool>) {
    let Ok(promise) = element.play() else { return };
    spawn_local(async move {
        match JsFuture::from(promise).await {
            Ok(_) => blocked.emit(false),
            // Only this one is the person's to mend; the others come of the stream changing meanwhile.
            Err(error) if dom::text_property(&error, "name").as_deref() == Some("NotAllowedError") => {
                blocked.emit(true)
            }
            Err(_) => {}
        }
    });
}
