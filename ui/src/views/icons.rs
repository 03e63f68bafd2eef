//! Icons, drawn as lines on a grid of 24. Decoration: what they mean is said in words beside or on the button.

use yew::{Html, html};

macro_rules! icons {
    ($($(#[$doc:meta])* $name:ident: $($path:literal),+;)+) => {
        $($(#[$doc])*
        pub fn $name() -> Html {
            html! {
                <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
                    $(<path d={$path} />)+
                </svg>
            }
        })+
    };
}

icons! {
    /// A camera.
    camera: "M3.5 7.5a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2z", "M15.5 10.6l4.4-2.7a.5.5 0 0 1 .8.4v7.4a.5.5 0 0 1-.8.4l-4.4-2.7";
    /// A camera that is off.
    camera_off: "M9 5.5h4.5a2 2 0 0 1 2 2v4.2m0 0v-1.1l4.4-2.7a.5.5 0 0 1 .8.4v7.4a.5.5 0 0 1-.6.5", "M14.9 17.9a2 2 0 0 1-1.4.6h-8a2 2 0 0 1-2-2v-9c0-.5.2-1 .5-1.4", "M3.5 3.5l17 17";
    /// A screen with an arrow out of it.
    screen: "M4.5 4.5h15a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-10a1 1 0 0 1 1-1z", "M8.5 20h7", "M12 13.3V7.8", "M9.4 10.2L12 7.6l2.6 2.6";
    /// A screen that is no longer shared.
    screen_off: "M4.5 4.5h15a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-10a1 1 0 0 1 1-1z", "M8.5 20h7", "M9.6 8.1l4.8 4.8", "M14.4 8.1l-4.8 4.8";
    /// Two sliders.
    sliders: "M3.5 8h9", "M18.5 8h2", "M15.5 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z", "M3.5 16h2", "M11.5 16h9", "M8.5 13.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z";
    /// A cross.
    cross: "M6 6l12 12", "M18 6L6 18";
    /// A telephone's handset.
    phone: "M6.6 3.5H4.9c-.9 0-1.6.8-1.5 1.7.6 8.3 7.1 14.8 15.4 15.4.9.1 1.7-.6 1.7-1.5v-2.2c0-.7-.4-1.2-1.1-1.4l-3-.9c-.5-.1-1.1 0-1.4.4l-.9 1.1a12.6 12.6 0 0 1-5.2-5.2l1.1-.9c.4-.3.6-.9.4-1.4l-.9-3c-.2-.7-.7-1.1-1.4-1.1z";
    /// A microphone.
    microphone: "M12 3.5a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0v-5a3 3 0 0 0-3-3z", "M5.5 11.5a6.5 6.5 0 0 0 13 0", "M12 18v2.8";
    /// A microphone that is off.
    microphone_off: "M9.2 5.4A3 3 0 0 1 15 6.5v4.3", "M9 9.2v2.3a3 3 0 0 0 4.7 2.5", "M5.5 11.5a6.5 6.5 0 0 0 10.9 4.8", "M18.5 11.5c0 .9-.2 1.7-.5 2.5", "M12 18v2.8", "M3.5 3.5l17 17";
    /// A globe.
    globe: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z", "M3.5 12h17", "M12 3.5c2.3 2.3 3.5 5.2 3.5 8.5s-1.2 6.2-3.5 8.5c-2.3-2.3-3.5-5.2-3.5-8.5s1.2-6.2 3.5-8.5z";
    /// A door to leave by.
    leave: "M10 3.5H6.5a2 2 0 0 0-2 2v13a2 2 0 0 0 2 2H10", "M15.5 16l4-4-4-4", "M19.5 12H9.5";
    /// A magnifying glass.
    search: "M10.8 4a6.8 6.8 0 1 0 0 13.6 6.8 6.8 0 0 0 0-13.6z", "M15.8 15.8l4.4 4.4";
    /// Two sheets.
    copy: "M9 9h9.5a1 1 0 0 1 1 1v9.5a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1z", "M15.5 5.5V4.5a1 1 0 0 0-1-1H4.5a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h1";
    /// A star.
    star: "M12 3.8l2.5 5.2 5.7.8-4.1 4 1 5.7-5.1-2.7-5.1 2.7 1-5.7-4.1-4 5.7-.8z";
    /// A tick.
    tick: "M4.5 12.5l5 5 10-11";
    /// A loudspeaker.
    speaker: "M4 9.5h3.5l5-4v13l-5-4H4z", "M16 9a4.2 4.2 0 0 1 0 6", "M18.5 6.5a7.8 7.8 0 0 1 0 11";
    /// A warning.
    warning: "M12 4.2L2.9 19.5h18.2z", "M12 10v4.5", "M12 17v.1";
    /// Two people.
    people: "M9 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z", "M2.5 19.5c.4-3.3 3-5.5 6.5-5.5s6.1 2.2 6.5 5.5", "M15.5 4.9a3.5 3.5 0 0 1 0 6.2", "M18 14.5c2 .9 3.2 2.7 3.5 5";
    /// A machine.
    server: "M4.5 4.5h15a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-4a1 1 0 0 1 1-1z", "M4.5 13.5h15a1 1 0 0 1 1 1v4a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-4a1 1 0 0 1 1-1z", "M7.5 7.5h.1", "M7.5 16.5h.1";
}

/// A handset laid down.
pub fn hang_up() -> Html {
    html! { <span class="laid-down">{ phone() }</span> }
}
