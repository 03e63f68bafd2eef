//! The page while Hutong is open in another tab of this browser.

use yew::{Callback, Html, Properties, component, html};

use super::language_switch::LanguageSwitch;
use crate::{
    actions::{Actions, DeviceAction},
    driver::TabActivity,
    i18n::use_texts,
};

/// Properties of [`OtherTabPage`].
#[derive(PartialEq, Properties)]
pub struct OtherTabPageProps {
    /// What the active tab does.
    pub activity: TabActivity,
    /// The person's actions.
    pub actions: Actions,
}

/// Says where Hutong is open, and offers to move here unless that would end a call.
#[component]
pub fn OtherTabPage(props: &OtherTabPageProps) -> Html {
    let texts = use_texts();
    let TabActivity { name, in_call } = &props.activity;
    let act = |action: DeviceAction| -> Callback<_> { props.actions.device.reform(move |_| action) };
    html! {
        <div class="login-page" data-testid="other-tab" data-in-call={in_call.to_string()}>
            <header class="login-top"><LanguageSwitch choose={props.actions.language.clone()} /></header>
            <main class="login">
                <div class="card login-card">
                    <span class="logo" aria-hidden="true" />
                    <h1>{ texts.other_tab_title }</h1>
                    <p role="status">{
                        match name {
                            _ if *in_call => texts.other_tab_in_call.to_owned(),
                            Some(name) => (texts.other_tab_as)(name),
                            None => texts.other_tab.to_owned(),
                        }
                    }</p>
                    if !in_call {
                        <button type="button" class="primary" data-testid="move-here" onclick={act(DeviceAction::MoveHere)}>
                            { texts.move_here }
                        </button>
                    }
                    <button type="button" class="quiet wide" data-testid="use-tab-alone" onclick={act(DeviceAction::UseTabAlone)}>
                        { texts.use_tab_alone }
                    </button>
                </div>
            </main>
        </div>
    }
}
