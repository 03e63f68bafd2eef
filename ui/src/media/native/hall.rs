//! The page's one audio context, with the worklet's code loaded. Made at the first call and kept: `WebKitGTK` frees a context's
//! thread only when it gets round to collecting it.

use std::cell::RefCell;

use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use js_sys::ArrayBuffer;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AudioContext, AudioContextOptions, AudioContextState, Response};

use super::super::connection::Failed;
use crate::dom;

/// Samples a second: what Opus and the worklet speak.
const RATE: f32 = 48_000.0;

thread_local! {
    static HALL: RefCell<Option<Loading>> = const { RefCell::new(None) };
    static GUESTS: RefCell<usize> = const { RefCell::new(0) };
}

type Loading = Shared<LocalBoxFuture<'static, Result<Hall, Failed>>>;

#[derive(Clone)]
struct Hall {
    context: AudioContext,
    wasm: ArrayBuffer,
}

/// Somebody who needs the context. While there is nobody it rests.
pub struct Guest {
    /// Runs, as soon as the system lets it.
    pub context: AudioContext,
    /// The worklet's module.
    pub wasm: ArrayBuffer,
}

impl Guest {
    /// Makes the context where there is none yet.
    pub async fn enter() -> Result<Self, Failed> {
        let loading = HALL.with_borrow_mut(|hall| hall.get_or_insert_with(|| load().boxed_local().shared()).clone());
        let Ok(hall) = loading.await else {
            // The next call tries once more.
            HALL.with_borrow_mut(Option::take);
            return Err(Failed);
        };
        GUESTS.with_borrow_mut(|guests| *guests += 1);
        let guest = Self { context: hall.context, wasm: hall.wasm };
        guest.resume();
        Ok(guest)
    }

    /// The system may hold sound back, and take it away for a while.
    pub fn resume(&self) {
        if self.context.state() != AudioContextState::Running {
            drop(self.context.resume());
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let left = GUESTS.with_borrow_mut(|guests| {
            *guests = guests.saturating_sub(1);
            *guests
        });
        if left == 0 {
            drop(self.context.suspend());
        }
    }
}

async fn load() -> Result<Hall, Failed> {
    let options = AudioContextOptions::new();
    options.set_sample_rate(RATE);
    options.set_latency_hint(&"interactive".into());
    let context = AudioContext::new_with_context_options(&options)?;
    let loaded = fill(&context).await;
    if loaded.is_err() {
        drop(context.close());
    }
    Ok(Hall { wasm: loaded?, context })
}

async fn fill(context: &AudioContext) -> Result<ArrayBuffer, Failed> {
    let script = dom::asset("voice-worklet").ok_or(Failed)?;
    JsFuture::from(context.audio_worklet()?.add_module(&script)?).await?;
    let address = dom::asset("voice").ok_or(Failed)?;
    let window = dom::window().ok_or(Failed)?;
    let response: Response = JsFuture::from(window.fetch_with_str(&address)).await?.dyn_into()?;
    if !response.ok() {
        return Err(Failed);
    }
    Ok(JsFuture::from(response.array_buffer()?).await?.dyn_into()?)
}
