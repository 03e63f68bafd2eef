//! Everything that is said.

use hutong_core::{CallPhase, MediaProblem, app::AppProblem};
use hutong_protocol::{EndReason, ErrorCode, MediaKind, RefusedCode, UserState};

use crate::media::Sort;

/// A sentence about somebody.
pub type About = fn(&str) -> String;

/// All that the interface says in one language. Names are put in as text, never as markup.
#[derive(Debug)]
pub struct Texts {
    /// The program.
    pub hutong: &'static str,
    /// What it is for, in a line.
    pub tagline: &'static str,
    /// Label of the switch to this language, in this language.
    pub switch_to_this: &'static str,

    /// Label of the one field.
    pub your_name: &'static str,
    /// Label of the field that is there only where the server has asked for it.
    pub secret: &'static str,
    /// What the name is for.
    pub name_hint: &'static str,
    /// Button.
    pub enter: &'static str,
    /// The button while hello is on its way.
    pub entering: &'static str,
    /// The first connection does not come about.
    pub server_away: &'static str,
    /// Why the server said no, and what to do.
    pub refused: fn(RefusedCode) -> &'static str,
    /// Button, while an attempt to log in goes on.
    pub cancel: &'static str,

    /// Heading: the page came over plain http.
    pub not_secure_title: &'static str,
    /// What to do about it, before the link.
    pub not_secure: &'static str,
    /// The link's words, before the address.
    pub not_secure_link: &'static str,

    /// Heading of the roster.
    pub people_online: &'static str,
    /// How many, for screen readers.
    pub people: fn(usize) -> String,
    /// Label of the search field.
    pub search: &'static str,
    /// Label of a button that stays pressed: this person comes first in the list.
    pub favourite: About,
    /// The search found nobody.
    pub nobody_found: About,
    /// Nobody else is online: heading.
    pub alone_title: &'static str,
    /// Nobody else is online: what to do.
    pub alone: &'static str,
    /// A user's state in a word.
    pub state: fn(UserState) -> &'static str,
    /// The own state's word while the link is lost.
    pub you_are_away: &'static str,
    /// Label of a button.
    pub call_video: About,
    /// Label of a button.
    pub call_voice: About,
    /// Words on a button.
    pub video: &'static str,
    /// Words on a button.
    pub voice: &'static str,
    /// Button.
    pub log_out: &'static str,
    /// For screen readers, before the own name.
    pub logged_in_as: About,

    /// Heading.
    pub invite_title: &'static str,
    /// Before this page's address.
    pub invite: &'static str,
    /// The address works on this machine alone.
    pub invite_only_here: &'static str,
    /// Button.
    pub copy: &'static str,
    /// The button's words for a moment afterwards.
    pub copied: &'static str,
    /// What the picture of the QR code is.
    pub qr_code: About,

    /// The call as a region.
    pub call_with: About,
    /// What is going on in the call.
    pub phase: fn(CallPhase, MediaKind, &str) -> String,
    /// It rings here.
    pub incoming: fn(MediaKind) -> &'static str,
    /// The page's title while it rings here.
    pub incoming_title: About,
    /// Button.
    pub accept_video: &'static str,
    /// Button.
    pub accept_voice: &'static str,
    /// Button.
    pub decline: &'static str,
    /// Button.
    pub hang_up: &'static str,
    /// Button, as long as the call is not answered.
    pub cancel_call: &'static str,
    /// A pressed or unpressed button: the microphone is off.
    pub mute: &'static str,
    /// A pressed or unpressed button: the camera is off.
    pub camera_off: &'static str,
    /// Button: shows the other side the own screen.
    pub share_screen: &'static str,
    /// Button, while the screen is shared.
    pub stop_screen: &'static str,
    /// Button, and what it opens: the devices.
    pub settings: &'static str,
    /// Label of a list of devices.
    pub camera: &'static str,
    /// Label of a list of devices.
    pub microphone: &'static str,
    /// Label of a list of devices.
    pub speaker: &'static str,
    /// In place of a list that would be empty.
    pub no_device: fn(Sort) -> &'static str,
    /// Words under the own picture.
    pub you: &'static str,
    /// Words under the own picture, while it is the screen.
    pub your_screen: &'static str,
    /// What the own picture is.
    pub own_picture: &'static str,
    /// What the other side's picture is.
    pub picture_of: About,
    /// What the other side's picture is, while it is its screen.
    pub screen_of: About,
    /// The other side's microphone is off.
    pub other_muted: About,
    /// The other side's camera is off.
    pub other_camera_off: About,
    /// The system keeps the own camera for a while.
    pub camera_held: &'static str,
    /// The system keeps the own microphone for a while.
    pub microphone_held: &'static str,
    /// The own camera went away, or is not to be had.
    pub camera_lost: &'static str,
    /// The own microphone went away.
    pub microphone_lost: &'static str,
    /// The screen is not to be had.
    pub screen_lost: &'static str,
    /// Button where the browser would not play sound by itself.
    pub tap_to_hear: &'static str,

    /// Switch, and what it shows: the call in figures.
    pub details: &'static str,
    /// Button.
    pub close: &'static str,
    /// Heading of figures: from the other side.
    pub received: &'static str,
    /// Heading of figures: to the other side.
    pub sent: &'static str,
    /// Figures: width and height of the picture.
    pub resolution: &'static str,
    /// Figures: frames in a second.
    pub frames: &'static str,
    /// Figures: bits in a second.
    pub bitrate: &'static str,
    /// Figures: lost packets.
    pub loss: &'static str,
    /// Figures: there and back.
    pub round_trip: &'static str,

    /// A call ended.
    pub ended: fn(EndReason, &str) -> String,
    /// Somebody cannot be called now.
    pub cannot_call: fn(UserState, &str) -> String,
    /// No media.
    pub media: fn(MediaProblem) -> &'static str,
    /// A fault.
    pub error: fn(ErrorCode) -> &'static str,
    /// Button.
    pub voice_instead: About,
    /// Button.
    pub dismiss: &'static str,

    /// The link is lost.
    pub reconnecting: &'static str,
    /// The link is lost, in a call.
    pub reconnecting_in_call: &'static str,
    /// This webview makes no calls.
    pub no_calls: &'static str,

    /// Heading.
    pub server_title: &'static str,
    /// The client uses the server inside the app.
    pub server_is_embedded: &'static str,
    /// The client uses another server.
    pub server_is_other: About,
    /// The client has no server yet.
    pub server_is_none: &'static str,
    /// Switch.
    pub share: &'static str,
    /// What the switch does.
    pub share_hint: &'static str,
    /// Before the address.
    pub share_how: &'static str,
    /// Before the fingerprint of this computer's certificate.
    pub share_fingerprint: &'static str,
    /// The port that was wanted is taken.
    pub port_taken: fn(u16, u16) -> String,
    /// Label of the address field.
    pub other_server: &'static str,
    /// Button.
    pub use_server: &'static str,
    /// Button.
    pub use_embedded: &'static str,
    /// Switch.
    pub autostart: &'static str,
    /// What the switch does.
    pub autostart_hint: &'static str,
    /// A link offers to call somebody (first) on a server (second).
    pub offer: fn(&str, &str) -> String,
    /// And that server is another one.
    pub offer_moves: &'static str,
    /// Whom the link names is not there.
    pub offer_away: fn(&str, &str) -> String,
    /// Logging in there comes first.
    pub offer_join: fn(&str, &str) -> String,
    /// Button.
    pub offer_call: &'static str,
    /// What went wrong with the app.
    pub app_problem: fn(AppProblem) -> &'static str,
}
