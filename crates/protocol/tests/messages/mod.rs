//! Proptest strategies for all messages of version 1.

use hutong_protocol::{
    CallId, CallTicket, CancelReason, ClientMessage, EndReason, ErrorCode, IceCandidate, IceServer, Limits, MediaKind,
    Name, RefusedCode, SdpKind, Secret, ServerMessage, SessionTicket, Token, User, UserState,
};
use proptest::{prelude::*, sample::select};

/// Any message of a client.
pub fn client() -> impl Strategy<Value = ClientMessage> {
    prop_oneof![
        (any::<String>(), prop::option::of(session_ticket()), prop::option::of(secret()), any::<bool>())
            .prop_map(|(name, resume, secret, replace)| ClientMessage::Hello { name, resume, secret, replace }),
        Just(ClientMessage::LogOut),
        (token(), media()).prop_map(|(to, media)| ClientMessage::Offering { to, media }),
        (token(), media()).prop_map(|(to, media)| ClientMessage::Missed { to, media }),
        (call(), media()).prop_map(|(call, media)| ClientMessage::Accept { call, media }),
        (call(), any::<String>()).prop_map(|(call, sdp)| ClientMessage::Confirm { call, sdp }),
        (call(), any::<String>()).prop_map(|(call, sdp)| ClientMessage::Calling { call, sdp }),
        (call(), candidate()).prop_map(|(call, candidate)| ClientMessage::Candidate { call, candidate }),
        (call(), sdp_kind(), any::<String>()).prop_map(|(call, kind, sdp)| ClientMessage::Description {
            call,
            kind,
            sdp
        }),
        (call(), select(CancelReason::ALL)).prop_map(|(call, reason)| ClientMessage::Cancel { call, reason }),
        call().prop_map(|call| ClientMessage::Released { call }),
        call_ticket().prop_map(|ticket| ClientMessage::Claim { ticket }),
        (any::<String>(), prop::collection::vec(any::<String>(), 0..4))
            .prop_map(|(query, names)| ClientMessage::Watch { query, names }),
        Just(ClientMessage::Ping),
    ]
}

/// Any message of a server.
pub fn server() -> impl Strategy<Value = ServerMessage> {
    let users = || prop::collection::vec(user(), 0..4);
    let total = || any::<Option<u32>>();
    prop_oneof![
        (user(), session_ticket(), ice_servers(), any::<(u32, u32)>(), users(), total()).prop_map(
            |(me, ticket, ice_servers, (message_bytes, messages_per_second), users, total)| {
                let limits = Limits { message_bytes, messages_per_second };
                ServerMessage::Welcome { me, ticket, ice_servers, limits, users, total }
            }
        ),
        ice_servers().prop_map(|ice_servers| ServerMessage::IceServers { ice_servers }),
        session_ticket().prop_map(|ticket| ServerMessage::Ticket { ticket }),
        (select(RefusedCode::ALL), any::<String>())
            .prop_map(|(code, message)| ServerMessage::Refused { code, message }),
        (users(), total()).prop_map(|(changes, total)| ServerMessage::Presence { changes, total }),
        (users(), total()).prop_map(|(users, total)| ServerMessage::Roster { users, total }),
        (call(), user(), media()).prop_map(|(call, from, media)| ServerMessage::Offering { call, from, media }),
        (user(), media()).prop_map(|(from, media)| ServerMessage::Missed { from, media }),
        (call(), token()).prop_map(|(call, to)| ServerMessage::Ringing { call, to }),
        (call(), media()).prop_map(|(call, media)| ServerMessage::Accepted { call, media }),
        (call(), any::<String>(), call_ticket()).prop_map(|(call, sdp, ticket)| ServerMessage::Confirm {
            call,
            sdp,
            ticket
        }),
        (call(), any::<String>(), call_ticket()).prop_map(|(call, sdp, ticket)| ServerMessage::Calling {
            call,
            sdp,
            ticket
        }),
        (call(), candidate()).prop_map(|(call, candidate)| ServerMessage::Candidate { call, candidate }),
        (call(), sdp_kind(), any::<String>()).prop_map(|(call, kind, sdp)| ServerMessage::Description {
            call,
            kind,
            sdp
        }),
        (call(), select(EndReason::ALL)).prop_map(|(call, reason)| ServerMessage::Ended { call, reason }),
        call().prop_map(|call| ServerMessage::Claimed { call }),
        (select(ErrorCode::ALL), any::<String>(), prop::option::of(any::<String>()), prop::option::of(call()))
            .prop_map(|(code, message, about, call)| ServerMessage::Error { code, message, about, call }),
        Just(ServerMessage::Pong),
    ]
}

fn call() -> impl Strategy<Value = CallId> {
    any::<u64>().prop_map(CallId)
}

fn token() -> impl Strategy<Value = Token> {
    (0_u64..1 << 53).prop_map(Token)
}

fn session_ticket() -> impl Strategy<Value = SessionTicket> {
    any::<String>().prop_map(|text| SessionTicket::new(&text))
}

fn call_ticket() -> impl Strategy<Value = CallTicket> {
    any::<String>().prop_map(|text| CallTicket::new(&text))
}

fn secret() -> impl Strategy<Value = Secret> {
    ".{0,200}".prop_filter_map("longer than the longest secret", |text| Secret::new(&text).ok())
}

fn media() -> impl Strategy<Value = MediaKind> {
    select(&[MediaKind::Video, MediaKind::Voice][..])
}

fn sdp_kind() -> impl Strategy<Value = SdpKind> {
    select(&[SdpKind::Offer, SdpKind::Answer][..])
}

fn name() -> impl Strategy<Value = Name> {
    "\\PC{1,40}".prop_filter_map("a valid name", |typed| Name::new(&typed).ok())
}

fn user() -> impl Strategy<Value = User> {
    (token(), name(), select(&UserState::ALL[..])).prop_map(|(token, name, state)| User { token, name, state })
}

fn candidate() -> impl Strategy<Value = IceCandidate> {
    let text = || prop::option::of(any::<String>());
    (any::<String>(), text(), any::<Option<u16>>(), text()).prop_map(
        |(candidate, sdp_mid, sdp_m_line_index, username_fragment)| IceCandidate {
            candidate,
            sdp_mid,
            sdp_m_line_index,
            username_fragment,
        },
    )
}

fn ice_servers() -> impl Strategy<Value = Vec<IceServer>> {
    prop::collection::vec(ice_server(), 0..3)
}

fn ice_server() -> impl Strategy<Value = IceServer> {
    let text = || prop::option::of(any::<String>());
    (prop::collection::vec(any::<String>(), 0..3), text(), text()).prop_map(|(urls, username, credential)| IceServer {
        urls,
        username,
        credential,
    })
}
