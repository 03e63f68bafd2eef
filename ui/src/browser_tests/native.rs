//! A connection over the app's native peer: with a made-up app and made-up workers, since no browser has either.

use std::rc::Rc;

use hutong_core::MediaProblem;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use wasm_bindgen_test::wasm_bindgen_test;

use super::sides::Inbox;
use crate::{
    dom,
    media::{ConnectionEvent, Failed, TrackKind, connect_native},
};

/// A worker that wants a keyframe whenever it is given a track.
const PICTURE: &str =
    r#"onmessage = (event) => { if (event.data.type === "track") postMessage({ type: "keyframe-wanted" }); };"#;
/// A worklet that passes nothing on.
const WORKLET: &str =
    r#"registerProcessor("hutong-voice", class extends AudioWorkletProcessor { process() { return true; } });"#;
/// The smallest module: its magic number and version (WebAssembly Core, section 5.5.16).
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// What the page asks of the app.
struct Request {
    /// The command and its arguments.
    text: String,
    answer: Function,
    refuse: Function,
}

/// An app that leaves every answer to the test. The page finds it until it is dropped.
struct FakeApp {
    requests: Rc<Inbox<Request>>,
    _invoke: Closure<dyn FnMut(String, JsValue) -> Promise>,
}

impl FakeApp {
    fn start() -> Self {
        for (name, code) in [
            ("native-picture", JsValue::from(PICTURE)),
            ("native-voice", JsValue::from("")),
            ("voice-worklet", JsValue::from(WORKLET)),
            ("voice", Uint8Array::from(MODULE.as_slice()).into()),
        ] {
            serve(name, &code);
        }
        let requests = Inbox::new();
        let seen = requests.callback();
        let invoke =
            Closure::<dyn FnMut(String, JsValue) -> Promise>::new(move |command: String, arguments: JsValue| {
                let arguments = js_sys::JSON::stringify(&arguments).unwrap().as_string().unwrap();
                Promise::new(&mut |answer, refuse| {
                    seen.emit(Request { text: format!("{command} {arguments}"), answer, refuse });
                })
            });
        let internals = Object::new();
        Reflect::set(&internals, &"invoke".into(), invoke.as_ref()).unwrap();
        Reflect::set(&internals, &"transformCallback".into(), invoke.as_ref()).unwrap();
        Reflect::set(&dom::window().unwrap().into(), &"__TAURI_INTERNALS__".into(), &internals).unwrap();
        Self { requests, _invoke: invoke }
    }

    /// The next request that begins so; others before it are left unanswered.
    async fn request(&self, text: &str) -> Request {
        self.requests.next(|request| request.text.starts_with(text).then_some(request)).await
    }

    fn is_asked_to_close(&self) -> bool {
        self.requests.things.borrow().iter().any(|request| request.text == CLOSE)
    }
}

impl Drop for FakeApp {
    fn drop(&mut self) {
        let window: JsValue = dom::window().unwrap().into();
        Reflect::delete_property(window.unchecked_ref::<Object>(), &"__TAURI_INTERNALS__".into()).unwrap();
    }
}

const CLOSE: &str = r#"media_order {"connection":5,"order":{"do":"close"}}"#;

/// Has the page find this code under an asset's name.
fn serve(name: &str, code: &JsValue) {
    let options = Object::new();
    Reflect::set(&options, &"type".into(), &"text/javascript".into()).unwrap();
    let window: JsValue = dom::window().unwrap().into();
    let blob: Function = dom::property(&window, "Blob").unwrap().unchecked_into();
    let blob = Reflect::construct(&blob, &Array::of2(&Array::of1(code), &options)).unwrap();
    let url = dom::property(&window, "URL").unwrap();
    let create: Function = dom::property(&url, "createObjectURL").unwrap().unchecked_into();
    let address = create.call1(&url, &blob).unwrap().as_string().unwrap();
    let document = dom::window().unwrap().document().unwrap();
    let meta = document.create_element("meta").unwrap();
    meta.set_attribute("name", &format!("hutong-{name}")).unwrap();
    meta.set_attribute("content", &address).unwrap();
    document.body().unwrap().append_child(&meta).unwrap();
}

/// An answer, as plain data.
fn reply(text: &str) -> JsValue {
    js_sys::JSON::parse(text).unwrap()
}

#[wasm_bindgen_test]
async fn a_native_connection_starts_its_workers_and_closes_the_apps_peer_once() {
    let (app, events) = (FakeApp::start(), Inbox::new());
    let connection = connect_native(&[], events.callback()).unwrap();
    // Chromium gives a worker no track; that there is none is passed on the same way.
    let sent = connection.send(TrackKind::Picture, None);
    let offered = connection.offer(false);
    app.request("media_open").await.answer.call1(&JsValue::NULL, &5.into()).unwrap();
    sent.await.unwrap();
    app.request(r#"media_order {"connection":5,"order":{"do":"keyframe"}}"#).await;
    let track = |event| match event {
        ConnectionEvent::Track(track) => Some(track),
        ConnectionEvent::Problem(problem) => panic!("{problem:?}"),
        _ => None,
    };
    assert_eq!(events.next(track).await.kind(), "audio");

    assert!(!connection.offered());
    spawn_local({
        let requests = Rc::clone(&app.requests);
        async move {
            let offer = |request: Request| request.text.contains("offer").then_some(request);
            let sdp = reply(r#"{"is":"sdp","with":"v=0"}"#);
            requests.next(offer).await.answer.call1(&JsValue::NULL, &sdp).unwrap();
        }
    });
    assert_eq!(offered.await, Ok("v=0".to_owned()));
    assert!(connection.offered());

    connection.close();
    connection.close();
    app.request(CLOSE).await;
    drop(connection);
    // What is still to be done is done before the next task of the page.
    JsFuture::from(Promise::new(&mut |done, _| {
        dom::window().unwrap().set_timeout_with_callback(&done).unwrap();
    }))
    .await
    .unwrap();
    assert!(!app.is_asked_to_close(), "once is enough");
}

#[wasm_bindgen_test]
async fn a_peer_that_the_app_makes_after_the_close_is_closed_at_once() {
    let (app, events) = (FakeApp::start(), Inbox::new());
    let connection = connect_native(&[], events.callback()).unwrap();
    let sent = connection.send(TrackKind::Voice, None);
    let open = app.request("media_open").await;
    drop(connection);
    assert_eq!(sent.await, Err(Failed));
    open.answer.call1(&JsValue::NULL, &5.into()).unwrap();
    app.request(CLOSE).await;
    assert!(events.things.borrow().is_empty(), "nothing is reported after the close");
}

#[wasm_bindgen_test]
async fn an_app_that_makes_no_peer_is_reported_once() {
    let (app, events) = (FakeApp::start(), Inbox::new());
    let connection = connect_native(&[], events.callback()).unwrap();
    let sent = connection.send(TrackKind::Voice, None);
    app.request("media_open").await.refuse.call1(&JsValue::NULL, &"too_many".into()).unwrap();
    assert_eq!(sent.await, Err(Failed));
    let problems = events.things.borrow_mut().drain(..).collect::<Vec<_>>();
    assert!(matches!(problems[..], [ConnectionEvent::Problem(MediaProblem::Engine)]), "{problems:?}");
    connection.close();
}
