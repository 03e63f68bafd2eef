//! What the program writes of itself: for people or for programs, and nothing about people.

use hutong_protocol::{ClientMessage, RefusedCode, SUBPROTOCOL, ServerMessage, Ticket};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::common::{Client, program::Program, set_up_call};

/// What must stay out of a log.
#[derive(Default)]
struct Private {
    /// Who somebody is.
    people: Vec<String>,
    /// What gives a right, or tells of devices and networks.
    secrets: Vec<String>,
}

/// Everybody does what they can, well and badly, until the program ends. Gives what it wrote, and what must not be in it.
async fn a_day_with(arguments: &[&str]) -> (String, Private) {
    let program = Program::start(arguments).await;
    let address = program.address;
    let mut private = Private::default();
    let mut opened = Vec::new();
    for name in ["Ana Nás", "Bo Tië"] {
        let stream = TcpStream::connect(address).await.unwrap();
        private.people.extend([name.to_owned(), stream.local_addr().unwrap().to_string()]);
        let headers = [("sec-websocket-protocol", SUBPROTOCOL)];
        let mut client = Client::open_over(Box::new(stream), &format!("ws://{address}/ws"), &headers).await.unwrap();
        client.send(&ClientMessage::Hello { name: name.into(), resume: None, secret: None }).await;
        let login = client.welcome().await;
        private.people.push(login.me.token.to_string());
        private.secrets.push(login.ticket.as_str().to_owned());
        opened.push((client, login));
    }
    let (mut bo, bo_login) = opened.pop().unwrap();
    let (mut ana, ana_login) = opened.pop().unwrap();

    let call = set_up_call(&mut ana, &mut bo, bo_login.me.token).await;
    private.secrets.push("v=0".into());
    bo.send(&ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp: "o=secretive".into() })
        .await;
    let ticket = ana
        .wait_for(|message| match message {
            ServerMessage::Description { sdp, .. } => Some(sdp),
            _ => None,
        })
        .await;
    private.secrets.push(ticket);

    for bad in [
        r#"{"type":"hello","name":"Eve Zdropper"}"#,
        r#"{"type":"Eve Zdropper"}"#,
        r#"{"type":"claim","ticket":"c1.forged.ticket"}"#,
        r#"{"type":"confirm","call":"Eve Zdropper","sdp":"v=0"}"#,
        "Eve Zdropper",
    ] {
        ana.send_text(bad).await;
        ana.error().await;
    }
    private.people.push("Zdropper".into());
    private.secrets.push("c1.forged".into());
    for (name, resume) in [
        (bo_login.me.name.as_str(), None),
        ("Eve\u{202e}Zdropper", None),
        ("Eve Zdropper", Some(Ticket::new("u1.forged.ticket"))),
    ] {
        let mut eve = Client::open(address).await;
        eve.send(&ClientMessage::Hello { name: name.into(), resume, secret: None }).await;
        eve.end().await;
    }
    private.secrets.push("u1.forged".into());
    let mut again = Client::open(address).await;
    again.send(&ClientMessage::Hello { name: "Ana Nás".into(), resume: Some(ana_login.ticket), secret: None }).await;
    again.welcome().await;
    ana.is_refused(RefusedCode::Replaced, CloseCode::Policy).await;
    drop(bo);
    program.signal("-TERM").await;
    again.is_refused(RefusedCode::ShuttingDown, CloseCode::Away).await;
    drop((ana, again));
    (program.ended().await.1, private)
}

#[track_caller]
fn has_none_of(log: &str, private: &[String]) {
    for text in private {
        assert!(!log.contains(text.as_str()), "{text} is in the log: {log}");
    }
}

#[tokio::test]
async fn people_are_not_in_the_log() {
    for format in ["human", "json"] {
        let (log, private) = a_day_with(&["--log", "info", "--log-format", format]).await;
        assert!(log.contains("listening on"), "{log}");
        has_none_of(&log, &private.people);
        has_none_of(&log, &private.secrets);
    }
}

#[tokio::test]
async fn secrets_are_not_even_in_a_log_of_everything() {
    let (log, private) = a_day_with(&["--log", "trace"]).await;
    assert!(log.contains("DEBUG"), "{log}");
    has_none_of(&log, &private.secrets);
}

#[tokio::test]
async fn a_log_for_programs_is_an_object_a_line() {
    let (log, _) = a_day_with(&["--log", "debug", "--log-format", "json"]).await;
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
