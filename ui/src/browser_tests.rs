//! Tests that need a browser: `cargo xtask test` runs them in a headless Chromium with a made-up camera and microphone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy does not take wasm_bindgen_test for a test")]

use std::{cell::RefCell, collections::VecDeque, future::poll_fn, rc::Rc, task::Poll};

use hutong_core::{
    Command, Connectivity, MediaCommand, MediaEvent, PeerId, Update,
    app::{FromUi, ToUi},
};
use hutong_protocol::{MediaKind, SdpKind};
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{MediaStream, MediaStreamTrack};
use yew::Callback;

use crate::{
    dom, driver,
    i18n::Language,
    media::{self, Engine, MediaView, Reports, Sending, Sort, Source, tracks},
};

wasm_bindgen_test_configure!(run_in_browser);

/// Things that happen, and somebody who waits for one of them.
struct Inbox<T> {
    things: RefCell<VecDeque<T>>,
    waker: RefCell<Option<std::task::Waker>>,
}

impl<T: 'static> Inbox<T> {
    fn new() -> Rc<Self> {
        Rc::new(Self { things: RefCell::default(), waker: RefCell::default() })
    }

    fn callback(self: &Rc<Self>) -> Callback<T> {
        let inbox = Rc::clone(self);
        Callback::from(move |thing| {
            inbox.things.borrow_mut().push_back(thing);
            if let Some(waker) = inbox.waker.borrow_mut().take() {
                waker.wake();
            }
        })
    }

    /// The next thing for which `wanted` gives something; others before it are dropped. The runner bounds the wait.
    async fn next<R>(&self, mut wanted: impl FnMut(T) -> Option<R>) -> R {
        poll_fn(|context| {
            loop {
                let Some(thing) = self.things.borrow_mut().pop_front() else { break };
                if let Some(found) = wanted(thing) {
                    return Poll::Ready(found);
                }
            }
            *self.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// One side of a call within this page.
struct Side {
    peer: PeerId,
    engine: Rc<dyn Engine>,
    events: Rc<Inbox<MediaEvent>>,
    views: Rc<Inbox<MediaView>>,
}

impl Side {
    fn new(peer: u32) -> Self {
        let (events, views) = (Inbox::new(), Inbox::new());
        let engine = media::start(Reports { events: events.callback(), views: views.callback() });
        Self { peer: PeerId(peer), engine, events, views }
    }

    async fn acquire(&self, media: MediaKind) -> Vec<MediaStreamTrack> {
        let peer = self.peer;
        self.engine.perform(MediaCommand::Acquire { peer, media, ice_servers: vec![] });
        self.events.next(|event| (event == MediaEvent::Acquired { peer }).then_some(())).await;
        let local = self.views.next(|view| view.local).await;
        tracks(&local)
    }

    async fn description(&self, wanted: SdpKind) -> String {
        let sdp = |event| match event {
            MediaEvent::LocalDescription { kind, sdp, .. } if kind == wanted => Some(sdp),
            MediaEvent::LocalCandidate { .. } => panic!("a candidate came before its description"),
            _ => None,
        };
        self.events.next(sdp).await
    }

    /// From now on hands this side's candidates to the other, until media flows here.
    async fn connect(&self, other: &Self) {
        let (engine, peer) = (Rc::clone(&other.engine), other.peer);
        let connected = |event| match event {
            MediaEvent::LocalCandidate { candidate, .. } => {
                engine.perform(MediaCommand::AddCandidate { peer, candidate });
                None
            }
            MediaEvent::Connectivity { state: Connectivity::Connected, .. } => Some(()),
            _ => None,
        };
        self.events.next(connected).await;
    }

    async fn close(&self) {
        let peer = self.peer;
        self.engine.perform(MediaCommand::Close { peer });
        self.events.next(|event| (event == MediaEvent::Closed { peer }).then_some(())).await;
    }
}

async fn call(caller: &Side, called: &Side) {
    called.engine.perform(MediaCommand::Offer { peer: called.peer });
    let sdp = called.description(SdpKind::Offer).await;
    assert!(sdp.contains("m=audio") && sdp.contains("m=video"), "every offer has both");
    caller.engine.perform(MediaCommand::Answer { peer: caller.peer, sdp });
    let sdp = caller.description(SdpKind::Answer).await;
    called.engine.perform(MediaCommand::Remote { peer: called.peer, kind: SdpKind::Answer, sdp, polite: false });
    join(Box::pin(caller.connect(called)), Box::pin(called.connect(caller))).await;
}

async fn join(one: impl Future<Output = ()> + Unpin, other: impl Future<Output = ()> + Unpin) {
    let (mut one, mut other) = (Some(one), Some(other));
    poll_fn(|context| {
        if one.as_mut().is_some_and(|future| std::pin::Pin::new(future).poll(context).is_ready()) {
            one = None;
        }
        if other.as_mut().is_some_and(|future| std::pin::Pin::new(future).poll(context).is_ready()) {
            other = None;
        }
        if one.is_none() && other.is_none() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn live(tracks: &[MediaStreamTrack]) -> usize {
    let state = |track: &MediaStreamTrack| dom::text_property(track, "readyState");
    tracks.iter().filter(|track| state(track).as_deref() == Some("live")).count()
}

#[wasm_bindgen_test]
async fn two_peers_see_each_other_and_let_go_of_everything() {
    let (caller, called) = (Side::new(1), Side::new(2));
    let mut devices = caller.acquire(MediaKind::Video).await;
    devices.extend(called.acquire(MediaKind::Video).await);
    assert_eq!(live(&devices), 4);
    call(&caller, &called).await;
    caller.views.next(|view| view.other.picture.then_some(())).await;
    called.views.next(|view| view.other.picture.then_some(())).await;

    caller.engine.switch(caller.peer, Source::Camera, false);
    called.views.next(|view| (!view.other.camera && !view.other.picture).then_some(())).await;
    assert_eq!(live(&devices), 3, "a camera that is off is let go");
    caller.engine.switch(caller.peer, Source::Camera, true);
    let view = caller.views.next(|view| view.own.camera.is_on().then_some(view)).await;
    devices.extend(view.local.iter().flat_map(tracks));
    called.views.next(|view| view.other.picture.then_some(())).await;
    caller.engine.switch(caller.peer, Source::Microphone, false);
    called.views.next(|view| (!view.other.microphone).then_some(())).await;

    caller.close().await;
    called.close().await;
    assert_eq!(live(&devices), 0);
}

/// Has a track tell that the system keeps it, or has given it back: no browser on a desktop can be brought to do so by itself.
fn keep(track: &MediaStreamTrack, kept: bool) {
    let value = Object::new();
    Reflect::set(&value, &"value".into(), &kept.into()).unwrap();
    Reflect::set(&value, &"configurable".into(), &true.into()).unwrap();
    Object::define_property(track.unchecked_ref::<Object>(), &"muted".into(), &value);
    let event = web_sys::Event::new(if kept { "mute" } else { "unmute" }).unwrap();
    track.dispatch_event(&event).unwrap();
}

fn of_kind<'a>(tracks: &'a [MediaStreamTrack], kind: &str) -> &'a MediaStreamTrack {
    tracks.iter().find(|track| track.kind() == kind).unwrap()
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
async fn who_answers_by_voice_still_sees_the_caller() {
    let (caller, called) = (Side::new(1), Side::new(2));
    caller.acquire(MediaKind::Video).await;
    assert_eq!(called.acquire(MediaKind::Voice).await.len(), 1);
    call(&caller, &called).await;
    called.views.next(|view| view.other.picture.then_some(())).await;
    caller.views.next(|view| (!view.other.camera).then_some(())).await;
    caller.close().await;
    called.close().await;
}

#[wasm_bindgen_test]
async fn in_a_voice_call_either_side_can_turn_its_camera_on_without_a_further_description() {
    let (caller, called) = (Side::new(1), Side::new(2));
    caller.acquire(MediaKind::Voice).await;
    called.acquire(MediaKind::Voice).await;
    call(&caller, &called).await;
    for (one, other) in [(&caller, &called), (&called, &caller)] {
        other.views.next(|view| (!view.other.camera && !view.other.picture).then_some(())).await;
        one.engine.switch(one.peer, Source::Camera, true);
        let view = other.views.next(|view| view.other.picture.then_some(view)).await;
        let remote = view.remote.unwrap();
        assert_eq!(live(&tracks(&remote)), 2, "voice and picture are played");
        let decoded = async || one_number(&other.engine.stats(other.peer).await, "inbound-rtp", "framesDecoded");
        while decoded().await < 5.0 {}
    }
    for side in [&caller, &called] {
        assert!(!side.events.things.borrow().iter().any(|it| matches!(it, MediaEvent::LocalDescription { .. })));
        side.close().await;
    }
}

/// The sum of a figure over all entries of this type.
fn one_number(stats: &[serde_json::Value], kind: &str, name: &str) -> f64 {
    stats.iter().filter(|entry| entry["type"] == kind).filter_map(|entry| entry[name].as_f64()).sum()
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
async fn offers_that_collide_end_in_one_agreement() {
    let (caller, called) = (Side::new(1), Side::new(2));
    caller.acquire(MediaKind::Voice).await;
    called.acquire(MediaKind::Voice).await;
    call(&caller, &called).await;
    for side in [&caller, &called] {
        side.engine.perform(MediaCommand::RestartIce { peer: side.peer });
    }
    let polite = restart(&caller).await;
    let impolite = restart(&called).await;
    // Each gets the other's offer while its own stands. The impolite side passes over what it gets.
    let offer = |peer, sdp, polite| MediaCommand::Remote { peer, kind: SdpKind::Offer, sdp, polite };
    called.engine.perform(offer(called.peer, polite, false));
    caller.engine.perform(offer(caller.peer, impolite, true));
    let answer = |event| match event {
        MediaEvent::LocalDescription { kind: SdpKind::Answer, sdp, .. } => Some(sdp),
        MediaEvent::Problem { .. } => panic!("a collision is no failure"),
        _ => None,
    };
    let sdp = caller.events.next(answer).await;
    called.engine.perform(MediaCommand::Remote { peer: called.peer, kind: SdpKind::Answer, sdp, polite: false });
    // Now no offer stands on either side: even the impolite one takes the next.
    caller.engine.perform(MediaCommand::RestartIce { peer: caller.peer });
    let next = restart(&caller).await;
    called.engine.perform(offer(called.peer, next, false));
    called.events.next(answer).await;
    caller.close().await;
    called.close().await;
}

async fn restart(side: &Side) -> String {
    let offer = |event| match event {
        MediaEvent::LocalDescription { kind: SdpKind::Offer, sdp, .. } => Some(sdp),
        _ => None,
    };
    side.events.next(offer).await
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

#[wasm_bindgen_test]
fn the_chosen_language_is_remembered_and_marks_the_page() {
    for language in Language::ALL {
        language.remember();
        assert_eq!(Language::of_this_person(), language);
        language.mark_page();
        let root = dom::window().unwrap().document().unwrap().document_element().unwrap();
        assert_eq!(root.get_attribute("lang").as_deref(), Some(language.tag()));
    }
    dom::local_storage().unwrap().clear().unwrap();
}

#[wasm_bindgen_test]
async fn the_app_is_spoken_to_one_request_at_a_time_and_heard_in_order() {
    let requests: Rc<Inbox<(String, Function)>> = Inbox::new();
    let hear: Rc<RefCell<Option<Function>>> = Rc::default();
    let internals = Object::new();
    let seen = requests.callback();
    let invoke = Closure::<dyn FnMut(String, JsValue) -> Promise>::new(move |command: String, arguments: JsValue| {
        let said = js_sys::JSON::stringify(&arguments).unwrap().as_string().unwrap();
        Promise::new(&mut |resolve, _| seen.emit((format!("{command} {said}"), resolve)))
    });
    let slot = Rc::clone(&hear);
    let transform = Closure::<dyn FnMut(Function, bool) -> f64>::new(move |callback: Function, _: bool| {
        *slot.borrow_mut() = Some(callback);
        42.0
    });
    Reflect::set(&internals, &"invoke".into(), invoke.as_ref()).unwrap();
    Reflect::set(&internals, &"transformCallback".into(), transform.as_ref()).unwrap();
    let window: JsValue = dom::window().unwrap().into();
    Reflect::set(&window, &"__TAURI_INTERNALS__".into(), &internals).unwrap();

    let heard = Inbox::new();
    let driver = driver::make(heard.callback());
    Reflect::delete_property(window.unchecked_ref::<Object>(), &"__TAURI_INTERNALS__".into()).unwrap();
    assert!(driver.in_app());
    driver.begin();
    driver.send(FromUi::Command(Command::HangUp));
    driver.send(FromUi::Command(Command::LogOut));

    let (request, done) = requests.next(Some).await;
    assert_eq!(request, r#"attach {"channel":"__CHANNEL__:42"}"#);
    assert!(requests.things.borrow().is_empty(), "the next waits for this one's end");
    done.call0(&JsValue::NULL).unwrap();
    let (request, done) = requests.next(Some).await;
    assert_eq!(request, r#"from_ui {"input":{"to":"command","what":{"do":"hang_up"}}}"#);
    done.call0(&JsValue::NULL).unwrap();
    let (request, _) = requests.next(Some).await;
    assert_eq!(request, r#"from_ui {"input":{"to":"command","what":{"do":"log_out"}}}"#);

    let hear = hear.borrow().clone().unwrap();
    let roster = ToUi::Show(Update::Roster(vec![]));
    let notice = ToUi::Show(Update::Notice(None));
    for (index, message) in [(1, &notice), (0, &roster)] {
        let raw = Object::new();
        Reflect::set(&raw, &"index".into(), &index.into()).unwrap();
        Reflect::set(&raw, &"message".into(), &dom::to_js(message).unwrap()).unwrap();
        hear.apply(&JsValue::NULL, &Array::of1(&raw)).unwrap();
    }
    assert_eq!(heard.next(Some).await, roster);
    assert_eq!(heard.next(Some).await, notice);
}
