//! A part of those online, over real sockets.

use hutong_protocol::{ClientMessage, ServerMessage, User, UserState};

use crate::common::{Client, server_with, set_up_call};

async fn roster(client: &mut Client) -> (Vec<User>, Option<u32>) {
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
async fn past_the_limit_a_client_watches_finds_and_calls() {
    let server = server_with(|options| options.whole_roster = 3).await;
    let address = server.local_addr();
    let (mut ana, _) = Client::login(address, "Ana").await;
    let mut others = Vec::new();
    for name in ["Bo", "Cy", "王小明"] {
        others.push(Client::login(address, name).await);
    }
    let (_, total) = roster(&mut ana).await;
    assert_eq!(total, Some(4), "there is one too many to show everybody");

    ana.send(&ClientMessage::Watch { query: "明".into(), names: vec!["Di".into()] }).await;
    let (found, total) = roster(&mut ana).await;
    assert_eq!((names(&found), total), (vec!["王小明"], Some(4)));

    let (di, di_login) = Client::login(address, "di").await;
    ana.sees(di_login.me.token, UserState::Online).await;
    drop(di);
    ana.sees(di_login.me.token, UserState::Offline).await;

    let (ming, login) = others.last_mut().unwrap();
    set_up_call(&mut ana, ming, login.me.token).await;
    ana.sees(login.me.token, UserState::InCall).await;
}
