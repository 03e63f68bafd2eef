//! Ringtone and ringback tone, synthesized by the Web Audio API.

use std::cell::{Cell, RefCell};

use web_sys::{AudioContext, AudioContextState, GainNode, OscillatorNode, OscillatorType};

use crate::dom::{self, EventListener};

thread_local! {
    static CONTEXT: RefCell<Option<ToneContext>> = const { RefCell::new(None) };
    /// Number of playing tones.
    static PLAYING: Cell<u32> = const { Cell::new(0) };
}

/// The page's audio context. It runs only while a tone plays: a running context wakes the audio system some hundred times per
/// second, even for silence.
struct ToneContext {
    context: AudioContext,
    autoplay: AutoplayState,
    _listener: EventListener,
}

/// Whether the browser's autoplay policy allows audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AutoplayState {
    /// Not known yet: the context has never run.
    Unknown,
    /// The context has run once, and may run again without a gesture.
    Allowed,
}

/// Unlocks audio at every click and key press, because browsers keep a page silent before the first, and again when the page
/// becomes visible, because a phone call or another app may have interrupted it.
pub fn unlock_on_gestures() -> Vec<EventListener> {
    let Some(window) = dom::window() else { return Vec::new() };
    let mut listeners: Vec<_> =
        ["pointerdown", "keydown"].map(|event| EventListener::new(&window, event, |_| unlock())).into();
    listeners.extend(window.document().map(|document| {
        EventListener::new(&document, "visibilitychange", |_| {
            if dom::is_visible() && CONTEXT.with_borrow(Option::is_some) {
                unlock();
            }
        })
    }));
    listeners
}

/// RAII guard: a tone that plays until it is dropped.
pub struct Tone {
    context: AudioContext,
    volume: GainNode,
    notes: Vec<OscillatorNode>,
}

impl Tone {
    /// Ringtone of an incoming call: two soft notes every three seconds.
    pub fn ringtone() -> Option<Self> {
        Self::play(&[(0.0, 659.26, 0.42), (0.22, 783.99, 0.75)], 3.0, 0.16)
    }

    /// Ringback tone of an outgoing call: one low, quiet note every four seconds.
    pub fn ringback() -> Option<Self> {
        Self::play(&[(0.0, 440.0, 1.0)], 4.0, 0.045)
    }

    /// Schedules all notes in advance, for as long as a call can ring, so that no timer is needed.
    fn play(notes: &[(f64, f32, f64)], interval: f64, loudness: f32) -> Option<Self> {
        let context = CONTEXT.with_borrow(|tones| tones.as_ref().map(|tones| tones.context.clone()))?;
        let volume = context.create_gain().ok()?;
        PLAYING.set(PLAYING.get() + 1);
        let mut tone = Self { context: context.clone(), volume: volume.clone(), notes: Vec::new() };
        // The context's clock stands still while it is suspended.
        drop(context.resume());
        volume.gain().set_value(loudness);
        volume.connect_with_audio_node(&context.destination()).ok()?;
        let start = context.current_time() + 0.05;
        let rounds = (hutong_protocol::limits::RING_TIMEOUT.as_secs_f64() / interval).ceil() as u32;
        for round in 0..rounds {
            for &(offset, frequency, length) in notes {
                let from = start + f64::from(round) * interval + offset;
                tone.notes.push(note(&context, &volume, from, frequency, length)?);
            }
        }
        Some(tone)
    }
}

impl Drop for Tone {
    fn drop(&mut self) {
        self.volume.disconnect().ok();
        for note in &self.notes {
            // A suspended context would keep the notes that are still to come.
            note.stop().ok();
        }
        PLAYING.set(PLAYING.get().saturating_sub(1));
        if PLAYING.get() == 0 {
            drop(self.context.suspend());
        }
    }
}

fn note(context: &AudioContext, volume: &GainNode, from: f64, frequency: f32, length: f64) -> Option<OscillatorNode> {
    let oscillator = context.create_oscillator().ok()?;
    oscillator.set_type(OscillatorType::Sine);
    oscillator.frequency().set_value(frequency);
    let envelope = context.create_gain().ok()?;
    let gain = envelope.gain();
    gain.set_value_at_time(0.0, from).ok()?;
    gain.linear_ramp_to_value_at_time(1.0, from + 0.03).ok()?;
    gain.exponential_ramp_to_value_at_time(0.001, from + length).ok()?;
    oscillator.connect_with_audio_node(&envelope).ok()?;
    envelope.connect_with_audio_node(volume).ok()?;
    oscillator.start_with_when(from).ok()?;
    oscillator.stop_with_when(from + length).ok()?;
    Some(oscillator)
}

fn unlock() {
    let resumed = CONTEXT.with_borrow_mut(|tones| {
        if tones.is_none() {
            *tones = AudioContext::new().ok().map(|context| {
                let listener = EventListener::new(&context, "statechange", |_| on_state_change());
                ToneContext { context, autoplay: AutoplayState::Unknown, _listener: listener }
            });
        }
        let ToneContext { context, autoplay, .. } = tones.as_ref()?;
        let resumes = match context.state() {
            AudioContextState::Running | AudioContextState::Closed => false,
            AudioContextState::Suspended => *autoplay == AutoplayState::Unknown || PLAYING.get() > 0,
            // Safari's `interrupted` state, after a phone call; web-sys has no variant for it.
            _ => true,
        };
        resumes.then(|| context.clone())
    });
    if let Some(context) = resumed {
        // `statechange` reports the outcome.
        drop(context.resume());
    }
}

/// Handles `statechange`. `resume` and `suspend` take effect late, when a tone may have started or ended meanwhile.
fn on_state_change() {
    let now = CONTEXT.with_borrow_mut(|tones| {
        let ToneContext { context, autoplay, .. } = tones.as_mut()?;
        let state = context.state();
        if state == AudioContextState::Running {
            *autoplay = AutoplayState::Allowed;
        }
        Some((context.clone(), state))
    });
    let Some((context, state)) = now else { return };
    match state {
        AudioContextState::Running if PLAYING.get() == 0 => drop(context.suspend()),
        AudioContextState::Suspended if PLAYING.get() > 0 => drop(context.resume()),
        _ => {}
    }
}
