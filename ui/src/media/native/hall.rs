//! The audio context of a call, with the worklet's code loaded.
//!
//! Each call has its own: a context of `WebKitGTK` 2.50 keeps every microphone that was ever led into it, with three threads and
//! three sockets, until it is closed.

use std::cell::RefCell;

use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use js_sys::WebAssembly::{self, Module};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AudioContext, AudioContextOptions, AudioContextState, Response};

use super::super::connection::Failed;
use crate::dom;

/// Samples a second: what Opus and the worklet speak.
const RATE: f32 = 48_000.0;

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

/// The worklet's module, fetched and compiled at the first call and kept: `WebKitGTK` keeps what a worklet compiles for itself, five
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
