//! The English sentences.

use hutong_core::{
    CallDirection, CallFailure, CallOutcome, CallPhase, MediaProblem, PathsTried, host_messages::AppProblem,
};
use hutong_protocol::{EndReason, ErrorCode, MediaKind, RefusedCode, UserState};

use super::Texts;
use crate::media::{CallPath, DeviceKind};

/// Every sentence in English.
pub static TEXTS: Texts = Texts {
    app_name: "Hutong",
    tagline: "See who is online, and call them.",
    switch_to_this: "Switch to English",

    your_name: "Your name",
    invitation_outdated: "This link is out of date. Ask for a new one, or enter the access key.",
    secret: "Access key or password",
    name_hint: "Everyone online sees this name. You need no account and no password.",
    enter: "Join",
    entering: "Joining…",
    server_away: "The server does not answer. Hutong keeps trying. Check your network connection, or ask the server’s \
                  administrator whether the server is running.",
    socket_refused: "The server answers, but refuses the connection. Hutong keeps trying. If you run the server, look at \
                     its log.",
    refused,
    cancel: "Cancel",
    not_remembered: "Do not remember me here",
    end_other_call: "End that call and join here",

    other_tab_title: "Hutong is open in another tab",
    other_tab: "Use it there, or continue here.",
    other_tab_as: |name| format!("You are {name} there. Use Hutong there, or continue here."),
    other_tab_in_call: "You are in a call there, which would end. Go to that tab, or hang up there first.",
    move_here: "Continue here",
    use_tab_alone: "Join here as somebody else",

    ring_ask: "Calls ring only while this page is in front. With notifications you also learn of them elsewhere; a click \
               brings this page to the front.",
    ring_allow: "Allow notifications",
    ring_denied: "Calls ring only while this page is in front: the browser blocks notifications. Allow them in its settings \
                  for this page, then reload.",
    ring_unsupported: "Calls ring only while this page is in front.",
    close_question: "Stay reachable when the window is closed?",
    close_question_hint: "Calls then ring as long as the computer is on. The icon in the tray brings the window back; without a \
                          tray, the window is minimised. You can change this in the settings.",
    close_stay: "Stay reachable",
    close_quit: "Quit Hutong",
    stay_reachable: "Stay reachable when the window is closed",
    stay_reachable_hint: "Hutong goes on in the tray, or minimised, and calls ring.",
    missed_calls: |calls| if calls == 1 { "1 missed call".to_owned() } else { format!("{calls} missed calls") },
    recent_calls: "Recent calls",
    clear: "Clear",
    call_outcome,
    not_online: |name| format!("{name} is not online"),
    tried_to_call: |name| format!("{name} tried to call you. You can call back after this call."),

    remembered: "This browser remembers you until you log out, and your name, favourites and recent calls longer.",
    remembered_in_app: "Hutong remembers your name, favourites and recent calls on this device.",
    remembered_in_tab: "This tab forgets you when you close it.",
    forget_device: "Forget me on this device",

    outdated: "The server has a new version of Hutong. Reload to update.",
    reload: "Reload",

    not_secure_title: "Calls need a secure address",
    not_secure: "This page was opened with http, so the browser allows neither camera nor microphone. Open the secure \
                 address below instead. If the server issued its own certificate, the browser warns you the first time: \
                 choose “Advanced” or “Show details”, then continue to the address.",
    not_secure_link: "Open",

    people_online: "Online now",
    people: |count| match count {
        1 => "1 person".to_owned(),
        count => format!("{count} people"),
    },
    search: "Search people",
    favourite: |name| format!("Favourite: {name}"),
    nobody_found: |query| format!("Nobody with “{query}” in their name is online."),
    alone_title: "Nobody else is online",
    alone: "Invite others to this server. Everyone who joins appears here at once, and you can call them.",
    state: |state| match state {
        UserState::Online => "Online",
        UserState::Offline => "Offline",
        UserState::Connecting => "Connecting",
        UserState::InCall => "In a call",
        UserState::Ending => "Ending a call",
    },
    state_reconnecting: "Reconnecting",
    call_video: |name| format!("Video call with {name}"),
    call_voice: |name| format!("Voice call with {name}"),
    video: "Video",
    voice: "Voice",
    log_out: "Log out",
    logged_in_as: |name| format!("Your name here is {name}"),

    invite_title: "Invite others",
    invite: "Anyone who opens this address can join:",
    invite_loopback: "This address works only on this computer. To invite others, open this page with the address that this \
                      computer has in your network.",
    copy: "Copy",
    copied: "Copied",
    qr_code: |address| format!("QR code of {address}"),

    call_with: |name| format!("Call with {name}"),
    phase,
    incoming: |media| match media {
        MediaKind::Video => "Incoming video call",
        MediaKind::Voice => "Incoming voice call",
    },
    incoming_title: |name| format!("{name} is calling"),
    answer: "Answer",
    accept_video: "Video",
    accept_voice: "Voice only",
    decline: "Decline",
    hang_up: "Hang up",
    cancel_call: "Cancel",
    mute: "Mute",
    camera_off: "Camera off",
    share_screen: "Share screen",
    stop_screen: "Stop sharing",
    settings: "Devices",
    camera: "Camera",
    microphone: "Microphone",
    speaker: "Speaker",
    no_device: |kind| match kind {
        DeviceKind::Camera => "No camera found",
        DeviceKind::Microphone => "No microphone found",
        DeviceKind::Speaker => "No speaker found",
    },
    you: "You",
    your_screen: "Your screen",
    local_video: "Your own video",
    remote_video: |name| format!("{name}’s video"),
    remote_screen: |name| format!("{name}’s screen"),
    remote_muted: |name| format!("{name} is muted"),
    remote_camera_off: |name| format!("{name}’s camera is off"),
    camera_held: "A phone call or another app is using your camera, so the other person cannot see you. Your video comes back \
                  automatically; if it does not, turn the camera off and on again.",
    microphone_held: "A phone call or another app is using your microphone, so the other person cannot hear you. Your sound \
                      comes back automatically; if it does not, mute and unmute.",
    camera_lost: "Your camera is not available. Plug it in, close other programs that use it, or allow it in the browser; then \
                  turn it on here.",
    microphone_lost: "Your microphone is disconnected, so the other person cannot hear you. Connect a microphone; if another \
                      app is using it, close that app, then press “Mute” here.",
    screen_lost: "Your screen could not be shared. Allow it in the privacy settings of your system, then try again.",
    tap_to_play: "Tap to play video and sound",

    details: "Call details",
    close: "Close",
    received: "Received",
    sent: "Sent",
    resolution: "Resolution",
    frames: "Frames/s",
    bitrate: "Bitrate",
    loss: "Packet loss",
    round_trip: "Round trip",
    path: "Path",
    call_path: |path| match path {
        CallPath::Direct(None) => "Direct".to_owned(),
        CallPath::Direct(Some(protocol)) => format!("Direct, over {}", protocol.name()),
        CallPath::Relayed(None) => "Relayed".to_owned(),
        CallPath::Relayed(Some(protocol)) => format!("Relayed, over {}", protocol.name()),
        CallPath::RelayedByOtherSide => "Relayed by the other side".to_owned(),
    },

    ended,
    call_failed,
    cannot_call: |state, name| match state {
        UserState::Online => format!("{name} could not be called just now. Try again."),
        UserState::Offline => format!("{name} is no longer online."),
        UserState::Connecting => format!("{name} is starting another call. Try again in a moment."),
        UserState::InCall => format!("{name} is in another call. Try again when it is over."),
        UserState::Ending => format!("{name} is ending another call. Try again in a few seconds."),
    },
    media,
    error,
    call_again: |name| format!("Call {name} again"),
    remote_no_microphone: |name| format!("{name} has no microphone: you are seen and heard, but hear nothing"),
    no_common_video: |name| {
        format!("No video: this device and that of {name} have no video format in common. You can talk.")
    },
    no_microphone: "You have no microphone, so you are not heard. Connect one at any time.",
    mirror: "Mirror my picture",
    voice_instead: |name| format!("Call {name} by voice instead"),
    dismiss: "Dismiss",

    reconnecting: "The connection to the server is lost. Reconnecting…",
    reconnecting_in_call: "The connection to the server is lost. Reconnecting… Your call continues.",
    no_calls: "Calls do not work in this window, because the system’s webview has no WebRTC. You see here who is online; to \
               call, open the server’s address in Chrome, Firefox or Edge.",

    server_title: "Server",
    server_is_embedded: "You are using the server inside this app.",
    server_is_other: |address| format!("You are using {address}."),
    server_is_none: "To begin, enter the address of a server.",
    share: "Let others join",
    share_hint: "Lets other devices in your network use the server inside this app.",
    share_how: "To join, others open this address in a browser or scan the QR code with a phone. The browser warns them once, \
                because this computer issued its own certificate; they can choose to continue. The Hutong app shows no \
                warning, because the key in the address identifies this computer.",
    require_access_key: "Only with the address",
    require_access_key_hint: "The address and the QR code then contain an access key; without it nobody can join. Turning this on \
                              or off disconnects everybody. Each time it is turned on, earlier addresses stop working.",
    share_fingerprint: "SHA-256 fingerprint of the certificate, to compare with the one in the browser’s warning:",
    port_taken: |wanted, port| format!("Another program uses port {wanted}, so Hutong uses port {port}."),
    other_server: "Address of another server",
    use_server: "Use this server",
    use_embedded: "Use the server inside this app",
    autostart: "Start automatically",
    autostart_hint: "Starts Hutong in the background when you log in to this computer, so that others can call you.",
    links_offer: "Call links (hutong:…) open nothing on this computer yet. Shall they open this app?",
    links_accept: "Open them here",
    links_decline: "No",
    open_links: "Open call links",
    open_links_hint: "Links that begin with hutong: open this app, which asks before it calls.",
    call_link: |name, server| format!("Call {name} on {server}?"),
    call_link_moves: "A link asks for this call. If you press “Call”, Hutong leaves your current server and joins the server \
                      named above under the same name. Do so only if you know where the link comes from.",
    call_link_offline: |name, server| {
        format!("{name} is not online on {server}. Ask them to open Hutong, then try again.")
    },
    call_link_login: |name, server| format!("Enter your name to join {server}. Then you can call {name}."),
    call_link_call: "Call",
    call_here: |name| format!("Call {name}?"),
    call_here_login: |name| format!("Enter your name. Then you can call {name}."),
    call_here_offline: |name| format!("{name} is not online. As soon as they are, you can call them here."),
    copy_own_link: "Copy link to call me",
    own_link: "Link to call me",
    app_problem,
};

fn refused(code: RefusedCode) -> &'static str {
    match code {
        RefusedCode::NameInvalid => {
            "This name cannot be used. Enter 1 to 40 visible characters: letters, digits, spaces, symbols or emoji."
        }
        RefusedCode::NameTaken => "Somebody online already has this name. Choose another one, or add something to it.",
        RefusedCode::TicketInvalid => "Your earlier login has expired. Join again.",
        RefusedCode::Replaced => {
            "You joined in another tab or on another device, so this page was logged out. To continue here, join again. If that \
             was not you, ask the server’s administrator to change your password."
        }
        RefusedCode::InCallElsewhere => {
            "You are in a call on another device. If you join here, that call ends and the other device is logged out."
        }
        RefusedCode::Version => {
            "This page and the server have different versions. Reload the page; if you use the app, update it."
        }
        RefusedCode::SecretRequired => {
            "To join this server you need its access key, or the password for this name. Enter it below the name. If you have \
             none, ask the server’s administrator."
        }
        RefusedCode::SecretWrong => {
            "This access key or password is wrong for this name. Enter it again, or ask the server’s administrator."
        }
        RefusedCode::SecretChanged => {
            "The access key or password was changed, so you were logged out. Enter the new one, or ask the server’s administrator \
             for it."
        }
        RefusedCode::NotWelcome => {
            "The server does not admit this name or this network. If that is a mistake, ask the server’s administrator."
        }
        RefusedCode::TooMany => {
            "Too many people joined from your network in a short time, or somebody entered too many wrong access keys or \
             passwords. Hutong keeps trying; this can take a few minutes."
        }
        RefusedCode::Full => "The server is full. Hutong keeps trying, and joins as soon as somebody leaves.",
        RefusedCode::HelloTimeout => "The connection was too slow to join in time. Hutong tries again.",
        RefusedCode::RateLimited => {
            "This device sent too many messages in a short time, so the server closed the connection. Hutong tries again."
        }
        RefusedCode::TooLarge => "The server refused a message that was too large. Reload the page or restart the app.",
        RefusedCode::TooSlow => {
            "Your network is too slow for the messages from the server. Hutong tries again; a better network helps."
        }
        RefusedCode::BadFrame => "Data between this device and the server arrived damaged. Try another network.",
        RefusedCode::ShuttingDown => "The server is restarting. Hutong reconnects automatically in a moment.",
        RefusedCode::Unknown => "The server refused the login. Reload the page or restart the app, and try again.",
    }
}

fn phase(phase: CallPhase, media: MediaKind, name: &str) -> String {
    let devices = match media {
        MediaKind::Video => "microphone and camera",
        MediaKind::Voice => "the microphone",
    };
    match phase {
        CallPhase::Acquiring => format!("If you are asked, allow {devices}…"),
        CallPhase::Offering => format!("Calling {name}…"),
        CallPhase::Ringing => format!("{name}’s device is ringing…"),
        CallPhase::Incoming => format!("{name} is calling you"),
        CallPhase::Accepting => format!("Answering. If you are asked, allow {devices}…"),
        CallPhase::Connecting => "Connecting…".to_owned(),
        CallPhase::Connected => format!("In a call with {name}"),
        CallPhase::Reconnecting => "The call was interrupted. Reconnecting…".to_owned(),
        CallPhase::Ending => "Hanging up…".to_owned(),
    }
}

const fn call_outcome(direction: CallDirection, outcome: CallOutcome) -> &'static str {
    match (direction, outcome) {
        (_, CallOutcome::Answered) => "Answered",
        (CallDirection::Incoming, CallOutcome::Unanswered) => "Missed",
        (CallDirection::Outgoing, CallOutcome::Unanswered) => "No answer",
        (_, CallOutcome::WhileBusy) => "Missed during another call",
        (_, CallOutcome::Declined) => "Declined",
        (_, CallOutcome::Cancelled) => "Cancelled",
        (_, CallOutcome::Failed) => "Not connected",
    }
}

fn ended(reason: EndReason, name: &str) -> String {
    match reason {
        EndReason::Hangup => format!("{name} hung up."),
        EndReason::Declined => format!("{name} declined the call."),
        EndReason::Cancelled => format!("{name} cancelled the call before you answered. You can call back."),
        EndReason::Unanswered => format!("{name} did not answer. Try again later."),
        EndReason::Timeout => format!("The call with {name} took too long to connect. Call again."),
        EndReason::Failed => format!(
            "The call with {name} could not be connected. Call again; if it fails again, one of you should use another \
             network."
        ),
        EndReason::Gone => format!("{name} lost the connection. Call again when they are back online."),
        EndReason::Busy => format!("{name} is in another call. Try again later."),
        EndReason::Unknown => format!("The call with {name} has ended."),
    }
}

fn call_failed(failure: CallFailure, name: &str) -> String {
    match failure {
        CallFailure::ServerLost => {
            format!("The connection to the server was lost, and the call with {name} could not go on. Call again.")
        }
        CallFailure::MediaLost => format!(
            "The connection to {name} was lost and did not come back. Call again; if it is lost again, one of you should use \
             another network."
        ),
        CallFailure::NoPath { tried } => format!("The call with {name} could not be connected: {}", no_path(tried)),
    }
}

const fn no_path(tried: PathsTried) -> &'static str {
    match tried {
        PathsTried::Nothing => {
            "this device found no network address to use. Check its network, and whether an extension or a policy of the \
             browser blocks WebRTC; then call again."
        }
        PathsTried::Direct => {
            "there is no direct path between your devices (different networks, a firewall, a VPN or a guest Wi-Fi), and this \
             server offers no relay. Join one network without these, or ask whoever runs the server to set up a relay \
             (TURN)."
        }
        PathsTried::DirectRelaySilent => {
            "your two networks cannot reach each other directly, and the server’s relay does not answer this device. Try \
             another network, or ask whoever runs the server to check the relay (TURN) and its ports."
        }
        PathsTried::DirectAndRelay => {
            "no direct path between your devices worked, and the server’s relay did not work either. Try another network, or ask \
             whoever runs the server to check the relay (TURN)."
        }
        PathsTried::LocalNetworkBlocked => {
            "this browser keeps the page from devices in your local network. Allow “Local network access” for this page (at the \
             icon beside its address), then call again."
        }
    }
}

fn media(problem: MediaProblem) -> &'static str {
    match problem {
        MediaProblem::CameraDenied => {
            "Hutong may not use the camera. Allow it in the address bar (the lock or camera icon) or in the privacy settings \
             of your system, and call again."
        }
        MediaProblem::MicrophoneDenied => {
            "Hutong may not use the microphone, and a call needs it. Allow it in the address bar (the lock or microphone \
             icon) or in the privacy settings of your system, and call again."
        }
        MediaProblem::NotAllowedYet => {
            "The browser’s question about camera and microphone was not answered with “Allow”. Call again, and allow them."
        }
        MediaProblem::CameraMissing => "No camera was found. Connect one, and call again.",
        MediaProblem::MicrophoneMissing => {
            "No microphone was found, and a call needs one. Connect a microphone, and call again."
        }
        MediaProblem::CameraInUse => {
            "The camera cannot be opened. Close other programs that use it, or unplug it and plug it in again; then call again."
        }
        MediaProblem::MicrophoneInUse => {
            "The microphone cannot be opened. Close other programs that use it, or unplug it and plug it in again; then call \
             again."
        }
        MediaProblem::NotSecure => {
            "This page was opened with http, so the browser allows neither camera nor microphone. Open the same address with \
             https:// in front, continue past the certificate warning, and call again."
        }
        MediaProblem::NotSupported => {
            "Calls do not work in this window. Open Hutong in a current Chrome, Firefox, Safari or Edge."
        }
        MediaProblem::VideoCodecMissing => {
            "This computer lacks a component that calls need for video. Install the package gstreamer1.0-plugins-good (on \
             Fedora gstreamer1-plugins-good), restart Hutong, and call again."
        }
        MediaProblem::AudioCodecMissing => {
            "This computer lacks a component that calls need for sound. Install the package gstreamer1.0-plugins-base (on \
             Fedora gstreamer1-plugins-base), restart Hutong, and call again."
        }
        MediaProblem::Engine => {
            "The call could not be set up. Call again; if it fails again, reload the page or restart the app."
        }
    }
}

fn error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NotOnline => "This person is no longer online.",
        ErrorCode::Busy | ErrorCode::Crossed => "This person is busy. Try again in a moment.",
        ErrorCode::TooManyCalls => {
            "You have called several times without an answer. Wait a minute or two, and try again."
        }
        ErrorCode::SelfCall => "You cannot call yourself. To try a call, open Hutong on another device.",
        ErrorCode::NoCall | ErrorCode::WrongStep | ErrorCode::TicketInvalid => {
            "That call has already ended. Call again."
        }
        ErrorCode::RateLimited => "This device sent too many requests in a short time. Wait a moment, and try again.",
        ErrorCode::Malformed | ErrorCode::UnknownType | ErrorCode::NotNow | ErrorCode::Unknown => {
            "The server did not understand a request. Reload the page or restart the app, and try again."
        }
    }
}

fn app_problem(problem: AppProblem) -> &'static str {
    match problem {
        AppProblem::AddressInvalid => {
            "This is not a complete address. Enter an address such as calls.example or 192.168.1.20:8017, or copy the whole \
             invitation again."
        }
        AppProblem::AddressNotSecure => {
            "Outside your own network, Hutong connects only with https. Enter the address with https:// in front."
        }
        AppProblem::EmbeddedFailed => {
            "The server inside this app is not running. Close other copies of the app and restart it, or use another server."
        }
        AppProblem::NoNetwork => {
            "This computer is not connected to a network. Connect it to Wi-Fi or a cable; the address then appears here."
        }
        AppProblem::LinkInvalid => {
            "Hutong cannot read the link that was opened. Ask for a new one, such as \
             hutong://call/Ana?server=calls.example."
        }
        AppProblem::ServerKeyChanged => {
            "The server’s key has changed since last time, so Hutong does not connect: another computer may pretend to be this \
             server. Ask the server’s administrator. If the server was set up again, use a new invitation, or enter the \
             address again."
        }
        AppProblem::ServerKeyWrong => {
            "The server’s key is not the one in the invitation, so Hutong does not connect: another computer may pretend to be \
             this server. Ask the person who invited you for a new invitation; if that fails too, do not use this network."
        }
        AppProblem::LinkKeyDiffers => {
            "The server key in the link differs from the one that Hutong knows, so Hutong did not open the link. Ask the \
             server’s administrator for an invitation address, and enter that address yourself."
        }
        AppProblem::LinksNotChanged => {
            "The program for call links could not be changed. Check free space and write access to your home folder, then try \
             again."
        }
        AppProblem::AutostartFailed => {
            "The automatic start could not be changed. Look for Hutong in the system settings for apps that start \
             automatically."
        }
        AppProblem::NotSaved => {
            "Your choice could not be saved, and is lost when Hutong closes. Check that the disk is not full and that you may \
             write to your home folder."
        }
        AppProblem::SettingsUnreadable => {
            "Your settings could not be read, so Hutong uses the defaults. The file is kept in the app’s data folder as \
             settings.json or settings.json.unreadable-1 (or a higher number). Choose your server again, and use a new \
             invitation where you had one."
        }
        AppProblem::SettingsNewer => {
            "A newer version of Hutong has saved your settings. This version leaves them alone, and forgets your changes when \
             it closes. Update the app."
        }
    }
}
