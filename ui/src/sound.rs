//! The tones of a call, made by WebAudio: nothing to download.

use std::cell::{Cell, RefCell};

use web_sys::{AudioContext, AudioContextState, GainNode, OscillatorNode, OscillatorType};

use crate::dom::{self, Listener};

thread_local! {
    static SOUND: RefCell<Option<Sound>> = const { RefCell::new(None) };
    /// How many tones there are.
    static TONES: Cell<u32> = const { Cell::new(0) };
}

/// The page's context. It runs while there is a tone, and no longer: one that runs has the system play its silence, some hundred times
/// a second, for as long as the page is open.
struct Sound {
    context: AudioContext,
    leave: Leave,
    _listener: Listener,
}

/// Whether the browser lets the context run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It was not seen to.
    Unknown,
    /// It has run, and may do so again without a gesture.
    Given,
}

/// Waits for the person's first click or key, before which browsers keep a page silent; and, since a telephone call or another app
/// may silence it again, for each later one, and for the page to come back.
pub fn unlock_on_gestures() -> Vec<Listener> {
    let Some(window) = dom::window() else { return Vec::new() };
    let mut listeners: Vec<_> =
        ["pointerdown", "keydown"].map(|event| Listener::new(&window, event, |_| unlock())).into();
    listeners.extend(window.document().map(|document| {
        Listener::new(&document, "visibilitychange", |_| {
            if dom::is_visible() && SOUND.with_borrow(Option::is_some) {
                unlock();
            }
        })
    }));
    listeners
}

/// A tone that sounds until it is dropped.
pub struct Tone {
    context: AudioContext,
    volume: GainNode,
    notes: Vec<OscillatorNode>,
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
        let context = SOUND.with_borrow(|sound| sound.as_ref().map(|sound| sound.context.clone()))?;
        let volume = context.create_gain().ok()?;
        TONES.set(TONES.get() + 1);
        let mut tone = Self { context: context.clone(), volume: volume.clone(), notes: Vec::new() };
        // Its clock stands until it runs.
        drop(context.resume());
        volume.gain().set_value(loudness);
        volume.connect_with_audio_node(&context.destination()).ok()?;
        let start = context.current_time() + 0.05;
        let rounds = (hutong_protocol::limits::RING.as_secs_f64() / every).ceil() as u32;
        for round in 0..rounds {
            for &(offset, frequency, length) in notes {
                let from = start + f64::from(round) * every + offset;
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
            // The clock is about to stand, and those that wait for their time would be kept until it has come.
            note.stop().ok();
        }
        TONES.set(TONES.get().saturating_sub(1));
        if TONES.get() == 0 {
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
    let wanted = SOUND.with_borrow_mut(|sound| {
        if sound.is_none() {
            *sound = AudioContext::new().ok().map(|context| {
                let listener = Listener::new(&context, "statechange", |_| changed());
                Sound { context, leave: Leave::Unknown, _listener: listener }
            });
        }
        let Sound { context, leave, .. } = sound.as_ref()?;
        let is_wanted = match context.state() {
            AudioContextState::Running | AudioContextState::Closed => false,
            AudioContextState::Suspended => *leave == Leave::Unknown || TONES.get() > 0,
            // Safari calls it interrupted after a telephone call, for which there is no name here.
            _ => true,
        };
        is_wanted.then(|| context.clone())
    });
    if let Some(context) = wanted {
        // Its promise says nothing that the state does not say.
        drop(context.resume());
    }
}

/// The context began to run, or no longer does. What was asked of it takes effect later, and a tone may have begun or ended meanwhile.
fn changed() {
    let now = SOUND.with_borrow_mut(|sound| {
        let Sound { context, leave, .. } = sound.as_mut()?;
        let state = context.state();
        if state == AudioContextState::Running {
            *leave = Leave::Given;
        }
        Some((context.clone(), state))
    });
    let Some((context, state)) = now else { return };
    match state {
        AudioContextState::Running if TONES.get() == 0 => drop(context.suspend()),
        AudioContextState::Suspended if TONES.get() > 0 => drop(context.resume()),
        _ => {}
    }
}
