//! The audio context of a call, with the worklet's code loaded.
//!
//! Each call has its own: a context of `WebKitGTK` 2.50 keeps every microphone that was ever led into it, with three threads and
//! three sockets, until it is closed.

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
    super::connection::Failed,
    worker::{kind, message, post, worker},
};
use crate::dom::{self, Listener};

/// Samples a second: what Opus and the worklet speak.
const RATE: f32 = 48_000.0;

/// The mark of [`warm`] among the page's times.
const WARM: &str = "hutong-voice-warm";

/// How long [`warm`] may take, on a slow machine that is busy: it takes one or two.
const LONGEST_WARMING_MS: u32 = 60_000;

thread_local! {
    static MODULE: RefCell<Option<Loading>> = const { RefCell::new(None) };
}

type Loading = Shared<LocalBoxFuture<'static, Result<Module, Failed>>>;

/// A running context. Closed when dropped.
pub struct Hall {
    /// Runs, as soon as the system lets it.
    pub context: AudioContext,
}

impl Hall {
    /// Makes the context, and gives what its worklet is to run.
    pub async fn open() -> Result<(Self, Module), Failed> {
        let options = AudioContextOptions::new();
        options.set_sample_rate(RATE);
        options.set_latency_hint(&"interactive".into());
        let context = AudioContext::new_with_context_options(&options)?;
        let hall = Self { context };
        let script = dom::asset("voice-worklet").ok_or(Failed)?;
        let added = JsFuture::from(hall.context.audio_worklet()?.add_module(&script)?);
        let module = module().await?;
        added.await?;
        hall.resume();
        Ok((hall, module))
    }

    /// The system may hold sound back, and take it away for a while.
    pub fn resume(&self) {
        if self.context.state() != AudioContextState::Running {
            drop(self.context.resume());
        }
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        drop(self.context.close());
    }
}

/// Lets the worklet's module be compiled well before the first call (`ui/static/voice-warm.js`). Does what it can: calls go without.
pub async fn warm() -> Result<(), Failed> {
    let module = module().await?;
    let worker = worker("voice-warm")?;
    let (told, done) = oneshot::channel();
    let told = RefCell::new(Some(told));
    let _listener = Listener::new(&worker, "message", move |event| {
        if let Some(told) = told.take() {
            told.send(event.dyn_ref::<MessageEvent>().is_some_and(|event| kind(&event.data()) == "warm")).ok();
        }
    });
    post(&worker, &message("run", &[("module", &module)]), &[])?;
    if let Either::Left((Ok(true), _)) = select(done, TimeoutFuture::new(LONGEST_WARMING_MS)).await {
        // For who looks at the page's times.
        dom::window().and_then(|window| window.performance()).ok_or(Failed)?.mark(WARM)?;
    }
    Ok(())
}

/// The worklet's module, fetched and compiled once and kept: `WebKitGTK` keeps what a worklet compiles for itself, five
/// MiB each time.
async fn module() -> Result<Module, Failed> {
    let loading = MODULE.with_borrow_mut(|module| module.get_or_insert_with(|| fetch().boxed_local().shared()).clone());
    let loaded = loading.await;
    if loaded.is_err() {
        // The next call tries once more.
        MODULE.with_borrow_mut(Option::take);
    }
    loaded
}

async fn fetch() -> Result<Module, Failed> {
    let address = dom::asset("voice").ok_or(Failed)?;
    let window = dom::window().ok_or(Failed)?;
    let response: Response = JsFuture::from(window.fetch_with_str(&address)).await?.dyn_into()?;
    if !response.ok() {
        return Err(Failed);
    }
    let code = JsFuture::from(response.array_buffer()?).await?;
    Ok(JsFuture::from(WebAssembly::compile(&code)).await?.dyn_into()?)
}
