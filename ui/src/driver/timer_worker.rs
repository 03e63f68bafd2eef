//! Timer that also runs in hidden pages, and checks whether the server answers: both in a web worker, `timer-worker.js`.
//!
//! Browsers run the timers of hidden pages once a minute, but not those of workers. The worker receives a number, the
//! milliseconds until a tick, or a URL to request (empty: cancel); it sends the events of [`TimerEvent`]. A status of 500
//! or more comes from a proxy whose server is away.

use std::{cell::RefCell, rc::Rc, time::Duration};

use gloo_timers::callback::Timeout;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, Worker};

use crate::dom::{self, EventListener};

/// Longest wait: browsers store a timeout's milliseconds in 31 bits, and [`TimerWorker::wake_after`] rounds up.
const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64 - 1);

/// Name of the worker's script in `ui/static`.
const SCRIPT: &str = "timer-worker";

/// Report of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerEvent {
    /// The time has come.
    Tick,
    /// The server answered a request.
    Answered,
    /// The server could not be reached.
    Unanswered,
}

/// Handle of the worker. Without a worker, its timer is the page's, and it checks nothing.
pub struct TimerWorker {
    worker: Option<(Worker, [EventListener; 2])>,
    page_timer: Rc<PageTimer>,
}

/// The page's own timer, as long as the worker does not run.
struct PageTimer {
    state: RefCell<PageTimerState>,
    on_event: Box<dyn Fn(TimerEvent)>,
}

enum PageTimerState {
    /// The worker runs the timer, which was last set to this time of [`dom::now_ms`].
    Unused { wake_at: f64 },
    /// There is no worker.
    Used { _timeout: Option<Timeout> },
}

impl TimerWorker {
    /// Starts the worker.
    pub fn start(on_event: impl Fn(TimerEvent) + 'static) -> Self {
        let worker = dom::asset(SCRIPT).and_then(|url| Worker::new(&url).ok());
        let state = match worker {
            Some(_) => PageTimerState::Unused { wake_at: f64::MAX },
            None => PageTimerState::Used { _timeout: None },
        };
        let page_timer = Rc::new(PageTimer { state: RefCell::new(state), on_event: Box::new(on_event) });
        let worker = worker.map(|worker| {
            let (on_message, on_error) = (Rc::clone(&page_timer), Rc::clone(&page_timer));
            let listeners = [
                EventListener::new(&worker, "message", move |event| {
                    let text = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string());
                    match text.as_deref() {
                        Some("tick") => (on_message.on_event)(TimerEvent::Tick),
                        Some("answered") => (on_message.on_event)(TimerEvent::Answered),
                        Some("unanswered") => (on_message.on_event)(TimerEvent::Unanswered),
                        _ => {}
                    }
                }),
                // The script could not be loaded.
                EventListener::new(&worker, "error", move |_| on_error.take_over()),
            ];
            (worker, listeners)
        });
        Self { worker, page_timer }
    }

    /// Reports [`TimerEvent::Tick`] after `wait`. Replaces the previous request.
    pub fn wake_after(&self, wait: Duration) {
        // Rounded up: a timer that fires early would only be set again.
        let wait = u32::try_from(wait.min(MAX_TIMEOUT).as_millis() + 1).unwrap_or(u32::MAX);
        match (&self.worker, &mut *self.page_timer.state.borrow_mut()) {
            (Some((worker, _)), PageTimerState::Unused { wake_at }) => {
                *wake_at = dom::now_ms() + f64::from(wait);
                worker.post_message(&JsValue::from_f64(wait.into())).ok();
            }
            (_, state) => *state = self.page_timer.after(wait),
        }
    }

    /// Requests `url`, and reports [`TimerEvent::Answered`] or [`TimerEvent::Unanswered`], unless
    /// [`cancel_check`](Self::cancel_check) comes first. Returns `false`, and reports nothing, without a worker.
    pub fn check(&self, url: &str) -> bool {
        let is_unused = matches!(*self.page_timer.state.borrow(), PageTimerState::Unused { .. });
        let Some((worker, _)) = self.worker.as_ref().filter(|_| is_unused) else { return false };
        worker.post_message(&JsValue::from_str(url)).is_ok()
    }

    /// Cancels the request.
    pub fn cancel_check(&self) {
        self.check("");
    }
}

impl Drop for TimerWorker {
    fn drop(&mut self) {
        if let Some((worker, _)) = &self.worker {
            worker.terminate();
        }
    }
}

impl PageTimer {
    fn after(self: &Rc<Self>, wait: u32) -> PageTimerState {
        let this = Rc::downgrade(self);
        let on_timeout = move || {
            if let Some(this) = this.upgrade() {
                (this.on_event)(TimerEvent::Tick);
            }
        };
        PageTimerState::Used { _timeout: Some(Timeout::new(wait, on_timeout)) }
    }

    /// Runs the worker's timer in the page. The driver counts a running check as failed.
    fn take_over(self: &Rc<Self>) {
        let wake_at = match &*self.state.borrow() {
            PageTimerState::Unused { wake_at } => *wake_at,
            PageTimerState::Used { .. } => return,
        };
        let wait = Duration::try_from_secs_f64((wake_at - dom::now_ms()) / 1000.0).unwrap_or_default().min(MAX_TIMEOUT);
        let state = self.after(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
        self.state.replace(state);
        (self.on_event)(TimerEvent::Unanswered);
    }
}
