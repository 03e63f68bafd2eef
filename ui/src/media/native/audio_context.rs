//! The audio context of a call, and the WebAssembly module that its worklet runs.
//!
//! Each call has its own context: `WebKitGTK` 2.50 keeps every microphone that was ever connected to a context, with three
//! threads and three sockets each, until the context is closed.

use std::cell::RefCell;

use futures_channel::oneshot;
use futures_util::{
    FutureExt,
    future::{Either, LocalBoxFuture, Shared, select},
};
use gloo_timers::future::TimeoutFuture;
use js_sys::WebAssembly::{self, Module};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AudioContext, AudioContextOptions, AudioContextState, MessageEvent, Response};

use super::{
    super::connection::ConnectionError,
    worker::{message, message_type, post, spawn_worker},
};
use crate::dom::{self, EventListener};

/// Sample rate of Opus and the worklet, in hertz.
const SAMPLE_RATE: f32 = 48_000.0;

/// Name of the performance mark that [`precompile`] sets when it is done; tests wait for it.
const PRECOMPILED_MARK: &str = "hutong-voice-precompiled";

/// Timeout of [`precompile`], in milliseconds. It takes one or two seconds, and longer on a slow or busy machine.
const PRECOMPILE_TIMEOUT_MS: u32 = 60_000;

thread_local! {
    static MODULE: RefCell<Option<SharedModule>> = const { RefCell::new(None) };
}

type SharedModule = Shared<LocalBoxFuture<'static, Result<Module, ConnectionError>>>;

/// A running audio context. Closed on drop.
pub struct CallAudioContext {
    /// Runs as soon as the system allows it.
    pub context: AudioContext,
}

impl CallAudioContext {
    /// Creates the context, and loads the worklet's script and module.
    pub async fn open() -> Result<(Self, Module), ConnectionError> {
        let options = AudioContextOptions::new();
        options.set_sample_rate(SAMPLE_RATE);
        options.set_latency_hint(&"interactive".into());
        let context = AudioContext::new_with_context_options(&options)?;
        let audio = Self { context };
        let script = dom::asset("voice-worklet").ok_or(ConnectionError)?;
        let added = JsFuture::from(audio.context.audio_worklet()?.add_module(&script)?);
        let module = module().await?;
        added.await?;
        audio.resume();
        Ok((audio, module))
    }

    /// Resumes the context if the system has suspended or interrupted it.
    pub fn resume(&self) {
        if self.context.state() != AudioContextState::Running {
            drop(self.context.resume());
        }
    }
}

impl Drop for CallAudioContext {
    fn drop(&mut self) {
        drop(self.context.close());
    }
}

/// Has the JavaScript engine compile the worklet's module ahead of the first call, by running it in a worker
/// (`ui/static-app/voice-precompile.js`). Best effort.
pub async fn precompile() -> Result<(), ConnectionError> {
    let module = module().await?;
    let worker = spawn_worker("voice-precompile")?;
    let (sender, done) = oneshot::channel();
    let sender = RefCell::new(Some(sender));
    let _listener = EventListener::new(&worker, "message", move |event| {
        if let Some(sender) = sender.take() {
            let is_done =
                event.dyn_ref::<MessageEvent>().is_some_and(|event| message_type(&event.data()) == "precompiled");
            sender.send(is_done).ok();
        }
    });
    post(&worker, &message("precompile", &[("module", &module)]), &[])?;
    if let Either::Left((Ok(true), _)) = select(done, TimeoutFuture::new(PRECOMPILE_TIMEOUT_MS)).await {
        dom::window().and_then(|window| window.performance()).ok_or(ConnectionError)?.mark(PRECOMPILED_MARK)?;
    }
    Ok(())
}

/// The worklet's module, fetched and compiled once per page: a worklet that compiles it itself costs 5 MiB each time in
/// `WebKitGTK`.
async fn module() -> Result<Module, ConnectionError> {
    let loading = MODULE.with_borrow_mut(|module| module.get_or_insert_with(|| fetch().boxed_local().shared()).clone());
    let loaded = loading.await;
    if loaded.is_err() {
        // The next call fetches it again.
        MODULE.with_borrow_mut(Option::take);
    }
    loaded
}

async fn fetch() -> Result<Module, ConnectionError> {
    let address = dom::asset("voice").ok_or(ConnectionError)?;
    let window = dom::window().ok_or(ConnectionError)?;
    let response: Response = JsFuture::from(window.fetch_with_str(&address)).await?.dyn_into()?;
    if !response.ok() {
        return Err(ConnectionError);
    }
    let code = JsFuture::from(response.array_buffer()?).await?;
    Ok(JsFuture::from(WebAssembly::compile(&code)).await?.dyn_into()?)
}
