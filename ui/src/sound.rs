//! The tones of a call, made by WebAudio: nothing to download.

use std::cell::RefCell;

use web_sys::{AudioContext, AudioContextState, GainNode, OscillatorType};

use crate::dom::{self, Listener};

thread_local! {
    static CONTEXT: RefCell<Option<AudioContext>> = const { RefCell::new(None) };
}

/// Waits for the person's first click or key, before which browsers keep a page silent; and, since a telephone call or another app
/// may silence it again, for each later one, and for the page to come back.
pub fn unlock_on_gestures() -> Vec<Listener> {
    let Some(window) = dom::window() else { return Vec::new() };
    let mut listeners: Vec<_> =
        ["pointerdown", "keydown"].map(|event| Listener::new(&window, event, |_| unlock())).into();
    listeners.extend(window.document().map(|document| {
        Listener::new(&document, "visibilitychange", |_| {
            if dom::is_visible() && CONTEXT.with_borrow(Option::is_some) {
                unlock();
            }
        })
    }));
    listeners
}

/// A tone that sounds until it is dropped.
pub struct Tone {
    volume: GainNode,
}

impl Tone {
    /// It rings here: two soft notes, every three seconds.
    pub fn ringing() -> Option<Self> {
        Self::play(&[(0.0, 659.26, 0.42), (0.22, 783.99, 0.75)], 3.0, 0.16)
    }

    /// It rings there: one low, quiet note, every four seconds.
    pub fn ringback() -> Option<Self> {
        Self::play(&[(0.0, 440.0, 1.0)], 4.0, 0.045)
    }

    /// Everything is written into WebAudio's own timetable beforehand, for as long as a call can ring, so no timer runs.
    fn play(notes: &[(f64, f32, f64)], every: f64, loudness: f32) -> Option<Self> {
        let context = CONTEXT.with_borrow(Clone::clone)?;
        if context.state() != AudioContextState::Running {
            return None;
        }
        let volume = context.create_gain().ok()?;
        volume.gain().set_value(loudness);
        volume.connect_with_audio_node(&context.destination()).ok()?;
        let start = context.current_time() + 0.05;
        let rounds = (hutong_protocol::limits::RING.as_secs_f64() / every).ceil() as u32;
        for round in 0..rounds {
            for &(offset, frequency, length) in notes {
                let from = start + f64::from(round) * every + offset;
                note(&context, &volume, from, frequency, length)?;
            }
        }
        Some(Self { volume })
    }
}

impl Drop for Tone {
    fn drop(&mut self) {
        self.volume.disconnect().ok();
    }
}

fn note(context: &AudioContext, volume: &GainNode, from: f64, frequency: f32, length: f64) -> Option<()> {
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
    oscillator.stop_with_when(from + length).ok()
}

fn unlock() {
    CONTEXT.with_borrow_mut(|context| {
        if context.is_none() {
            *context = AudioContext::new().ok();
        }
        if let Some(context) = context
            // Not only a suspended one: Safari calls it interrupted after a telephone call, for which there is no name here.
            && !matches!(context.state(), AudioContextState::Running | AudioContextState::Closed)
        {
            // Its promise says nothing that the state does not say when a tone is wanted.
            drop(context.resume());
        }
    });
}
