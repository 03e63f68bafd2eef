//! A call in figures.

use gloo_timers::callback::Interval;
use hutong_core::PeerId;
use wasm_bindgen_futures::spawn_local;
use yew::{Callback, Html, Properties, component, hook, html, use_effect_with, use_mut_ref, use_state};

use super::icons;
use crate::{
    dom,
    i18n::use_texts,
    media::{Figures, Flow, Stats, Totals},
};

/// How often is measured, in milliseconds.
const EVERY_MS: u32 = 1000;

/// What stands where nothing is known.
const NOTHING: &str = "–";

/// Properties of [`Details`].
#[derive(PartialEq, Properties)]
pub struct DetailsProps {
    /// Whose figures.
    pub peer: PeerId,
    /// Measures.
    pub stats: Callback<PeerId, Stats>,
    /// Closes it.
    pub close: Callback<()>,
}

/// The call in figures, each second anew.
#[component]
pub fn Details(props: &DetailsProps) -> Html {
    let texts = use_texts();
    let figures = use_figures(props.peer, &props.stats);
    let cell = |testid: &'static str, text: String| html! { <td data-testid={testid}>{ text }</td> };
    let flow = |take: fn(&Figures) -> Flow| figures.as_ref().map(take).unwrap_or_default();
    let (received, sent) = (flow(|it| it.received), flow(|it| it.sent));
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
                        <td colspan="2" data-testid="round-trip">{ round_trip(figures.and_then(|it| it.round_trip_ms)) }</td>
                    </tr>
                </tbody>
            </table>
        </div>
    }
}

#[hook]
fn use_figures(peer: PeerId, stats: &Callback<PeerId, Stats>) -> Option<Figures> {
    let figures = use_state(|| None);
    let before = use_mut_ref(|| None::<Totals>);
    {
        let (figures, stats) = (figures.clone(), stats.clone());
        use_effect_with(peer, move |&peer| {
            before.borrow_mut().take();
            let measure = move || {
                let (figures, before, stats) = (figures.clone(), before.clone(), stats.emit(peer));
                spawn_local(async move {
                    let now = Totals::of(&stats.await, dom::now_ms());
                    if let Some(before) = before.borrow_mut().replace(now) {
                        figures.set(Some(now.since(&before)));
                    }
                });
            };
            measure();
            let interval = Interval::new(EVERY_MS, measure);
            move || drop(interval)
        });
    }
    *figures
}

fn size(flow: Flow) -> String {
    flow.size.map_or_else(|| NOTHING.to_owned(), |(width, height)| format!("{width} × {height}"))
}

fn frames(flow: Flow) -> String {
    if flow.size.is_none() { NOTHING.to_owned() } else { format!("{:.0}", flow.frames_per_second) }
}

fn bitrate(flow: Flow) -> String {
    let kilobits = flow.bits_per_second / 1000.0;
    if kilobits < 1000.0 { format!("{kilobits:.0} kbit/s") } else { format!("{:.1} Mbit/s", kilobits / 1000.0) }
}

fn loss(flow: Flow) -> String {
    flow.loss.map_or_else(|| NOTHING.to_owned(), |loss| format!("{:.1} %", loss * 100.0))
}

fn round_trip(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => NOTHING.to_owned(),
        Some(time) if time < 10.0 => format!("{time:.1} ms"),
        Some(time) => format!("{time:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let flow =
            Flow { size: Some((1280, 720)), frames_per_second: 29.7, bits_per_second: 1_234_000.0, loss: Some(0.005) };
        assert_eq!([size(flow), frames(flow), bitrate(flow), loss(flow)], ["1280 × 720", "30", "1.2 Mbit/s", "0.5 %"]);
        assert_eq!(bitrate(Flow { bits_per_second: 64_400.0, ..flow }), "64 kbit/s");
        let [none_size, none_frames] = [size(Flow::default()), frames(Flow::default())];
        assert_eq!([none_size.as_str(), none_frames.as_str()], [NOTHING; 2]);
        assert_eq!([round_trip(None), round_trip(Some(0.42)), round_trip(Some(81.6))], [NOTHING, "0.4 ms", "82 ms"]);
    }
}
