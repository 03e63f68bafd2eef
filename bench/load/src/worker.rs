//! Worker process: thousands of clients on one thread.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, stdin, stdout},
    sync::mpsc::{self, UnboundedReceiver},
    task::{JoinSet, LocalSet, spawn_local},
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::{
    connect::{ClientTls, LoadSocket, TargetAddress, open},
    protocols::{LoginMode, OutgoingTexts, Protocol, ProtocolClient},
    worker_protocol::{WorkerCommand, WorkerReply},
    worker_state::{ClientAction, WorkerState, is_caller, pair_of, partner_of},
};

/// Time limit for calls in progress after the last one is scheduled.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Hutong's answer to a heartbeat.
const PONG: &str = r#"{"type":"pong"}"#;

type SharedState = Rc<RefCell<WorkerState>>;

/// Executes commands from the standard input until it ends.
///
/// # Errors
///
/// Returns an error when a command is invalid, or a reply cannot be written.
pub async fn run() -> Result<()> {
    LocalSet::new()
        .run_until(async {
            let state = SharedState::default();
            let tls = ClientTls::new()?;
            let mut lines = BufReader::new(stdin()).lines();
            let mut out = stdout();
            while let Some(line) = lines.next_line().await? {
                let reply = execute(serde_json::from_str(&line)?, &state, &tls).await?;
                let mut text = serde_json::to_vec(&reply)?;
                text.push(b'\n');
                out.write_all(&text).await?;
                out.flush().await?;
            }
            Ok(())
        })
        .await
}

async fn execute(command: WorkerCommand, state: &SharedState, tls: &ClientTls) -> Result<WorkerReply> {
    match command {
        WorkerCommand::Open { target, protocol, mode, numbers, total_clients, concurrency } => {
            let settings = ClientSettings { target, protocol, mode, total_clients };
            Ok(open_all(settings, numbers, concurrency, state, tls).await)
        }
        WorkerCommand::Count => Ok(WorkerReply::Counted(state.borrow().counts)),
        WorkerCommand::Call { rate, warm_up, seconds, sdp } => run_calls(rate, warm_up, seconds, sdp, state).await,
        WorkerCommand::Churn { rate, seconds } => run_churn(rate, seconds, state).await,
    }
}

#[derive(Clone, Copy)]
struct ClientSettings {
    target: TargetAddress,
    protocol: Protocol,
    mode: LoginMode,
    total_clients: u32,
}

async fn open_all(
    settings: ClientSettings,
    numbers: Vec<u32>,
    concurrency: usize,
    state: &SharedState,
    tls: &ClientTls,
) -> WorkerReply {
    let numbers = Rc::new(RefCell::new(numbers.into_iter()));
    let errors = Rc::new(RefCell::new(Vec::new()));
    let mut openers = JoinSet::new();
    for _ in 0..concurrency.max(1) {
        let (numbers, errors, state, tls) = (numbers.clone(), errors.clone(), state.clone(), tls.clone());
        openers.spawn_local(async move {
            loop {
                let next = numbers.borrow_mut().next();
                let Some(number) = next else { return };
                let path = settings.protocol.path(number, settings.mode);
                match open(settings.target, &tls, number, &path, settings.protocol.subprotocol()).await {
                    Ok(socket) => {
                        let client = settings.protocol.client(number, settings.mode, settings.total_clients);
                        let (action_sender, actions) = mpsc::unbounded_channel();
                        state.borrow_mut().add_client(number, action_sender);
                        spawn_local(run_client(number, socket, client, actions, state.clone()));
                    }
                    Err(error) => errors.borrow_mut().push(format!("{error:#}")),
                }
            }
        });
    }
    openers.join_all().await;
    let errors = errors.borrow();
    WorkerReply::Opened { failed: errors.len(), problem: errors.first().cloned() }
}

/// Runs one client until its connection closes: passes it texts and actions, and sends what it returns.
async fn run_client(
    number: u32,
    mut socket: LoadSocket,
    mut client: Box<dyn ProtocolClient>,
    mut actions: UnboundedReceiver<ClientAction>,
    state: SharedState,
) {
    let mut out = OutgoingTexts::new();
    client.on_open(&mut state.borrow_mut(), &mut out);
    let heartbeat = client.heartbeat();
    let mut last_received = tokio::time::Instant::now();
    loop {
        if !out.is_empty() && send_all(&mut socket, &mut out).await.is_none() {
            break;
        }
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    last_received = tokio::time::Instant::now();
                    let mut state = state.borrow_mut();
                    // Heartbeats are not counted; a single character is socket.io's.
                    if text.len() > 1 && text != PONG {
                        state.counts.messages += 1;
                        state.counts.bytes += text.len() as u64;
                    }
                    client.on_text(&text, &mut state, &mut out);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            text = heartbeat_due(heartbeat.as_ref(), last_received) => {
                last_received = tokio::time::Instant::now();
                out.push(text);
            }
            Some(action) = actions.recv() => client.on_action(action, &mut state.borrow_mut(), &mut out),
        }
    }
    let mut state = state.borrow_mut();
    client.on_close(&mut state);
    state.remove_client(number);
}

/// Waits until the heartbeat is due, and returns its text.
async fn heartbeat_due(heartbeat: Option<&(Duration, Utf8Bytes)>, last_received: tokio::time::Instant) -> Utf8Bytes {
    match heartbeat {
        Some((silence, text)) => {
            tokio::time::sleep_until(last_received + *silence).await;
            text.clone()
        }
        None => std::future::pending().await,
    }
}

async fn send_all(socket: &mut LoadSocket, out: &mut OutgoingTexts) -> Option<()> {
    for text in out.drain(..) {
        socket.feed(Message::Text(text)).await.ok()?;
    }
    socket.flush().await.ok()
}

async fn run_calls(rate: f64, warm_up: f64, seconds: f64, sdp: usize, state: &SharedState) -> Result<WorkerReply> {
    let pairs = {
        let state = state.borrow();
        let numbers = state.client_numbers();
        let has_partner = |number: &u32| is_caller(*number) && numbers.binary_search(&partner_of(*number)).is_ok();
        numbers.iter().copied().filter(has_partner).map(pair_of).collect::<Vec<_>>()
    };
    ensure!(!pairs.is_empty(), "cannot run calls: no caller and callee are connected");
    let start = Instant::now() + Duration::from_millis(20);
    let from = start + Duration::from_secs_f64(warm_up);
    let until = from + Duration::from_secs_f64(seconds);
    state.borrow_mut().schedule.start(pairs, sdp, from, until)?;
    let mut due_times = schedule(rate, start, until);
    while let Some(scheduled_at) = due_times.recv().await {
        state.borrow_mut().schedule_call(scheduled_at);
    }
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    while !state.borrow().schedule.is_done() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let results = state.borrow_mut().schedule.end(Instant::now());
    Ok(WorkerReply::Called(results))
}

async fn run_churn(rate: f64, seconds: f64, state: &SharedState) -> Result<WorkerReply> {
    let numbers = state.borrow().client_numbers();
    ensure!(!numbers.is_empty(), "cannot run the churn: no client is connected");
    let start = Instant::now() + Duration::from_millis(20);
    let mut due_times = schedule(rate, start, start + Duration::from_secs_f64(seconds));
    let mut changes = 0;
    let mut logged_out = None;
    let mut next_client = numbers.iter().cycle();
    while due_times.recv().await.is_some() {
        let (number, action) = match logged_out.take() {
            Some(number) => (number, ClientAction::LogIn),
            None => {
                let Some(number) = next_client.next().copied() else { break };
                logged_out = Some(number);
                (number, ClientAction::LogOut)
            }
        };
        changes += u64::from(state.borrow().send_action(number, action));
    }
    // The last client that logged out logs in again.
    if let Some(number) = logged_out {
        changes += u64::from(state.borrow().send_action(number, ClientAction::LogIn));
    }
    Ok(WorkerReply::Churned { changes })
}

/// Emits the times of an open-loop schedule, each when it is due. It runs on a thread, because the runtime's timers
/// have steps of 1 ms, a fifth of the latency target.
fn schedule(rate: f64, start: Instant, until: Instant) -> UnboundedReceiver<Instant> {
    let (due_times, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for count in 0_u64.. {
            let due = start + Duration::from_secs_f64(count as f64 / rate);
            if due >= until {
                return;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if due_times.send(due).is_err() {
                return;
            }
        }
    });
    receiver
}
