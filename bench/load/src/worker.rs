//! One process of the generator: thousands of clients on one thread.

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
use tokio_tungstenite::tungstenite::Message;

use crate::{
    command::{Answer, Command},
    link::{Socket, Target, Tls, open},
    speak::{Entry, Protocol, Say, Speaker},
    world::{Order, World, is_caller, pair, partner},
};

/// How long calls that are under way may take when the last has been asked for.
const LAST_CALLS: Duration = Duration::from_secs(3);

type Shared = Rc<RefCell<World>>;

/// Does what it is told until its input ends.
///
/// # Errors
///
/// When it is told what is no command, or cannot answer.
pub async fn work() -> Result<()> {
    LocalSet::new()
        .run_until(async {
            let world = Shared::default();
            let tls = Tls::new()?;
            let mut lines = BufReader::new(stdin()).lines();
            let mut out = stdout();
            while let Some(line) = lines.next_line().await? {
                let answer = obey(serde_json::from_str(&line)?, &world, &tls).await?;
                let mut text = serde_json::to_vec(&answer)?;
                text.push(b'\n');
                out.write_all(&text).await?;
                out.flush().await?;
            }
            Ok(())
        })
        .await
}

async fn obey(command: Command, world: &Shared, tls: &Tls) -> Result<Answer> {
    match command {
        Command::Open { target, protocol, entry, numbers, everybody, at_once } => {
            let who = Who { target, protocol, entry, everybody };
            Ok(open_all(who, numbers, at_once, world, tls).await)
        }
        Command::Count => Ok(Answer::Counted(world.borrow().counts)),
        Command::Call { rate, warm_up, seconds, sdp } => call(rate, warm_up, seconds, sdp, world).await,
        Command::Churn { rate, seconds } => churn(rate, seconds, world).await,
    }
}

#[derive(Clone, Copy)]
struct Who {
    target: Target,
    protocol: Protocol,
    entry: Entry,
    everybody: u32,
}

async fn open_all(who: Who, numbers: Vec<u32>, at_once: usize, world: &Shared, tls: &Tls) -> Answer {
    let numbers = Rc::new(RefCell::new(numbers.into_iter()));
    let problems = Rc::new(RefCell::new(Vec::new()));
    let mut openers = JoinSet::new();
    for _ in 0..at_once.max(1) {
        let (numbers, problems, world, tls) = (numbers.clone(), problems.clone(), world.clone(), tls.clone());
        openers.spawn_local(async move {
            loop {
                let next = numbers.borrow_mut().next();
                let Some(number) = next else { return };
                let path = who.protocol.path(number, who.entry);
                match open(who.target, &tls, number, &path, who.protocol.subprotocol()).await {
                    Ok(socket) => {
                        let speaker = who.protocol.speaker(number, who.entry, who.everybody);
                        let (orders, ordered) = mpsc::unbounded_channel();
                        world.borrow_mut().arrive(number, orders);
                        spawn_local(live(number, socket, speaker, ordered, world.clone()));
                    }
                    Err(problem) => problems.borrow_mut().push(format!("{problem:#}")),
                }
            }
        });
    }
    openers.join_all().await;
    let problems = problems.borrow();
    Answer::Opened { failed: problems.len(), problem: problems.first().cloned() }
}

/// A client's life: reads, says what there is to say, does what it is told.
async fn live(
    number: u32,
    mut socket: Socket,
    mut speaker: Box<dyn Speaker>,
    mut ordered: UnboundedReceiver<Order>,
    world: Shared,
) {
    let mut say = Say::new();
    speaker.opened(&mut world.borrow_mut(), &mut say);
    loop {
        if !say.is_empty() && say_all(&mut socket, &mut say).await.is_none() {
            break;
        }
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let mut world = world.borrow_mut();
                    // A single letter is socket.io's ping, and no news.
                    if text.len() > 1 {
                        world.counts.messages += 1;
                        world.counts.bytes += text.len() as u64;
                    }
                    speaker.received(&text, &mut world, &mut say);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            Some(order) = ordered.recv() => speaker.ordered(order, &mut world.borrow_mut(), &mut say),
        }
    }
    let mut world = world.borrow_mut();
    speaker.closed(&mut world);
    world.leave(number);
}

async fn say_all(socket: &mut Socket, say: &mut Say) -> Option<()> {
    for text in say.drain(..) {
        socket.feed(Message::Text(text)).await.ok()?;
    }
    socket.flush().await.ok()
}

async fn call(rate: f64, warm_up: f64, seconds: f64, sdp: usize, world: &Shared) -> Result<Answer> {
    let pairs = {
        let world = world.borrow();
        let numbers = world.numbers();
        let whole = |number: &u32| is_caller(*number) && numbers.binary_search(&partner(*number)).is_ok();
        numbers.iter().copied().filter(whole).map(pair).collect::<Vec<_>>()
    };
    ensure!(!pairs.is_empty(), "nobody to call");
    let begin = Instant::now() + Duration::from_millis(20);
    let from = begin + Duration::from_secs_f64(warm_up);
    let until = from + Duration::from_secs_f64(seconds);
    world.borrow_mut().calls.begin(pairs, sdp, from, until)?;
    let mut moments = schedule(rate, begin, until);
    while let Some(intended) = moments.recv().await {
        world.borrow_mut().ask(intended);
    }
    let last = Instant::now() + LAST_CALLS;
    while !world.borrow().calls.is_done() && Instant::now() < last {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let outcome = world.borrow_mut().calls.end(Instant::now());
    Ok(Answer::Called(outcome))
}

async fn churn(rate: f64, seconds: f64, world: &Shared) -> Result<Answer> {
    let numbers = world.borrow().numbers();
    ensure!(!numbers.is_empty(), "nobody is there");
    let begin = Instant::now() + Duration::from_millis(20);
    let mut moments = schedule(rate, begin, begin + Duration::from_secs_f64(seconds));
    let mut changes = 0;
    let mut coming = None;
    let mut going = numbers.iter().cycle();
    while moments.recv().await.is_some() {
        let (number, order) = match coming.take() {
            Some(number) => (number, Order::LogIn),
            None => {
                let Some(number) = going.next().copied() else { break };
                coming = Some(number);
                (number, Order::LogOut)
            }
        };
        changes += u64::from(world.borrow().order(number, order));
    }
    // Whoever has gone comes back.
    if let Some(number) = coming {
        changes += u64::from(world.borrow().order(number, Order::LogIn));
    }
    Ok(Answer::Churned { changes })
}

/// The moments of an open-loop schedule, each when it has come. A thread of its own: the runtime's timers have steps of a
/// millisecond, which is a fifth of what is to be reached.
fn schedule(rate: f64, begin: Instant, until: Instant) -> UnboundedReceiver<Instant> {
    let (moments, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for count in 0_u64.. {
            let moment = begin + Duration::from_secs_f64(count as f64 / rate);
            if moment >= until {
                return;
            }
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
            if moments.send(moment).is_err() {
                return;
            }
        }
    });
    receiver
}
