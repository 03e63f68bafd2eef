//! Log of the program: its formats, and the private data that it must not contain.

use hutong_protocol::{ClientMessage, RefusedCode, SUBPROTOCOL, ServerMessage, SessionTicket};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{TestClient, program::ServerProgram, set_up_call};

/// Data that must stay out of the log.
#[derive(Default)]
struct PrivateData {
    /// Names, addresses and tokens of users.
    identities: Vec<String>,
    /// Tickets and session descriptions.
    secrets: Vec<String>,
}

/// Runs the program through logins, a call, invalid input and a stop. Returns its log, and the data that must not be in it.
async fn run_scenario(arguments: &[&str]) -> (String, PrivateData) {
    let program = ServerProgram::start(arguments).await;
    let address = program.address;
    let mut private = PrivateData::default();
    let mut clients = Vec::new();
    for name in ["Ana Nás", "Bo Tië"] {
        let stream = TcpStream::connect(address).await.unwrap();
        private.identities.extend([name.to_owned(), stream.local_addr().unwrap().to_string()]);
        let headers = [("sec-websocket-protocol", SUBPROTOCOL)];
        let mut client =
            TestClient::open_over(Box::new(stream), &format!("ws://{address}/ws"), &headers).await.unwrap();
        client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None, replace: false }).await;
        let login = client.expect_welcome().await;
        private.identities.push(login.me.token.to_string());
        private.secrets.push(login.ticket.as_str().to_owned());
        clients.push((client, login));
    }
    let (mut bo, bo_login) = clients.pop().unwrap();
    let (mut ana, ana_login) = clients.pop().unwrap();

    let call = set_up_call(&mut ana, &mut bo, bo_login.me.token).await;
    private.secrets.push("v=0".into());
    bo.send(&ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp: "o=secretive".into() })
        .await;
    let description = ana
        .wait_for(|message| match message {
            ServerMessage::Description { sdp, .. } => Some(sdp),
            _ => None,
        })
        .await;
    private.secrets.push(description);

    for bad in [
        r#"{"type":"hello","name":"Eve Zdropper"}"#,
        r#"{"type":"Eve Zdropper"}"#,
        r#"{"type":"claim","ticket":"c1.forged.ticket"}"#,
        r#"{"type":"confirm","call":"Eve Zdropper","sdp":"v=0"}"#,
        "Eve Zdropper",
    ] {
        ana.send_text(bad).await;
        ana.next_error().await;
    }
    private.identities.push("Zdropper".into());
    private.secrets.push("c1.forged".into());
    for (name, resume) in [
        (bo_login.me.name.as_str(), None),
        ("Eve\u{202e}Zdropper", None),
        ("Eve Zdropper", Some(SessionTicket::new("u1.forged.ticket"))),
    ] {
        let mut eve = TestClient::open(address).await;
        eve.send(&ClientMessage::Hello { name: name.into(), resume, secret: None, replace: false }).await;
        eve.wait_for_close().await;
    }
    private.secrets.push("u1.forged".into());
    let mut resumed = TestClient::open(address).await;
    resumed
        .send(&ClientMessage::Hello {
            name: "Ana Nás".into(),
            resume: Some(ana_login.ticket),
            secret: None,
            replace: false,
        })
        .await;
    resumed.expect_welcome().await;
    ana.expect_refused(RefusedCode::Replaced, CloseCode::Policy).await;
    drop(bo);
    program.signal("-TERM").await;
    resumed.expect_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    drop((ana, resumed));
    (program.wait().await.1, private)
}

#[track_caller]
fn assert_contains_none(log: &str, private: &[String]) {
    for text in private {
        assert!(!log.contains(text.as_str()), "{text} is in the log: {log}");
    }
}

#[tokio::test]
async fn identities_stay_out_of_the_info_log() {
    for format in ["human", "json"] {
        let (log, private) = run_scenario(&["--log", "info", "--log-format", format]).await;
        assert!(log.contains("listening on"), "{log}");
        assert_contains_none(&log, &private.identities);
        assert_contains_none(&log, &private.secrets);
    }
}

#[tokio::test]
async fn secrets_stay_out_of_the_trace_log() {
    let (log, private) = run_scenario(&["--log", "trace"]).await;
    assert!(log.contains("DEBUG"), "{log}");
    assert_contains_none(&log, &private.secrets);
}

#[tokio::test]
async fn the_json_log_has_one_object_a_line() {
    let (log, _) = run_scenario(&["--log", "debug", "--log-format", "json"]).await;
    let mut levels = Vec::new();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line.get(field).is_some_and(serde_json::Value::is_string), "{field}: {line}");
        }
        levels.push(line.get("level").unwrap().as_str().unwrap().to_owned());
    }
    assert!(levels.contains(&"INFO".to_owned()) && levels.contains(&"DEBUG".to_owned()), "{levels:?}");
}
