//! Local devices: choice, loss to the system, permission dialogs, release.

use std::rc::Rc;

use hutong_core::{MediaCommand, MediaEvent, PeerId, WithoutMicrophone};
use hutong_protocol::{MediaKind, SdpKind};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{MediaStream, MediaStreamTrack};

use super::call_sides::{Inbox, TestSide, call, live, next_offer, of_kind};
use crate::{
    dom,
    media::{self, DeviceKind, LocalSource, MediaView, SourceState, tracks},
};

/// Simulates that the system mutes or unmutes a track, which no desktop browser does on request.
fn set_muted_by_system(track: &MediaStreamTrack, muted: bool) {
    let value = Object::new();
    Reflect::set(&value, &"value".into(), &muted.into()).unwrap();
    Reflect::set(&value, &"configurable".into(), &true.into()).unwrap();
    Object::define_property(track.unchecked_ref::<Object>(), &"muted".into(), &value);
    let event = web_sys::Event::new(if muted { "mute" } else { "unmute" }).unwrap();
    track.dispatch_event(&event).unwrap();
}

#[wasm_bindgen_test]
async fn devices_held_by_the_system_are_signalled_and_recover() {
    let (caller, callee) = (TestSide::new(1), TestSide::new(2));
    let own = caller.acquire(MediaKind::Video).await;
    callee.acquire(MediaKind::Video).await;
    call(&caller, &callee).await;
    callee.views.next(|view| view.remote.video.then_some(())).await;

    for track in &own {
        set_muted_by_system(track, true);
    }
    callee
        .views
        .next(|view| (!view.remote.camera && !view.remote.video && !view.remote.microphone).then_some(()))
        .await;
    caller
        .views
        .next(|view| {
            (view.local.camera == SourceState::Held && view.local.microphone == SourceState::Held).then_some(())
        })
        .await;
    for track in &own {
        set_muted_by_system(track, false);
    }
    callee.views.next(|view| (view.remote.video && view.remote.microphone).then_some(())).await;
    let back =
        caller.views.next(|view| (view.local.camera.is_on() && view.local.microphone.is_on()).then_some(view)).await;
    assert_eq!(tracks(&back.local_stream.unwrap()), own, "the same tracks as before");
    assert_eq!(live(&own), 2);
    caller.close().await;
    callee.close().await;
}

#[wasm_bindgen_test]
async fn sources_that_the_person_switched_off_stay_off_when_the_system_returns_them() {
    let side = TestSide::new(1);
    let own = side.acquire(MediaKind::Video).await;
    let (audio, video) = (of_kind(&own, "audio"), of_kind(&own, "video"));
    side.engine.switch(side.peer, LocalSource::Microphone, false);
    set_muted_by_system(audio, true);
    set_muted_by_system(video, true);
    let view = side.views.next(|view| (view.local.camera == SourceState::Held).then_some(view)).await;
    assert_eq!(view.local.microphone, SourceState::Off);
    side.engine.switch(side.peer, LocalSource::Camera, false);
    side.views.next(|view| (view.local.camera == SourceState::Off).then_some(())).await;
    set_muted_by_system(audio, false);
    set_muted_by_system(video, false);
    assert_eq!(live(&own), 1, "the camera was released");
    // Switching it on again opens a new track.
    side.engine.switch(side.peer, LocalSource::Camera, true);
    let view = side.views.next(|view| view.local.camera.is_on().then_some(view)).await;
    assert_eq!(view.local.microphone, SourceState::Off);
    let now = tracks(&view.local_stream.unwrap());
    assert!(!now.contains(video) && now.contains(audio) && !audio.enabled());

    // Unmuting a microphone that the system holds opens a new track.
    set_muted_by_system(audio, true);
    side.engine.switch(side.peer, LocalSource::Microphone, true);
    let view = side.views.next(|view| view.local.microphone.is_on().then_some(view)).await;
    let now = tracks(&view.local_stream.unwrap());
    assert!(!now.contains(audio) && of_kind(&now, "audio").enabled());
    side.close().await;
    assert_eq!(live(&now), 0);
}

#[wasm_bindgen_test]
async fn a_newly_chosen_microphone_stays_muted() {
    let side = TestSide::new(1);
    let own = side.acquire(MediaKind::Voice).await;
    side.engine.switch(side.peer, LocalSource::Microphone, false);
    side.views.next(|view| (view.local.microphone == SourceState::Off).then_some(())).await;
    let now = dom::text_property(&own[0].get_settings(), "deviceId");
    let devices = media::devices().await;
    let other = devices.iter().find(|it| it.kind == DeviceKind::Microphone && Some(&it.id) != now.as_ref()).unwrap();
    media::choose(DeviceKind::Microphone, &other.id);
    side.engine.change_device(side.peer, DeviceKind::Microphone);
    let changed = |view: MediaView| (view.in_use.microphone.as_ref() == Some(&other.id)).then_some(view);
    let view = side.views.next(changed).await;
    assert_eq!(view.local.microphone, SourceState::Off);
    let tracks: Vec<_> = view.local_stream.iter().flat_map(tracks).collect();
    assert!(tracks.len() == 1 && !tracks[0].enabled() && tracks[0] != own[0]);
    assert_eq!((live(&own), live(&tracks)), (0, 1));
    dom::local_storage().unwrap().clear().unwrap();
    side.close().await;
    assert_eq!(live(&tracks), 0);
}

#[wasm_bindgen_test]
async fn any_device_is_used_when_the_chosen_one_is_missing() {
    let side = TestSide::new(1);
    for kind in [DeviceKind::Camera, DeviceKind::Microphone] {
        media::choose(kind, "gone");
    }
    assert_eq!(live(&side.acquire(MediaKind::Video).await), 2);
    dom::local_storage().unwrap().clear().unwrap();
    side.close().await;
}

#[wasm_bindgen_test]
async fn closing_does_not_wait_for_the_devices() {
    let side = TestSide::new(1);
    side.engine.perform(MediaCommand::Acquire {
        peer: side.peer,
        media: MediaKind::Video,
        without_microphone: WithoutMicrophone::Fail,
        ice_servers: vec![],
    });
    side.engine.perform(MediaCommand::Close { peer: side.peer });
    let first = side.events.next(Some).await;
    assert_eq!(first, MediaEvent::Closed { peer: side.peer });
    // An unknown peer.
    side.engine.perform(MediaCommand::Close { peer: PeerId(9) });
    assert_eq!(side.events.next(Some).await, MediaEvent::Closed { peer: PeerId(9) });
}

/// Replaces `getUserMedia` by one that leaves each request pending, until dropped.
struct PendingPermission {
    requests: Rc<Inbox<Function>>,
    devices: JsValue,
    _get_user_media: Closure<dyn FnMut(JsValue) -> Promise>,
}

impl PendingPermission {
    fn install() -> Self {
        let requests = Inbox::new();
        let emit = requests.callback();
        let get_user_media =
            Closure::<dyn FnMut(JsValue) -> Promise>::new(move |_| Promise::new(&mut |answer, _| emit.emit(answer)));
        let devices = dom::window().unwrap().navigator().media_devices().unwrap().into();
        Reflect::set(&devices, &"getUserMedia".into(), get_user_media.as_ref()).unwrap();
        Self { requests, devices, _get_user_media: get_user_media }
    }
}

impl Drop for PendingPermission {
    fn drop(&mut self) {
        Reflect::delete_property(self.devices.unchecked_ref::<Object>(), &"getUserMedia".into()).unwrap();
    }
}

#[wasm_bindgen_test]
async fn devices_granted_after_the_close_are_released() {
    let (lender, side) = (TestSide::new(1), TestSide::new(2));
    let lent = lender.acquire(MediaKind::Video).await;
    let stream = MediaStream::new().unwrap();
    lent.iter().for_each(|track| stream.add_track(track));

    let permission = PendingPermission::install();
    side.engine.perform(MediaCommand::Acquire {
        peer: side.peer,
        media: MediaKind::Video,
        without_microphone: WithoutMicrophone::Fail,
        ice_servers: vec![],
    });
    let answer = permission.requests.next(Some).await;
    side.close().await;
    assert_eq!(live(&lent), 2);
    answer.call1(&JsValue::NULL, &stream).unwrap();
    // The microtasks that follow from the answer run before the page's next task.
    let task = Promise::new(&mut |done, _| {
        dom::window().unwrap().set_timeout_with_callback(&done).unwrap();
    });
    JsFuture::from(task).await.unwrap();
    assert_eq!(live(&lent), 0);
    drop(permission);
    lender.close().await;
}

#[wasm_bindgen_test]
async fn a_pending_camera_permission_blocks_neither_muting_nor_an_ice_restart() {
    let side = TestSide::new(1);
    let own = side.acquire(MediaKind::Video).await;
    side.engine.perform(MediaCommand::CreateOffer { peer: side.peer });
    side.description(SdpKind::Offer).await;
    side.engine.switch(side.peer, LocalSource::Camera, false);
    side.views.next(|view| (view.local.camera == SourceState::Off).then_some(())).await;

    let permission = PendingPermission::install();
    side.engine.switch(side.peer, LocalSource::Camera, true);
    permission.requests.next(Some).await;
    side.engine.switch(side.peer, LocalSource::Microphone, false);
    side.views.next(|view| (view.local.microphone == SourceState::Off).then_some(())).await;
    assert!(own.iter().all(|track| track.kind() == "video" || !track.enabled()));
    side.engine.perform(MediaCommand::RestartIce { peer: side.peer });
    next_offer(&side).await;
    drop(permission);
    side.close().await;
}
