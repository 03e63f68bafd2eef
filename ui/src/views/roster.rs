//! The roster: everybody else online, with search and favourites.

use std::rc::Rc;

use hutong_core::{Command, View};
use hutong_protocol::{MediaKind, Name, NameQuery, User, UserState};
use web_sys::{HtmlInputElement, InputEvent};
use yew::{AttrValue, Callback, Html, Properties, TargetCast, component, html, use_effect_with, use_state};

use super::{avatar::Avatar, icons, own_link::OwnLink};
use crate::{contacts, dom, i18n::use_texts};

/// The search field is shown above this number of people.
const SEARCH_THRESHOLD: usize = 8;

/// Properties of [`Roster`].
#[derive(PartialEq, Properties)]
pub struct RosterProps {
    /// The client's view.
    pub view: Rc<View>,
    /// Whether calls are supported.
    pub can_call: bool,
    /// The user that a call link proposes to call. A large roster has to include them.
    pub callee: Option<Name>,
    /// A link with which others call this user, if the server's address is known.
    pub own_link: Option<AttrValue>,
    /// Sends commands to the client.
    pub command: Callback<Command>,
}

/// The list of people. A long list has a search field and favourites.
#[component]
pub fn Roster(props: &RosterProps) -> Html {
    let texts = use_texts();
    let query = use_state(String::new);
    let favourites = use_state(contacts::favourites);
    let users = &props.view.users;
    // A short, complete list needs neither search nor favourites.
    let searchable = props.view.total.is_some() || users.len() > SEARCH_THRESHOLD;
    let typed = if searchable { query.trim() } else { "" };
    let (substring, query_words) = (typed.to_lowercase(), NameQuery::new(typed));
    let is_favourite = |user: &User| searchable && favourites.iter().any(|name| name == user.name.as_str());
    let mut shown: Vec<(bool, String, &User)> = users
        .values()
        .map(|user| (!is_favourite(user), user.name.as_str().to_lowercase(), user))
        .filter(|(_, name, user)| name.contains(&substring) || query_words.matches(&user.name.key()))
        .collect();
    shown.sort_by(|one, other| (one.0, &one.1, one.2.token).cmp(&(other.0, &other.1, other.2.token)));
    let others = props.view.total.map_or(users.len(), |total| total.saturating_sub(1) as usize);
    {
        let command = props.command.clone();
        let callee = props.callee.as_ref().map(ToString::to_string);
        let names: Vec<String> =
            callee.into_iter().chain(favourites.iter().cloned()).chain(contacts::recent()).collect();
        use_effect_with((typed.to_owned(), names), move |(query, names)| {
            command.emit(Command::SetRosterFilter { query: query.clone(), names: names.clone() });
        });
    }
    let toggle_favourite = {
        let favourites = favourites.clone();
        Callback::from(move |name: String| favourites.set(contacts::toggle_favourite(&name)))
    };
    let search = {
        let query = query.clone();
        move |event: InputEvent| {
            if let Some(field) = event.target_dyn_into::<HtmlInputElement>() {
                query.set(field.value());
            }
        }
    };
    html! {
        <section class="roster" data-testid="roster" aria-labelledby="roster-title">
            <div class="roster-head">
                <h2 id="roster-title">{ texts.people_online }</h2>
                <span class="count" role="status">{ (others > 0).then(|| (texts.people)(others)) }</span>
                if let Some(link) = &props.own_link {
                    <OwnLink {link} />
                }
            </div>
            if searchable {
                <label class="search">
                    { icons::search() }
                    <input
                        type="search"
                        placeholder={texts.search}
                        aria-label={texts.search}
                        data-testid="search"
                        autocomplete="off"
                        value={(*query).clone()}
                        oninput={search}
                    />
                </label>
            }
            if users.is_empty() && typed.is_empty() {
                <div class="card empty">
                    <span class="gates" aria-hidden="true" />
                    <h3>{ texts.alone_title }</h3>
                    <p>{ texts.alone }</p>
                </div>
            } else if shown.is_empty() {
                <p class="card empty" role="status">{ (texts.nobody_found)(query.trim()) }</p>
            } else {
                <ul class="people">
                    { for shown.into_iter().map(|(is_other, _, user)| html! {
                        <RosterEntry
                            key={user.token.0}
                            user={user.clone()}
                            favourite={searchable.then_some(!is_other)}
                            toggle_favourite={toggle_favourite.clone()}
                            can_call={props.can_call}
                            command={props.command.clone()}
                        />
                    }) }
                </ul>
            }
        </section>
    }
}

#[derive(PartialEq, Properties)]
struct RosterEntryProps {
    user: User,
    /// Whether the person is a favourite; `None` in a list without favourites.
    favourite: Option<bool>,
    /// Adds or removes the favourite of this name.
    toggle_favourite: Callback<String>,
    can_call: bool,
    command: Callback<Command>,
}

/// One person, with buttons for calls.
#[component]
fn RosterEntry(props: &RosterEntryProps) -> Html {
    let texts = use_texts();
    let user = &props.user;
    let name = user.name.to_string();
    let state = dom::code(&user.state);
    let call = |media| {
        let to = user.token;
        props.command.reform(move |_| Command::Call { to, media })
    };
    let busy = user.state != UserState::Online;
    html! {
        <li
            class={yew::classes!("person", busy.then_some("busy"))}
            data-testid="user"
            data-name={name.clone()}
            data-token={user.token.to_string()}
            data-state={state.clone()}
        >
            <Avatar name={name.clone()} />
            <span class="person-words">
                <span class="person-name">{ name.clone() }</span>
                <span class={yew::classes!("chip", state)}>{ (texts.state)(user.state) }</span>
            </span>
            if let Some(favourite) = props.favourite {
                <button
                    type="button"
                    class="star"
                    data-testid="favourite"
                    aria-pressed={favourite.to_string()}
                    aria-label={(texts.favourite)(&name)}
                    onclick={props.toggle_favourite.reform({ let name = name.clone(); move |_| name.clone() })}
                >
                    { icons::star() }
                </button>
            }
            <button
                type="button"
                class="round call-voice"
                data-testid="call-voice"
                aria-label={(texts.call_voice)(&name)}
                title={texts.voice}
                disabled={!props.can_call}
                aria-describedby={(!props.can_call).then_some("no-calls")}
                onclick={call(MediaKind::Voice)}
            >
                { icons::phone() }
            </button>
            <button
                type="button"
                class="round call-video"
                data-testid="call-video"
                aria-label={(texts.call_video)(&name)}
                title={texts.video}
                disabled={!props.can_call}
                aria-describedby={(!props.can_call).then_some("no-calls")}
                onclick={call(MediaKind::Video)}
            >
                { icons::camera() }
            </button>
        </li>
    }
}
