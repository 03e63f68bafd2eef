//! The panel with call statistics.

use gloo_timers::callback::Interval;
use hutong_core::PeerId;
use wasm_bindgen_futures::spawn_local;
use yew::{Callback, Html, Properties, component, hook, html, use_effect_with, use_mut_ref, use_state};

use super::icons;
use crate::{
    dom,
    i18n::use_texts,
    media::{CallStats, DirectionStats, StatsFuture, StatsSample},
};

/// Interval between samples, in milliseconds.
const INTERVAL_MS: u32 = 1000;

/// Placeholder for an unknown value.
const UNKNOWN: &str = "–";

/// Properties of [`CallDetails`].
#[derive(PartialEq, Properties)]
pub struct CallDetailsProps {
    /// The peer of the call.
    pub peer: PeerId,
    /// Requests the statistics.
    pub stats: Callback<PeerId, StatsFuture>,
    /// Closes the panel.
    pub close: Callback<()>,
}

/// The statistics of a call, updated every second.
#[component]
pub fn CallDetails(props: &CallDetailsProps) -> Html {
    let texts = use_texts();
    let stats = use_call_stats(props.peer, &props.stats);
    let cell = |testid: &'static str, text: String| html! { <td data-testid={testid}>{ text }</td> };
    let direction = |select: fn(&CallStats) -> DirectionStats| stats.as_ref().map(select).unwrap_or_default();
    let path = stats.and_then(|it| it.path).map_or_else(|| UNKNOWN.to_owned(), texts.call_path);
    let (received, sent) = (direction(|it| it.received), direction(|it| it.sent));
    html! {
        <div class="details" role="group" aria-label={texts.details} data-testid="details">
            <table>
                <thead>
                    <tr>
                        <td>
                            <button
                                type="button"
                                class="details-close"
                                data-testid="details-close"
                                aria-label={texts.close}
                                onclick={props.close.reform(|_| ())}
                            >
                                { icons::cross() }
                            </button>
                        </td>
                        <th scope="col">{ texts.received }</th>
                        <th scope="col">{ texts.sent }</th>
                    </tr>
                </thead>
                <tbody>
                    <tr>
                        <th scope="row">{ texts.resolution }</th>
                        { cell("received-size", size(received)) }
                        { cell("sent-size", size(sent)) }
                    </tr>
                    <tr>
                        <th scope="row">{ texts.frames }</th>
                        { cell("received-frames", frames(received)) }
                        { cell("sent-frames", frames(sent)) }
                    </tr>
                    <tr>
                        <th scope="row">{ texts.bitrate }</th>
                        { cell("received-bitrate", bitrate(received)) }
                        { cell("sent-bitrate", bitrate(sent)) }
                    </tr>
                    <tr>
                        <th scope="row">{ texts.loss }</th>
                        { cell("received-loss", loss(received)) }
                        { cell("sent-loss", loss(sent)) }
                    </tr>
                    <tr>
                        <th scope="row">{ texts.round_trip }</th>
                        <td colspan="2" data-testid="round-trip">{ round_trip(stats.and_then(|it| it.round_trip_ms)) }</td>
                    </tr>
                    <tr>
                        <th scope="row">{ texts.path }</th>
                        <td colspan="2" data-testid="path">{ path }</td>
                    </tr>
                </tbody>
            </table>
        </div>
    }
}

#[hook]
fn use_call_stats(peer: PeerId, request: &Callback<PeerId, StatsFuture>) -> Option<CallStats> {
    let stats = use_state(|| None);
    let previous = use_mut_ref(|| None::<StatsSample>);
    {
        let (stats, request) = (stats.clone(), request.clone());
        use_effect_with(peer, move |&peer| {
            previous.borrow_mut().take();
            let sample = move || {
                let (stats, previous, request) = (stats.clone(), previous.clone(), request.emit(peer));
                spawn_local(async move {
                    let now = StatsSample::new(&request.await, dom::now_ms());
                    if let Some(before) = previous.borrow_mut().replace(now) {
                        stats.set(Some(now.since(&before)));
                    }
                });
            };
            sample();
            let interval = Interval::new(INTERVAL_MS, sample);
            move || drop(interval)
        });
    }
    *stats
}

fn size(stats: DirectionStats) -> String {
    stats.size.map_or_else(|| UNKNOWN.to_owned(), |(width, height)| format!("{width} × {height}"))
}

fn frames(stats: DirectionStats) -> String {
    if stats.size.is_none() { UNKNOWN.to_owned() } else { format!("{:.0}", stats.frames_per_second) }
}

fn bitrate(stats: DirectionStats) -> String {
    let kilobits = stats.bits_per_second / 1000.0;
    if kilobits < 1000.0 { format!("{kilobits:.0} kbit/s") } else { format!("{:.1} Mbit/s", kilobits / 1000.0) }
}

fn loss(stats: DirectionStats) -> String {
    stats.loss.map_or_else(|| UNKNOWN.to_owned(), |loss| format!("{:.1} %", loss * 100.0))
}

fn round_trip(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => UNKNOWN.to_owned(),
        Some(time) if time < 10.0 => format!("{time:.1} ms"),
        Some(time) => format!("{time:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_formatted_briefly() {
        let stats = DirectionStats {
            size: Some((1280, 720)),
            frames_per_second: 29.7,
            bits_per_second: 1_234_000.0,
            loss: Some(0.005),
        };
        assert_eq!(
            [size(stats), frames(stats), bitrate(stats), loss(stats)],
            ["1280 × 720", "30", "1.2 Mbit/s", "0.5 %"]
        );
        assert_eq!(bitrate(DirectionStats { bits_per_second: 64_400.0, ..stats }), "64 kbit/s");
        let [none_size, none_frames] = [size(DirectionStats::default()), frames(DirectionStats::default())];
        assert_eq!([none_size.as_str(), none_frames.as_str()], [UNKNOWN; 2]);
        assert_eq!([round_trip(None), round_trip(Some(0.42)), round_trip(Some(81.6))], [UNKNOWN, "0.4 ms", "82 ms"]);
    }
}
