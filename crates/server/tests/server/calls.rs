//! Login, presence and calls over real sockets.

use hutong_protocol::{
    CancelReason, ClientMessage, EndReason, ErrorCode, IceCandidate, MediaKind, RefusedCode, ServerMessage, UserState,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{TestClient, call_and_hang_up, set_up_call, start_server, start_server_with};

#[tokio::test]
async fn logins_and_disconnects_are_announced_to_other_users() {
    let server = start_server().await;
    let (mut ana, ana_login) = TestClient::login(server.local_addr(), "Ana").await;
    assert!(ana_login.users.is_empty());
    let (bo, bo_login) = TestClient::login(server.local_addr(), " 小波 ").await;
    assert_eq!(bo_login.me.name.as_str(), "小波");
    assert_eq!(bo_login.users, [ana_login.me]);
    ana.wait_for_state(bo_login.me.token, UserState::Online).await;
    assert_eq!(server.users_online(), 2);
    drop(bo);
    ana.wait_for_state(bo_login.me.token, UserState::Offline).await;
    assert_eq!(server.users_online(), 1);
}

#[tokio::test]
async fn a_call_is_set_up_relays_candidates_and_ends() {
    let server = start_server().await;
    let (mut ana, ana_login) = TestClient::login(server.local_addr(), "Ana").await;
    let (mut bo, bo_login) = TestClient::login(server.local_addr(), "Bo").await;
    let (mut cy, _) = TestClient::login(server.local_addr(), "Cy").await;
    let call = set_up_call(&mut ana, &mut bo, bo_login.me.token).await;
    cy.wait_for_state(ana_login.me.token, UserState::InCall).await;

    let candidate = IceCandidate {
        candidate: "candidate:1 1 UDP 1 192.0.2.1 9 typ host".into(),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: Some(0),
        username_fragment: None,
    };
    for number in 0..20 {
        let candidate = IceCandidate { sdp_m_line_index: Some(number), ..candidate.clone() };
        ana.send(&ClientMessage::Candidate { call, candidate }).await;
    }
    for number in 0..20 {
        let received = bo
            .wait_for(|message| match message {
                ServerMessage::Candidate { candidate, .. } => Some(candidate.sdp_m_line_index),
                _ => None,
            })
            .await;
        assert_eq!(received, Some(number), "candidates arrive in order");
    }

    cy.send(&ClientMessage::Offering { to: bo_login.me.token, media: MediaKind::Video }).await;
    assert_eq!(cy.next_error().await, (ErrorCode::Busy, Some("offering".into())));

    ana.send(&ClientMessage::Cancel { call, reason: CancelReason::Hangup }).await;
    let reason = bo
        .wait_for(|message| match message {
            ServerMessage::Ended { reason, .. } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, EndReason::Hangup);
    ana.send(&ClientMessage::Released { call }).await;
    bo.send(&ClientMessage::Released { call }).await;
    cy.wait_for_state(bo_login.me.token, UserState::Online).await;
    drop(cy);
    call_and_hang_up(&mut bo, &mut ana, ana_login.me.token).await;
}

#[tokio::test]
async fn a_caller_that_disconnects_while_ringing_ends_the_call() {
    let server = start_server().await;
    let (mut ana, _) = TestClient::login(server.local_addr(), "Ana").await;
    let (mut bo, bo_login) = TestClient::login(server.local_addr(), "Bo").await;
    ana.send(&ClientMessage::Offering { to: bo_login.me.token, media: MediaKind::Video }).await;
    bo.wait_for(|message| matches!(message, ServerMessage::Offering { .. }).then_some(())).await;
    drop(ana);
    let reason = bo
        .wait_for(|message| match message {
            ServerMessage::Ended { reason, .. } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, EndReason::Gone);
}

#[tokio::test]
async fn a_session_ticket_replaces_the_old_connection() {
    let server = start_server().await;
    let (mut old, login) = TestClient::login(server.local_addr(), "Ana").await;
    let mut new = TestClient::open(server.local_addr()).await;
    new.send(&ClientMessage::Hello { name: "Ana".into(), resume: Some(login.ticket), secret: None, replace: false })
        .await;
    assert_eq!(new.expect_welcome().await.me.token, login.me.token);
    old.expect_refused(RefusedCode::Replaced, CloseCode::Policy).await;
    assert_eq!(server.users_online(), 1);
}

#[tokio::test]
async fn a_full_server_refuses_a_login() {
    let server = start_server_with(|options| options.max_users = 1).await;
    let (_ana, _) = TestClient::login(server.local_addr(), "Ana").await;
    let mut bo = TestClient::open(server.local_addr()).await;
    bo.send(&ClientMessage::Hello { name: "Bo".into(), resume: None, secret: None, replace: false }).await;
    bo.expect_refused(RefusedCode::Full, CloseCode::Again).await;
}

#[tokio::test]
async fn the_largest_user_limit_is_accepted() {
    let server = start_server_with(|options| options.max_users = usize::MAX).await;
    TestClient::login(server.local_addr(), "Ana").await;
}

#[tokio::test]
async fn welcome_contains_the_ice_servers() {
    let stun =
        hutong_protocol::IceServer { urls: vec!["stun:127.0.0.1:3478".into()], username: None, credential: None };
    let server = start_server_with(|options| options.ice_servers = vec![stun.clone()]).await;
    let mut ana = TestClient::open(server.local_addr()).await;
    ana.send(&ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None, replace: false }).await;
    match ana.receive().await {
        ServerMessage::Welcome { ice_servers, .. } => assert_eq!(ice_servers, [stun]),
        other => panic!("{other:?}"),
    }
}
