//! Missed and recent calls. They show no presence: a call button works only while that user is in the roster.

use std::rc::Rc;

use hutong_core::{CallDirection, CallRecord, Command, View};
use hutong_protocol::{MediaKind, User, UserState};
use wasm_bindgen::JsValue;
use yew::{Callback, Html, Properties, component, html, use_context};

use super::icons;
use crate::{
    actions::HistoryAction,
    call_history::PastCall,
    i18n::{Language, Texts, use_texts},
};

/// Missed calls that are listed one by one.
const MAX_LISTED: usize = 5;

/// Properties of [`MissedCalls`] and [`RecentCalls`].
#[derive(PartialEq, Properties)]
pub struct CallListProps {
    /// The calls, newest first.
    pub calls: Rc<Vec<PastCall>>,
    /// The client's view.
    pub view: Rc<View>,
    /// Whether calls are supported.
    pub can_call: bool,
    /// Sends commands to the client.
    pub command: Callback<Command>,
    /// Changes the list.
    pub change: Callback<HistoryAction>,
}

impl CallListProps {
    /// The user to call back, if it can be called.
    fn callee(&self, call: &PastCall) -> Option<&User> {
        let key = call.record.with.key();
        let user = self.view.users.values().find(|user| user.name.key() == key)?;
        (self.can_call && user.state == UserState::Online).then_some(user)
    }

    fn call_button(&self, call: &PastCall, texts: &'static Texts) -> Html {
        let media = call.record.media;
        let to = self.callee(call).map(|user| user.token);
        let name = call.record.with.as_str();
        let (label, icon) = match media {
            MediaKind::Video => ((texts.call_video)(name), icons::camera()),
            MediaKind::Voice => ((texts.call_voice)(name), icons::phone()),
        };
        let command = self.command.clone();
        let onclick = move |_| {
            if let Some(to) = to {
                command.emit(Command::Call { to, media });
            }
        };
        html! {
            <button
                type="button"
                class="round"
                data-testid="call-back"
                aria-label={label.clone()}
                title={if to.is_some() { label } else { (texts.not_online)(name) }}
                disabled={to.is_none()}
                {onclick}
            >
                { icon }
            </button>
        }
    }
}

/// The missed calls that the person has not dismissed.
#[component]
pub fn MissedCalls(props: &CallListProps) -> Html {
    let texts = use_texts();
    let language = use_context::<Language>().unwrap_or_default();
    let missed: Vec<&PastCall> = props.calls.iter().filter(|call| call.is_unseen_missed()).collect();
    html! {
        // Always present: screen readers announce only changes inside existing live regions.
        <section class="missed-region" role="status">
            if !missed.is_empty() {
                <div class="card missed" data-testid="missed-calls" data-count={missed.len().to_string()}>
                    <div class="roster-head">
                        <h2>{ (texts.missed_calls)(missed.len()) }</h2>
                        <button
                            type="button"
                            class="quiet small"
                            data-testid="missed-seen"
                            onclick={props.change.reform(|_| HistoryAction::MarkSeen)}
                        >
                            { texts.dismiss }
                        </button>
                    </div>
                    <ul class="calls">
                        { for missed.into_iter().take(MAX_LISTED).map(|call| entry(props, call, language)) }
                    </ul>
                </div>
            }
        </section>
    }
}

/// All recent calls.
#[component]
pub fn RecentCalls(props: &CallListProps) -> Html {
    let texts = use_texts();
    let language = use_context::<Language>().unwrap_or_default();
    if props.calls.is_empty() {
        return html! {};
    }
    html! {
        <section class="card recent" aria-labelledby="recent-title" data-testid="recent-calls">
            <div class="roster-head">
                <h2 id="recent-title">{ texts.recent_calls }</h2>
                <button
                    type="button"
                    class="quiet small"
                    data-testid="clear-calls"
                    onclick={props.change.reform(|_| HistoryAction::Clear)}
                >
                    { texts.clear }
                </button>
            </div>
            <ul class="calls">{ for props.calls.iter().map(|call| entry(props, call, language)) }</ul>
        </section>
    }
}

fn entry(props: &CallListProps, call: &PastCall, language: Language) -> Html {
    let texts = language.texts();
    let CallRecord { with, direction, media, outcome } = &call.record;
    let arrow = match direction {
        CallDirection::Incoming => "↙",
        CallDirection::Outgoing => "↗",
    };
    let kind = match media {
        MediaKind::Video => texts.video,
        MediaKind::Voice => texts.voice,
    };
    html! {
        <li
            class={yew::classes!("past-call", call.record.is_missed().then_some("was-missed"))}
            data-testid="past-call"
            data-name={with.to_string()}
            data-direction={crate::dom::code(direction)}
            data-outcome={crate::dom::code(outcome)}
        >
            <span class="past-arrow" aria-hidden="true">{ arrow }</span>
            <span class="person-words">
                <span class="person-name">{ with.to_string() }</span>
                <span class="past-more">
                    { (texts.call_outcome)(*direction, *outcome) }{ " · " }{ kind }{ " · " }{ time(call.at, language) }
                </span>
            </span>
            { props.call_button(call, texts) }
        </li>
    }
}

/// The time of day, with the date unless it is today.
fn time(at: f64, language: Language) -> String {
    let (date, today) = (js_sys::Date::new(&JsValue::from_f64(at)), js_sys::Date::new_0());
    let options = js_sys::Object::new();
    let set = |name: &str, value: &str| js_sys::Reflect::set(&options, &name.into(), &value.into()).is_ok();
    set("hour", "2-digit");
    set("minute", "2-digit");
    if date.to_date_string() != today.to_date_string() {
        set("month", "short");
        set("day", "numeric");
    }
    date.to_locale_string(language.tag(), &options).into()
}
