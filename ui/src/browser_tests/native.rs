//! The native backend, with a fake app and fake workers.

use std::rc::Rc;

use hutong_core::MediaProblem;
use hutong_protocol::IceServer;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use wasm_bindgen_test::wasm_bindgen_test;

use super::call_sides::Inbox;
use crate::{
    dom,
    media::{ConnectionError, ConnectionEvent, TrackKind, connect_native},
};

/// A video worker that requests a keyframe whenever it gets a track.
const VIDEO_WORKER: &str =
    r#"onmessage = (event) => { if (event.data.type === "track") postMessage({ type: "keyframe-wanted" }); };"#;
/// A worklet that produces silence.
const WORKLET: &str =
    r#"registerProcessor("hutong-voice", class extends AudioWorkletProcessor { process() { return true; } });"#;
/// The smallest WebAssembly module: magic number and version (WebAssembly Core, section 5.5.16).
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// An invocation of the app.
struct AppCall {
    /// The command and its arguments as JSON.
    text: String,
    answer: Function,
    refuse: Function,
}

/// A fake app whose answers the test gives. Installed until dropped.
struct FakeApp {
    requests: Rc<Inbox<AppCall>>,
    _invoke: Closure<dyn FnMut(String, JsValue) -> Promise>,
}

impl FakeApp {
    fn start() -> Self {
        for (name, code) in [
            ("native-video", JsValue::from(VIDEO_WORKER)),
            ("native-audio", JsValue::from("")),
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
                    seen.emit(AppCall { text: format!("{command} {arguments}"), answer, refuse });
                })
            });
        let internals = Object::new();
        Reflect::set(&internals, &"invoke".into(), invoke.as_ref()).unwrap();
        Reflect::set(&internals, &"transformCallback".into(), invoke.as_ref()).unwrap();
        Reflect::set(&dom::window().unwrap().into(), &"__TAURI_INTERNALS__".into(), &internals).unwrap();
        Self { requests, _invoke: invoke }
    }

    /// Waits for the next invocation with this prefix, and leaves those before it unanswered.
    async fn request(&self, prefix: &str) -> AppCall {
        self.requests.next(|request| request.text.starts_with(prefix).then_some(request)).await
    }

    fn has_close_request(&self) -> bool {
        self.requests.items.borrow().iter().any(|request| request.text == CLOSE)
    }
}

impl Drop for FakeApp {
    fn drop(&mut self) {
        let window: JsValue = dom::window().unwrap().into();
        Reflect::delete_property(window.unchecked_ref::<Object>(), &"__TAURI_INTERNALS__".into()).unwrap();
    }
}

const CLOSE: &str = r#"media_request {"connection":5,"request":{"do":"close"}}"#;

/// Serves this code as the asset of this name.
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

/// Parses an answer of the app.
fn reply(text: &str) -> JsValue {
    js_sys::JSON::parse(text).unwrap()
}

#[wasm_bindgen_test]
async fn a_native_connection_starts_its_workers_and_closes_the_apps_peer_once() {
    let (app, events) = (FakeApp::start(), Inbox::new());
    let connection = connect_native(&[], events.callback()).unwrap();
    // No track, because Chromium cannot transfer one to a worker. The message is the same.
    let sent = connection.send(TrackKind::Video, None);
    let offered = connection.offer(false);
    app.request("media_open").await.answer.call1(&JsValue::NULL, &5.into()).unwrap();
    sent.await.unwrap();
    app.request(r#"media_request {"connection":5,"request":{"do":"request_keyframe"}}"#).await;
    let track = |event| match event {
        ConnectionEvent::Track(track) => Some(track),
        ConnectionEvent::Problem(problem) => panic!("{problem:?}"),
        _ => None,
    };
    assert_eq!(events.next(track).await.kind(), "audio");

    assert!(!connection.has_local_offer());
    spawn_local({
        let requests = Rc::clone(&app.requests);
        async move {
            let offer = |request: AppCall| request.text.contains("offer").then_some(request);
            let sdp = reply(r#"{"is":"sdp","with":"v=0"}"#);
            requests.next(offer).await.answer.call1(&JsValue::NULL, &sdp).unwrap();
        }
    });
    assert_eq!(offered.await, Ok("v=0".to_owned()));
    assert!(connection.has_local_offer());

    connection.close();
    connection.close();
    app.request(CLOSE).await;
    drop(connection);
    // All microtasks run before the page's next task.
    JsFuture::from(Promise::new(&mut |done, _| {
        dom::window().unwrap().set_timeout_with_callback(&done).unwrap();
    }))
    .await
    .unwrap();
    assert!(!app.has_close_request(), "the close was requested twice");
}

#[wasm_bindgen_test]
async fn a_peer_that_the_app_creates_after_the_close_is_closed_at_once() {
    let (app, events) = (FakeApp::start(), Inbox::new());
    let connection = connect_native(&[], events.callback()).unwrap();
    let sent = connection.send(TrackKind::Audio, None);
    let open = app.request("media_open").await;
    drop(connection);
    assert_eq!(sent.await, Err(ConnectionError));
    open.answer.call1(&JsValue::NULL, &5.into()).unwrap();
    app.request(CLOSE).await;
    assert!(events.items.borrow().is_empty(), "nothing is reported after the close");
}

#[wasm_bindgen_test]
async fn a_refused_peer_is_reported_once() {
    let (app, events) = (FakeApp::start(), Inbox::new());
    let connection = connect_native(&[], events.callback()).unwrap();
    let sent = connection.send(TrackKind::Audio, None);
    app.request("media_open").await.refuse.call1(&JsValue::NULL, &"too_many".into()).unwrap();
    assert_eq!(sent.await, Err(ConnectionError));
    let problems = events.items.borrow_mut().drain(..).collect::<Vec<_>>();
    assert!(matches!(problems[..], [ConnectionEvent::Problem(MediaProblem::Engine)]), "{problems:?}");
    connection.close();
}

#[wasm_bindgen_test]
async fn other_ice_servers_are_passed_to_the_app() {
    let (app, events) = (FakeApp::start(), Inbox::new());
    let connection = connect_native(&[], events.callback()).unwrap();
    let server = IceServer { urls: vec!["turn:a.example".into()], username: None, credential: None };
    let set = connection.set_ice_servers(&[server]);
    // Fails when the connection is closed.
    spawn_local(async move { set.await.unwrap_or_default() });
    app.request("media_open").await.answer.call1(&JsValue::NULL, &5.into()).unwrap();
    let request = r#"{"do":"set_ice_servers","ice_servers":[{"urls":["turn:a.example"]}]}"#;
    app.request(&format!(r#"media_request {{"connection":5,"request":{request}}}"#)).await;
    connection.close();
}
