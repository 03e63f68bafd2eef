//! English.

use hutong_core::{CallPhase, MediaProblem, app::AppProblem};
use hutong_protocol::{EndReason, ErrorCode, MediaKind, RefusedCode, UserState};

use super::Texts;
use crate::media::Sort;

/// All of it.
pub static TEXTS: Texts = Texts {
    hutong: "Hutong",
    tagline: "See who is here, and call them.",
    switch_to_this: "Switch to English",

    your_name: "Your name",
    secret: "Access key or password",
    name_hint: "Everyone here sees you by this name. No account, no password.",
    enter: "Join",
    entering: "Joining…",
    server_away: "The server does not answer. We keep trying. Check your network, or ask whoever runs the server whether it is on.",
    refused,
    cancel: "Cancel",

    not_secure_title: "Calls need the secure address",
    not_secure: "This page came over plain http, where browsers give no camera and no microphone. Open the secure address \
                 instead. If the server made its certificate itself, the browser warns you the first time: choose “Advanced” \
                 or “Show details”, and go on to this address.",
    not_secure_link: "Open",

    people_online: "Online now",
    people: |count| match count {
        1 => "1 person".to_owned(),
        count => format!("{count} people"),
    },
    search: "Search people",
    favourite: |name| format!("Favourite: {name}"),
    nobody_found: |query| format!("Nobody here is called “{query}”."),
    alone_title: "Nobody else is here yet",
    alone: "Hand on this page’s address. As soon as somebody joins, you see them here and can call them.",
    state: |state| match state {
        UserState::Online => "Online",
        UserState::Offline => "Offline",
        UserState::Connecting => "Connecting",
        UserState::InCall => "In a call",
        UserState::Ending => "Hanging up",
    },
    you_are_away: "Reconnecting",
    call_video: |name| format!("Video call with {name}"),
    call_voice: |name| format!("Voice call with {name}"),
    video: "Video",
    voice: "Voice",
    log_out: "Leave",
    logged_in_as: |name| format!("You are here as {name}"),

    invite_title: "Invite others",
    invite: "Anyone who opens this address can join:",
    invite_only_here: "This address works on this computer alone. To invite others, open the page by this computer’s address \
                       in your network.",
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
    no_device: |sort| match sort {
        Sort::Camera => "No camera found",
        Sort::Microphone => "No microphone found",
        Sort::Speaker => "No speaker to choose",
    },
    you: "You",
    your_screen: "Your screen",
    own_picture: "Your own picture",
    picture_of: |name| format!("Picture of {name}"),
    screen_of: |name| format!("Screen of {name}"),
    other_muted: |name| format!("{name} is muted"),
    other_camera_off: |name| format!("{name}’s camera is off"),
    camera_held: "Your camera is taken, by a telephone call or another app, and you are not seen. Your picture comes back by itself; if \
                  it does not, turn the camera off and on again.",
    microphone_held: "Your microphone is taken, by a telephone call or another app, and you are not heard. Your voice comes back by \
                      itself; if it does not, mute and unmute.",
    camera_lost: "Your camera cannot be used. Plug it in, close other programs that use it, or allow it in the browser, then \
                  turn it on here.",
    microphone_lost: "Your microphone is gone, and you are not heard. Plug one in, or end what has taken it and press Mute here.",
    screen_lost: "Your screen could not be shared. Allow it in the privacy settings of your system, then try again.",
    tap_to_hear: "Tap to see and hear",

    details: "Call details",
    close: "Close",
    received: "Received",
    sent: "Sent",
    resolution: "Picture",
    frames: "Frames/s",
    bitrate: "Bitrate",
    loss: "Loss",
    round_trip: "Round trip",

    ended,
    cannot_call: |state, name| match state {
        UserState::Online => format!("{name} could not be called just now. Try again."),
        UserState::Offline => format!("{name} is not here any more."),
        UserState::Connecting => format!("{name} is about to start another call. Try again in a moment."),
        UserState::InCall => format!("{name} is in another call. Try again when it is over."),
        UserState::Ending => format!("{name} is just ending another call. Try again in a few seconds."),
    },
    media,
    error,
    voice_instead: |name| format!("Call {name} by voice"),
    dismiss: "Dismiss",

    reconnecting: "The connection to the server is lost. It is being made again…",
    reconnecting_in_call: "The connection to the server is lost, and is being made again. Your call goes on.",
    no_calls: "This window cannot make calls: its system web view has no WebRTC. You see here who is online; to call, open \
               the server’s address in Chrome, Firefox or Edge.",

    server_title: "Server",
    server_is_embedded: "You use the server inside this app.",
    server_is_other: |address| format!("You use {address}."),
    server_is_none: "Enter the address of a server to begin.",
    share: "Let others join",
    share_hint: "Opens the server inside this app to your network.",
    share_how: "Others open this address in their browser, or point a phone’s camera at the code. Their browser warns once, \
                because this computer made the certificate itself; they can go on. Whoever enters it in the Hutong app needs \
                no warning: the key in it says which computer is meant.",
    share_fingerprint: "The certificate’s SHA-256 fingerprint, to compare in a browser’s warning:",
    port_taken: |wanted, port| format!("Port {wanted} is taken by another program, so port {port} is used."),
    other_server: "Address of another server",
    use_server: "Use this server",
    use_embedded: "Use the server inside this app",
    autostart: "Start with this computer",
    autostart_hint: "Opens Hutong when you log in to this computer.",
    offer: |name, server| format!("Call {name} on {server}?"),
    offer_moves: "A link asks for this. You would leave the server that you use now for this one, under the same name. Go on only \
                  if you know where the link comes from.",
    offer_away: |name, server| format!("{name} is not on {server} just now. Ask them to open Hutong, then try again."),
    offer_join: |name, server| format!("Enter your name to join {server}. Then you can call {name}."),
    offer_call: "Call",
    app_problem,
};

fn refused(code: RefusedCode) -> &'static str {
    match code {
        RefusedCode::NameInvalid => {
            "This name cannot be used. Take 1 to 40 visible characters: letters, digits, spaces, signs or emoji."
        }
        RefusedCode::NameTaken => "Somebody here already has this name. Choose another, or add something to it.",
        RefusedCode::TicketInvalid => "Your earlier visit is over. Join again.",
        RefusedCode::Replaced => {
            "You came in somewhere else, in another tab or on another device, so this page stepped back. Join again to \
             go on here."
        }
        RefusedCode::Version => {
            "This page is older or newer than the server. Reload it; if you use the app, update it."
        }
        RefusedCode::SecretRequired => {
            "This server lets in whoever has its access key, or a password for their name. Type it below the name; whoever runs \
             the server gives it to you."
        }
        RefusedCode::SecretWrong => {
            "This access key or password is not right for this name. Type it again, or ask whoever runs the server."
        }
        RefusedCode::NotWelcome => {
            "This server does not let this name or this network in. Ask whoever runs the server if that is a mistake."
        }
        RefusedCode::TooMany => {
            "Too many people, or too many wrong keys, came from your network just now. We keep trying; it can take some minutes."
        }
        RefusedCode::Full => "The server is full. We keep trying; somebody may leave.",
        RefusedCode::HelloTimeout => "The connection was too slow to join. We try again.",
        RefusedCode::RateLimited => {
            "The server heard too much from here at once and closed the connection. Wait a moment."
        }
        RefusedCode::TooLarge => "The server refused a message that was too large. Reload the page.",
        RefusedCode::TooSlow => {
            "Your connection did not keep up with the server. We try again; a better network helps."
        }
        RefusedCode::BadFrame => "Something between here and the server garbles the connection. Try another network.",
        RefusedCode::ShuttingDown => "The server is restarting. We come back by ourselves in a moment.",
        RefusedCode::Unknown => "The server did not let us in. Reload the page, and try again.",
    }
}

fn phase(phase: CallPhase, media: MediaKind, name: &str) -> String {
    let devices = match media {
        MediaKind::Video => "microphone and camera",
        MediaKind::Voice => "microphone",
    };
    match phase {
        CallPhase::Acquiring => format!("Allow {devices}, if your browser asks…"),
        CallPhase::Offering => format!("Calling {name}…"),
        CallPhase::Ringing => format!("Ringing {name}…"),
        CallPhase::Incoming => format!("{name} is calling you"),
        CallPhase::Accepting => format!("Taking the call. Allow {devices}, if your browser asks…"),
        CallPhase::Connecting => "Connecting…".to_owned(),
        CallPhase::Connected => format!("In a call with {name}"),
        CallPhase::Reconnecting => "Interrupted. Reconnecting…".to_owned(),
        CallPhase::Ending => "Hanging up…".to_owned(),
    }
}

fn ended(reason: EndReason, name: &str) -> String {
    match reason {
        EndReason::Hangup => format!("{name} hung up."),
        EndReason::Declined => format!("{name} declined the call."),
        EndReason::Cancelled => format!("{name} gave up calling you. Call back if you like."),
        EndReason::Unanswered => format!("{name} did not answer. Try again later."),
        EndReason::Timeout => format!("The call with {name} took too long to set up. Call again."),
        EndReason::Failed => format!(
            "No connection for picture and sound came about with {name}. Call again; if it fails once more, one of you \
             should try another network."
        ),
        EndReason::Gone => format!("{name} lost the connection. Call again once they are back."),
        EndReason::Busy => format!("{name} is in another call meanwhile. Try again later."),
        EndReason::Unknown => format!("The call with {name} is over."),
    }
}

fn media(problem: MediaProblem) -> &'static str {
    match problem {
        MediaProblem::CameraDenied => {
            "The camera is not allowed. Allow it in the address bar (the lock or camera sign) or in the system’s privacy \
             settings, and call again."
        }
        MediaProblem::MicrophoneDenied => {
            "The microphone is not allowed, and there is no call without it. Allow it in the address bar (the lock or \
             microphone sign) or in the system’s privacy settings, and call again."
        }
        MediaProblem::CameraMissing => "No camera was found. Plug one in, and call again.",
        MediaProblem::MicrophoneMissing => {
            "No microphone was found, and there is no call without one. Plug one in, and call again."
        }
        MediaProblem::CameraInUse => {
            "The camera does not open. Close other programs that use it, or unplug it and plug it in again; then call again."
        }
        MediaProblem::MicrophoneInUse => {
            "The microphone does not open. Close other programs that use it, or unplug it and plug it in again; then call \
             again."
        }
        MediaProblem::NotSecure => {
            "This page came over plain http, so the browser gives no camera and no microphone. Open the same address with \
             https:// in front, pass the certificate’s warning, and call again."
        }
        MediaProblem::NotSupported => {
            "This window cannot make calls. Open the page in a current Chrome, Firefox, Safari or Edge."
        }
        MediaProblem::PictureCodecMissing => {
            "This computer lacks a part that calls need for pictures. Install the package gstreamer1.0-plugins-good (on \
             Fedora gstreamer1-plugins-good), start Hutong again, and call again."
        }
        MediaProblem::VoiceCodecMissing => {
            "This computer lacks a part that calls need for voice. Install the package gstreamer1.0-plugins-base (on Fedora \
             gstreamer1-plugins-base), start Hutong again, and call again."
        }
        MediaProblem::Engine => "The call could not be set up. Call again; if it fails once more, reload the page.",
    }
}

fn error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NotOnline => "This person is not here any more.",
        ErrorCode::Busy | ErrorCode::Crossed => "This person is busy. Try again in a moment.",
        ErrorCode::SelfCall => "You cannot call yourself. Open the page on another device to try a call.",
        ErrorCode::NoCall | ErrorCode::WrongStep | ErrorCode::TicketInvalid => "That call is over. Call again.",
        ErrorCode::RateLimited => "That was too much at once. Wait a moment, and try again.",
        ErrorCode::Malformed | ErrorCode::UnknownType | ErrorCode::NotNow | ErrorCode::Unknown => {
            "The server did not understand this page. Reload it, and try again."
        }
    }
}

fn app_problem(problem: AppProblem) -> &'static str {
    match problem {
        AppProblem::AddressInvalid => {
            "This is no address, or not all of one. Enter one such as calls.example or 192.168.1.20:8017, or copy the whole \
             invitation again."
        }
        AppProblem::AddressNotSecure => {
            "Outside your own network only https is safe. Enter the address with https:// in front."
        }
        AppProblem::EmbeddedFailed => {
            "The server inside this app is not running. Close other copies of the app, and start it again; or use another \
             server."
        }
        AppProblem::NoNetwork => {
            "This computer is in no network. Connect it to Wi-Fi or a cable; the address then appears here by itself."
        }
        AppProblem::LinkInvalid => {
            "Hutong cannot read the link that was opened. Ask for a new one, such as \
             hutong://call/Ana?server=calls.example."
        }
        AppProblem::ServerKeyChanged => {
            "The server shows another key than before, so Hutong does not connect: somebody else may be in its place. Ask whoever \
             runs it. If it was set up anew, take a new invitation from there, or enter the address once more."
        }
        AppProblem::ServerKeyWrong => {
            "The server shows another key than its invitation says, so Hutong does not connect: somebody else may be in its place. \
             Ask whoever invited you for a new invitation; if it fails too, do not use this network."
        }
        AppProblem::LinkKeyDiffers => {
            "The link names another key for the server than the one that Hutong knows, so it was not followed. Ask whoever runs \
             the server for its invitation, and enter that yourself."
        }
        AppProblem::AutostartFailed => {
            "This computer did not take the change. Look for Hutong in the system’s settings for programs that start by \
             themselves."
        }
        AppProblem::NotSaved => {
            "Your choice could not be saved and will be forgotten. Check that the disk is not full and that you may write to \
             your own folder."
        }
    }
}
