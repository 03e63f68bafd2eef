//! The set of sentences that a language has to provide.

use hutong_core::{CallDirection, CallFailure, CallOutcome, CallPhase, MediaProblem, host_messages::AppProblem};
use hutong_protocol::{EndReason, ErrorCode, MediaKind, RefusedCode, UserState};

use crate::media::{CallPath, DeviceKind};

/// Formats a sentence with one name or address in it.
pub type Template = fn(&str) -> String;

/// Every sentence and label of the interface in one language. Names are inserted as text, never as markup.
#[derive(Debug)]
pub struct Texts {
    /// The program's name.
    pub app_name: &'static str,
    /// The program's purpose in one line.
    pub tagline: &'static str,
    /// Accessible label of the language switch, in the language that it switches to.
    pub switch_to_this: &'static str,

    /// Login: label of the name field.
    pub your_name: &'static str,
    /// Login: the access key of the link is out of date.
    pub invitation_outdated: &'static str,
    /// Login: label of the field for the access key or password.
    pub secret: &'static str,
    /// Login: hint below the name field.
    pub name_hint: &'static str,
    /// Login: button.
    pub enter: &'static str,
    /// Login: the button while the login is pending.
    pub entering: &'static str,
    /// Login: the server cannot be reached.
    pub server_away: &'static str,
    /// Login: the server answers requests, but no WebSocket could be opened.
    pub socket_refused: &'static str,
    /// Login: why the server refused it, and what to do.
    pub refused: fn(RefusedCode) -> &'static str,
    /// Login: button that aborts a pending login.
    pub cancel: &'static str,
    /// Login: label of the check box on a computer that others use too.
    pub not_remembered: &'static str,
    /// Login: button that logs in although a call on another device ends.
    pub end_other_call: &'static str,

    /// Heading: Hutong is open in another tab.
    pub other_tab_title: &'static str,
    /// Hutong is open in another tab: what to do.
    pub other_tab: &'static str,
    /// The same under this name.
    pub other_tab_as: Template,
    /// The same while that tab is in a call.
    pub other_tab_in_call: &'static str,
    /// Button that moves Hutong to this tab.
    pub move_here: &'static str,
    /// Button that uses this tab under another name.
    pub use_tab_alone: &'static str,

    /// Ringing: the browser has not asked yet whether notifications are allowed.
    pub ring_ask: &'static str,
    /// Ringing: button that has the browser ask.
    pub ring_allow: &'static str,
    /// Ringing: the person has not allowed notifications.
    pub ring_denied: &'static str,
    /// Ringing: the browser has no notifications for this page.
    pub ring_unsupported: &'static str,
    /// The app: question when its window is closed.
    pub close_question: &'static str,
    /// The app: explanation of that question.
    pub close_question_hint: &'static str,
    /// The app: answer that keeps it running.
    pub close_stay: &'static str,
    /// The app: answer that quits it.
    pub close_quit: &'static str,
    /// The app: switch for staying reachable when the window is closed.
    pub stay_reachable: &'static str,
    /// The app: explanation of that switch.
    pub stay_reachable_hint: &'static str,
    /// Missed calls: heading with their number.
    pub missed_calls: fn(usize) -> String,
    /// Recent calls: heading.
    pub recent_calls: &'static str,
    /// Recent calls: button that removes all.
    pub clear: &'static str,
    /// Recent calls: what became of a call.
    pub call_outcome: fn(CallDirection, CallOutcome) -> &'static str,
    /// Recent calls: tooltip of the button of a user who is not online.
    pub not_online: Template,
    /// In a call: somebody else tried to call.
    pub tried_to_call: Template,

    /// What the browser remembers, and until when.
    pub remembered: &'static str,
    /// What the app remembers.
    pub remembered_in_app: &'static str,
    /// What the browser remembers after *Do not remember me here*.
    pub remembered_in_tab: &'static str,
    /// Button that forgets it.
    pub forget_device: &'static str,

    /// The server has a newer version of the page.
    pub outdated: &'static str,
    /// Button that reloads the page.
    pub reload: &'static str,

    /// Heading: the page is not a secure context.
    pub not_secure_title: &'static str,
    /// The page is not a secure context: what to do, above the link.
    pub not_secure: &'static str,
    /// Label of the link to the https address, before that address.
    pub not_secure_link: &'static str,

    /// Roster: heading.
    pub people_online: &'static str,
    /// Roster: number of people.
    pub people: fn(usize) -> String,
    /// Roster: label of the search field.
    pub search: &'static str,
    /// Roster: label of the toggle that lists this person first.
    pub favourite: Template,
    /// Roster: the search had no result.
    pub nobody_found: Template,
    /// Roster: heading while nobody else is online.
    pub alone_title: &'static str,
    /// Roster: what to do while nobody else is online.
    pub alone: &'static str,
    /// Name of a user's state.
    pub state: fn(UserState) -> &'static str,
    /// The person's own state while the connection to the server is lost.
    pub state_reconnecting: &'static str,
    /// Roster: label of the button for a video call.
    pub call_video: Template,
    /// Roster: label of the button for a voice call.
    pub call_voice: Template,
    /// Caption: video.
    pub video: &'static str,
    /// Caption: voice.
    pub voice: &'static str,
    /// Button: log out.
    pub log_out: &'static str,
    /// Tooltip of the person's own name.
    pub logged_in_as: Template,

    /// Invitation: heading.
    pub invite_title: &'static str,
    /// Invitation: text above the server's address.
    pub invite: &'static str,
    /// Invitation: the address is a loopback address.
    pub invite_loopback: &'static str,
    /// Button: copy the address.
    pub copy: &'static str,
    /// Caption of the copy button after a successful copy.
    pub copied: &'static str,
    /// Accessible label of a QR code.
    pub qr_code: Template,

    /// Accessible label of the call screen.
    pub call_with: Template,
    /// Progress of the call.
    pub phase: fn(CallPhase, MediaKind, &str) -> String,
    /// Kind of the incoming call.
    pub incoming: fn(MediaKind) -> &'static str,
    /// Title of the page during an incoming call.
    pub incoming_title: Template,
    /// Button of a notification: answer with what the caller offers.
    pub answer: &'static str,
    /// Button: answer with video.
    pub accept_video: &'static str,
    /// Button: answer with voice.
    pub accept_voice: &'static str,
    /// Button: decline the call.
    pub decline: &'static str,
    /// Button: end an answered call.
    pub hang_up: &'static str,
    /// Button: cancel a call that was not answered yet.
    pub cancel_call: &'static str,
    /// Toggle: the microphone is off.
    pub mute: &'static str,
    /// Toggle: the camera is off.
    pub camera_off: &'static str,
    /// Button: share the screen.
    pub share_screen: &'static str,
    /// Button: stop sharing the screen.
    pub stop_screen: &'static str,
    /// Button and heading: device selection.
    pub settings: &'static str,
    /// Label of the list of cameras.
    pub camera: &'static str,
    /// Label of the list of microphones.
    pub microphone: &'static str,
    /// Label of the list of loudspeakers.
    pub speaker: &'static str,
    /// The only entry of an empty device list.
    pub no_device: fn(DeviceKind) -> &'static str,
    /// Caption of the self-view.
    pub you: &'static str,
    /// Caption of the self-view while the screen is shared.
    pub your_screen: &'static str,
    /// Accessible label of the self-view.
    pub local_video: &'static str,
    /// Accessible label of the remote video.
    pub remote_video: Template,
    /// Accessible label of the remote video while it is a shared screen.
    pub remote_screen: Template,
    /// The remote microphone is off.
    pub remote_muted: Template,
    /// The remote camera is off.
    pub remote_camera_off: Template,
    /// The system has taken the local camera for a while.
    pub camera_held: &'static str,
    /// The system has taken the local microphone for a while.
    pub microphone_held: &'static str,
    /// The local camera was unplugged or cannot be opened.
    pub camera_lost: &'static str,
    /// The local microphone was unplugged.
    pub microphone_lost: &'static str,
    /// The screen cannot be shared.
    pub screen_lost: &'static str,
    /// Button: start playback that the autoplay policy blocked.
    pub tap_to_play: &'static str,

    /// Heading and toggle: call statistics.
    pub details: &'static str,
    /// Button: close the statistics.
    pub close: &'static str,
    /// Statistics: heading of the received media.
    pub received: &'static str,
    /// Statistics: heading of the sent media.
    pub sent: &'static str,
    /// Statistics: width and height of the video.
    pub resolution: &'static str,
    /// Statistics: video frames per second.
    pub frames: &'static str,
    /// Statistics: bits per second.
    pub bitrate: &'static str,
    /// Statistics: share of lost packets.
    pub loss: &'static str,
    /// Statistics: round-trip time.
    pub round_trip: &'static str,
    /// Statistics: label of the path of the media.
    pub path: &'static str,
    /// Statistics: the path of the media.
    pub call_path: fn(CallPath) -> String,

    /// Notice: why a call ended.
    pub ended: fn(EndReason, &str) -> String,
    /// Notice: why a call could not go on, and what to do.
    pub call_failed: fn(CallFailure, &str) -> String,
    /// Notice: why somebody cannot be called now.
    pub cannot_call: fn(UserState, &str) -> String,
    /// Notice: why there is no media, and what to do.
    pub media: fn(MediaProblem) -> &'static str,
    /// Notice: error from the server.
    pub error: fn(ErrorCode) -> &'static str,
    /// Notice: button that repeats the call without video.
    pub voice_instead: Template,
    /// Notice: button that calls again.
    pub call_again: Template,
    /// In a call: the other person has no microphone.
    pub remote_no_microphone: Template,
    /// In a call: the two sides have no video codec in common.
    pub no_common_video: Template,
    /// In a call: there is no microphone here.
    pub no_microphone: &'static str,
    /// Device settings: toggle that shows the own picture mirrored.
    pub mirror: &'static str,
    /// Notice: button that closes it.
    pub dismiss: &'static str,

    /// The connection to the server is lost.
    pub reconnecting: &'static str,
    /// The connection to the server is lost during a call.
    pub reconnecting_in_call: &'static str,
    /// This webview cannot make calls.
    pub no_calls: &'static str,

    /// App: heading of the server card.
    pub server_title: &'static str,
    /// App: the client uses the embedded server.
    pub server_is_embedded: &'static str,
    /// App: the client uses the server at this address.
    pub server_is_other: Template,
    /// App: no server is chosen yet.
    pub server_is_none: &'static str,
    /// App: switch that opens the embedded server to the network.
    pub share: &'static str,
    /// App: what that switch does.
    pub share_hint: &'static str,
    /// App: how others join, above the address.
    pub share_how: &'static str,
    /// App: switch that makes the embedded server require an access key.
    pub require_access_key: &'static str,
    /// App: what that switch does.
    pub require_access_key_hint: &'static str,
    /// App: label of the certificate's fingerprint.
    pub share_fingerprint: &'static str,
    /// App: the configured port (first) is taken, another (second) is used.
    pub port_taken: fn(u16, u16) -> String,
    /// App: label of the address field.
    pub other_server: &'static str,
    /// App: button that connects to the typed address.
    pub use_server: &'static str,
    /// App: button that returns to the embedded server.
    pub use_embedded: &'static str,
    /// App: autostart switch.
    pub autostart: &'static str,
    /// App: what that switch does.
    pub autostart_hint: &'static str,
    /// App: offers to open `hutong:` links.
    pub links_offer: &'static str,
    /// App: button that accepts that offer.
    pub links_accept: &'static str,
    /// App: button that declines that offer.
    pub links_decline: &'static str,
    /// App: switch for `hutong:` links.
    pub open_links: &'static str,
    /// App: what that switch does.
    pub open_links_hint: &'static str,
    /// Call link: asks whether to call this name (first) on this server (second).
    pub call_link: fn(&str, &str) -> String,
    /// Call link: it leads to another server than the one in use.
    pub call_link_moves: &'static str,
    /// Call link: its target (first) is not online on the server (second).
    pub call_link_offline: fn(&str, &str) -> String,
    /// Call link: a login on the server (second) has to come before the call.
    pub call_link_login: fn(&str, &str) -> String,
    /// Call link: button that starts the call.
    pub call_link_call: &'static str,
    /// Call link in a browser: question whether to call.
    pub call_here: Template,
    /// Call link in a browser: a login has to come before the call.
    pub call_here_login: Template,
    /// Call link in a browser: its target is not online; the question comes once it is.
    pub call_here_offline: Template,
    /// Button: copy a link with which others call this user.
    pub copy_own_link: &'static str,
    /// Label of that link, where it cannot be copied by a button.
    pub own_link: &'static str,
    /// App: what failed in the app, and what to do.
    pub app_problem: fn(AppProblem) -> &'static str,
}
