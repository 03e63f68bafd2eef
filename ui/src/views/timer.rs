//! How long a call has been going on.

use gloo_timers::callback::Interval;
use yew::{Html, Properties, component, html, use_effect_with, use_state};

use crate::dom;

/// Properties of [`Timer`].
#[derive(PartialEq, Properties)]
pub struct TimerProps {
    /// When it began, by [`dom::now_ms`].
    pub since: f64,
}

/// Counts the seconds.
#[component]
pub fn Timer(props: &TimerProps) -> Html {
    let now = use_state(dom::now_ms);
    {
        let now = now.clone();
        use_effect_with((), move |()| {
            let interval = Interval::new(1000, move || now.set(dom::now_ms()));
            move || drop(interval)
        });
    }
    let seconds = ((*now - props.since).max(0.0) / 1000.0) as u64;
    html! { <span class="timer" role="timer" aria-live="off">{ clock(seconds) }</span> }
}

fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_read_as_a_clock() {
        for (seconds, text) in [(0, "0:00"), (59, "0:59"), (61, "1:01"), (3599, "59:59"), (3661, "1:01:01")] {
            assert_eq!(clock(seconds), text);
        }
    }
}
