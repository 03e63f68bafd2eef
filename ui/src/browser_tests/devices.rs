//! Devices that are chosen, kept by the system, asked for and let go.

use std::rc::Rc;

use hutong_core::{MediaCommand, MediaEvent, PeerId};
use hutong_protocol::{MediaKind, SdpKind};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{MediaStream, MediaStreamTrack};

use super::sides::{Inbox, Side, call, live, of_kind, restart};
use crate::{
    dom,
    media::{self, MediaView, Sending, Sort, Source, tracks},
};

/// Has a track tell that the system keeps it, or has given it back: no browser on a desktop can be brought to do so by itself.
fn keep(track: &MediaStreamTrack, kept: bool) {
    let value = Object::new();
    Reflect::set(&value, &"value".into(), &kept.into()).unwrap();
    Reflect::set(&value, &"configurable".into(), &true.into()).unwrap();
    Object::define_property(track.unchecked_ref::<Object>(), &"muted".into(), &value);
    let event = web_sys::Event::new(if kept { "mute" } else { "unmute" }).unwrap();
    track.dispatch_event(&event).unwrap();
}

#[wasm_bindgen_test]
async fn what_the_system_keeps_for_a_while_is_told_and_comes_back() {
    let (caller, called) = (Side::new(1), Side::new(2));
    let own = caller.acquire(MediaKind::Video).await;
    called.acquire(MediaKind::Video).await;
    call(&caller, &called).await;
    called.views.next(|view| view.other.picture.then_some(())).await;

    for track in &own {
        keep(track, true);
    }
    called.views.next(|view| (!view.other.camera && !view.other.picture && !view.other.microphone).then_some(())).await;
    caller
        .views
        .next(|view| (view.own.camera == Sending::Held && view.own.microphone == Sending::Held).then_some(()))
        .await;
    for track in &own {
        keep(track, false);
    }
    called.views.next(|view| (view.other.picture && view.other.microphone).then_some(())).await;
    let back = caller.views.next(|view| (view.own.camera.is_on() && view.own.microphone.is_on()).then_some(view)).await;
    assert_eq!(tracks(&back.local.unwrap()), own, "the very tracks of before");
    assert_eq!(live(&own), 2);
    caller.close().await;
    called.close().await;
}

#[wasm_bindgen_test]
async fn what_the_person_has_switched_off_stays_off_whatever_the_system_gives_back() {
    let side = Side::new(1);
    let own = side.acquire(MediaKind::Video).await;
    let (voice, picture) = (of_kind(&own, "audio"), of_kind(&own, "video"));
    side.engine.switch(side.peer, Source::Microphone, false);
    keep(voice, true);
    keep(picture, true);
    let view = side.views.next(|view| (view.own.camera == Sending::Held).then_some(view)).await;
    assert_eq!(view.own.microphone, Sending::Off);
    side.engine.switch(side.peer, Source::Camera, false);
    side.views.next(|view| (view.own.camera == Sending::Off).then_some(())).await;
    keep(voice, false);
    keep(picture, false);
    assert_eq!(live(&own), 1, "the camera was let go");
    // On again is a camera of its own.
    side.engine.switch(side.peer, Source::Camera, true);
    let view = side.views.next(|view| view.own.camera.is_on().then_some(view)).await;
    assert_eq!(view.own.microphone, Sending::Off);
    let now = tracks(&view.local.unwrap());
    assert!(!now.contains(picture) && now.contains(voice) && !voice.enabled());

    // Whoever switches on a microphone that is kept gets another, or the same anew.
    keep(voice, true);
    side.engine.switch(side.peer, Source::Microphone, true);
    let view = side.views.next(|view| view.own.microphone.is_on().then_some(view)).await;
    let now = tracks(&view.local.unwrap());
    assert!(!now.contains(voice) && of_kind(&now, "audio").enabled());
    side.close().await;
    assert_eq!(live(&now), 0);
}

#[wasm_bindgen_test]
async fn another_microphone_takes_over_muted_as_the_one_before() {
    let side = Side::new(1);
    let own = side.acquire(MediaKind::Voice).await;
    side.engine.switch(side.peer, Source::Microphone, false);
    side.views.next(|view| (view.own.microphone == Sending::Off).then_some(())).await;
    let now = dom::text_property(&own[0].get_settings(), "deviceId");
    let devices = media::devices().await;
    let other = devices.iter().find(|it| it.sort == Sort::Microphone && Some(&it.id) != now.as_ref()).unwrap();
    media::choose(Sort::Microphone, &other.id);
    side.engine.change(side.peer, Sort::Microphone);
    let changed = |view: MediaView| (view.in_use.microphone.as_ref() == Some(&other.id)).then_some(view);
    let view = side.views.next(changed).await;
    assert_eq!(view.own.microphone, Sending::Off);
    let tracks: Vec<_> = view.local.iter().flat_map(tracks).collect();
    assert!(tracks.len() == 1 && !tracks[0].enabled() && tracks[0] != own[0]);
    assert_eq!((live(&own), live(&tracks)), (0, 1));
    dom::local_storage().unwrap().clear().unwrap();
    side.close().await;
    assert_eq!(live(&tracks), 0);
}

#[wasm_bindgen_test]
async fn a_choice_that_is_gone_is_no_hindrance() {
    let side = Side::new(1);
    for sort in [Sort::Camera, Sort::Microphone] {
        media::choose(sort, "gone");
    }
    assert_eq!(live(&side.acquire(MediaKind::Video).await), 2);
    dom::local_storage().unwrap().clear().unwrap();
    side.close().await;
}

#[wasm_bindgen_test]
async fn closing_does_not_wait_for_the_devices() {
    let side = Side::new(1);
    side.engine.perform(MediaCommand::Acquire { peer: side.peer, media: MediaKind::Video, ice_servers: vec![] });
    side.engine.perform(MediaCommand::Close { peer: side.peer });
    let first = side.events.next(Some).await;
    assert_eq!(first, MediaEvent::Closed { peer: side.peer });
    // Nobody knows this one.
    side.engine.perform(MediaCommand::Close { peer: PeerId(9) });
    assert_eq!(side.events.next(Some).await, MediaEvent::Closed { peer: PeerId(9) });
}

/// The question for the devices, while nobody answers it. Dropping it puts the browser's own back.
struct Question {
    asked: Rc<Inbox<Function>>,
    devices: JsValue,
    _ask: Closure<dyn FnMut(JsValue) -> Promise>,
}

impl Question {
    fn open() -> Self {
        let asked = Inbox::new();
        let tell = asked.callback();
        let ask =
            Closure::<dyn FnMut(JsValue) -> Promise>::new(move |_| Promise::new(&mut |answer, _| tell.emit(answer)));
        let devices = dom::window().unwrap().navigator().media_devices().unwrap().into();
        Reflect::set(&devices, &"getUserMedia".into(), ask.as_ref()).unwrap();
        Self { asked, devices, _ask: ask }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        Reflect::delete_property(self.devices.unchecked_ref::<Object>(), &"getUserMedia".into()).unwrap();
    }
}

#[wasm_bindgen_test]
async fn devices_that_come_after_the_end_are_let_go() {
    let (lender, side) = (Side::new(1), Side::new(2));
    let lent = lender.acquire(MediaKind::Video).await;
    let stream = MediaStream::new().unwrap();
    lent.iter().for_each(|track| stream.add_track(track));

    let question = Question::open();
    side.engine.perform(MediaCommand::Acquire { peer: side.peer, media: MediaKind::Video, ice_servers: vec![] });
    let answer = question.asked.next(Some).await;
    side.close().await;
    assert_eq!(live(&lent), 2);
    answer.call1(&JsValue::NULL, &stream).unwrap();
    // What follows from the answer is done before the next task of the page.
    let task = Promise::new(&mut |done, _| {
        dom::window().unwrap().set_timeout_with_callback(&done).unwrap();
    });
    JsFuture::from(task).await.unwrap();
    assert_eq!(live(&lent), 0);
    drop(question);
    lender.close().await;
}

#[wasm_bindgen_test]
async fn an_open_question_for_the_camera_holds_up_neither_muting_nor_the_connection() {
    let side = Side::new(1);
    let own = side.acquire(MediaKind::Video).await;
    side.engine.perform(MediaCommand::Offer { peer: side.peer });
    side.description(SdpKind::Offer).await;
    side.engine.switch(side.peer, Source::Camera, false);
    side.views.next(|view| (view.own.camera == Sending::Off).then_some(())).await;

    let question = Question::open();
    side.engine.switch(side.peer, Source::Camera, true);
    question.asked.next(Some).await;
    side.engine.switch(side.peer, Source::Microphone, false);
    side.views.next(|view| (view.own.microphone == Sending::Off).then_some(())).await;
    assert!(own.iter().all(|track| track.kind() == "video" || !track.enabled()));
    side.engine.perform(MediaCommand::RestartIce { peer: side.peer });
    restart(&side).await;
    drop(question);
    side.close().await;
}
