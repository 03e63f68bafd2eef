//! Partial rosters: subscriptions and search, over real sockets.

use hutong_protocol::{ClientMessage, ServerMessage, User, UserState};

use crate::common::{TestClient, set_up_call, start_server_with};

/// Waits for a roster. Returns its users and the total.
async fn wait_for_roster(client: &mut TestClient) -> (Vec<User>, Option<u32>) {
    client
        .wait_for(|message| match message {
            ServerMessage::Roster { users, total } => Some((users, total)),
            _ => None,
        })
        .await
}

fn names(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.name.as_str()).collect()
}

#[tokio::test]
async fn beyond_the_roster_limit_a_client_can_subscribe_search_and_call() {
    let server = start_server_with(|options| options.whole_roster = 3).await;
    let address = server.local_addr();
    let (mut ana, _) = TestClient::login(address, "Ana").await;
    let mut others = Vec::new();
    for name in ["Bo", "Cy", "王小明"] {
        others.push(TestClient::login(address, name).await);
    }
    let (_, total) = wait_for_roster(&mut ana).await;
    assert_eq!(total, Some(4), "the roster is partial, so it has a total");

    ana.send(&ClientMessage::Watch { query: "明".into(), names: vec!["Di".into()] }).await;
    let (found, total) = wait_for_roster(&mut ana).await;
    assert_eq!((names(&found), total), (vec!["王小明"], Some(4)));

    let (di, di_login) = TestClient::login(address, "di").await;
    ana.wait_for_state(di_login.me.token, UserState::Online).await;
    drop(di);
    ana.wait_for_state(di_login.me.token, UserState::Offline).await;

    let (ming, login) = others.last_mut().unwrap();
    set_up_call(&mut ana, ming, login.me.token).await;
    ana.wait_for_state(login.me.token, UserState::InCall).await;
}
