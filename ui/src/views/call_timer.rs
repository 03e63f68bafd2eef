//! The duration of a call.

use gloo_timers::callback::Interval;
use yew::{Html, Properties, component, html, use_effect_with, use_state};

use crate::dom;

/// Properties of [`CallTimer`].
#[derive(PartialEq, Properties)]
pub struct CallTimerProps {
    /// Start of the call, by [`dom::now_ms`].
    pub since: f64,
}

/// Shows the duration, updated every second.
#[component]
pub fn CallTimer(props: &CallTimerProps) -> Html {
    let now = use_state(dom::now_ms);
    {
        let now = now.clone();
        use_effect_with((), move |()| {
            let interval = Interval::new(1000, move || now.set(dom::now_ms()));
            move || drop(interval)
        });
    }
    let seconds = ((*now - props.since).max(0.0) / 1000.0) as u64;
    html! { <span class="timer" role="timer" aria-live="off">{ format_duration(seconds) }</span> }
}

fn format_duration(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_formatted_as_minutes_and_seconds_with_hours_if_needed() {
        for (seconds, text) in [(0, "0:00"), (59, "0:59"), (61, "1:01"), (3599, "59:59"), (3661, "1:01:01")] {
            assert_eq!(format_duration(seconds), text);
        }
    }
}
