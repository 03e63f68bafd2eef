//! Figures for the scoreboard in docs/SECURITY.md, measured on the real program. `cargo xtask bench security` runs these tests and
//! prints their rows.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hutong_protocol::{ClientMessage, RefusedCode, ServerMessage, SessionTicket};
use tokio::{net::TcpStream, time::Instant};

use crate::{
    common::{TestClient, http_request, log_out, program::ServerProgram, with_timeout},
    restart::{RestartScenario, free_port, start},
};

/// Largest p95 of the time until a call is back, after the server listens again. Clients spread their attempts.
const RECOVERY: Duration = Duration::from_secs(10);

/// Time within which a health check must be answered: probes give up soon after.
const HEALTH: Duration = Duration::from_secs(1);

/// The time that this share of the times does not exceed.
fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1]
}

/// Prints and checks how many calls are back, and how soon.
async fn report_recovery(event: &str, scenario: RestartScenario, since: Instant) {
    let recovery = scenario.recover(since).await;
    assert_eq!(recovery.survived, recovery.calls, "{event}");
    let mut times = recovery.times;
    let p95 = percentile(&mut times, 0.95);
    println!(
        "| calls that survive {event}; p95 until both sides have it back | 50 of 50; {} s | {} of {}; {:.1} s |",
        RECOVERY.as_secs(),
        recovery.survived,
        recovery.calls,
        p95.as_secs_f64()
    );
    assert!(p95 <= RECOVERY, "{event}: {p95:?}");
}

#[tokio::test]
#[ignore = "measures"]
async fn scoreboard_calls_survive_signals() {
    for (event, signal, offset) in [("SIGKILL", "-KILL", 2), ("SIGTERM", "-TERM", 3)] {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port() + offset));
        let first = start(address, &key).await;
        let scenario = RestartScenario::in_calls(address, address).await;
        first.signal(signal).await;
        first.wait().await;
        scenario.wait_until_lost().await;
        let _second = start(address, &key).await;
        report_recovery(event, scenario, Instant::now()).await;
    }
}

/// A file system of its own in a file. Unmounted on drop.
struct Disk {
    image: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    fn mount(image: PathBuf, mounted: PathBuf) -> Self {
        std::fs::create_dir_all(&mounted).unwrap();
        // The image has what a disk would have stored. The file system writes nothing to it by itself, only what is synced.
        run("mount", &["-o", "loop,commit=300,noauto_da_alloc"], &[&image, &mounted]);
        Self { image, mounted }
    }

    fn create(directory: &Path) -> Self {
        let image = directory.join("disk");
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run("mkfs.ext4", &["-q"], &[&image]);
        Self::mount(image, directory.join("mounted"))
    }

    /// What remains of it when the power fails now: the unsynced writes are lost.
    fn after_power_cut(&self, directory: &Path) -> Self {
        let image = directory.join("after");
        std::fs::copy(&self.image, &image).unwrap();
        Self::mount(image, directory.join("mounted-after"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["--lazy"], &[&self.mounted]);
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) {
    let output = Command::new(program).args(options).args(paths).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "measures; mounts a file system, as root"]
async fn scoreboard_calls_survive_a_power_cut() {
    let directory = tempfile::tempdir().unwrap();
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        for what in ["calls that survive a power cut", "a ticket revoked a second before a power cut is valid after it"]
        {
            println!("| {what} | | not measured: only root can mount a file system |");
        }
        return;
    }
    let disk = Disk::create(directory.path());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port() + 4));
    let first = start(address, &disk.mounted.join("key")).await;
    let scenario = RestartScenario::in_calls(address, address).await;
    let (leaver, login) = TestClient::login(address, "Leaver").await;
    log_out(leaver).await;
    // The condition of the row: the logout was a second before.
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Shows that what was not synced is lost.
    std::fs::write(disk.mounted.join("unsynced"), "lost").unwrap();
    first.signal("-KILL").await;
    let after = disk.after_power_cut(directory.path());
    first.wait().await;
    scenario.wait_until_lost().await;
    assert!(!after.mounted.join("unsynced").exists(), "an unsynced file has survived, so this proves nothing");
    let _second = start(address, &after.mounted.join("key")).await;
    let since = Instant::now();
    assert!(!is_accepted(address, "Leaver", login.ticket).await, "the ticket is valid after the power cut");
    println!("| a ticket revoked a second before a power cut is valid after it | no | no |");
    report_recovery("a power cut", scenario, since).await;
}

/// Whether somebody else's copy of a ticket resumes the session.
async fn is_accepted(address: SocketAddr, name: &str, ticket: SessionTicket) -> bool {
    let mut copy = TestClient::open(address).await;
    copy.send(&ClientMessage::Hello { name: name.to_owned(), resume: Some(ticket), secret: None, replace: false })
        .await;
    match copy.receive().await {
        ServerMessage::Welcome { .. } => true,
        ServerMessage::Refused { code: RefusedCode::TicketInvalid, .. } => false,
        other => panic!("expected a reply to hello, received {other:?}"),
    }
}

/// Opens connections until the program logs that it lacks something.
async fn connect(program: &ServerProgram, count: usize, lack: &str) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(with_timeout("TCP connect", TcpStream::connect(program.address)).await.unwrap());
    }
    program.wait_for_log(lack, 1).await;
    connections
}

/// Times of two hundred health checks.
async fn health_checks(address: SocketAddr) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        assert_eq!(http_request(address, "GET /healthz", &[]).await.text(), "ok");
        times.push(start.elapsed());
    }
    times
}

fn report_health(state: &str, mut times: Vec<Duration>) {
    let in_time = times.iter().filter(|time| **time <= HEALTH).count();
    let p99 = percentile(&mut times, 0.99);
    println!(
        "| health checks answered within 1 s {state}; p99 | 100 %; 1 s | {} %; {:.1} ms |",
        in_time * 100 / times.len(),
        p99.as_secs_f64() * 1_000.0
    );
    assert_eq!(in_time, times.len(), "{state}");
}

#[tokio::test]
#[ignore = "measures"]
async fn scoreboard_health_checks_of_a_full_server() {
    let program = ServerProgram::start_with_shell("ulimit -n 20000; exec \"$0\" \"$@\"", &["--max-users", "1"]).await;
    // One user's place, 5,120 others, and a connection that is refused. Those from loopback are not limited.
    let _taken = connect(&program, 5_122, "all connection places are taken").await;
    report_health("while all places are taken", health_checks(program.address).await);
}

#[tokio::test]
#[ignore = "measures"]
async fn scoreboard_health_checks_without_descriptors() {
    let program = ServerProgram::start_with_shell("ulimit -n 64; exec \"$0\"", &[]).await;
    let _taken = connect(&program, 64, "without a free file descriptor").await;
    report_health("without free descriptors", health_checks(program.address).await);
}

#[tokio::test]
#[ignore = "measures"]
async fn scoreboard_a_ticket_after_logout() {
    let program = ServerProgram::start(&[]).await;
    let mut accepted = 0;
    for number in 0..100 {
        let name = format!("person {number}");
        let (client, login) = TestClient::login(program.address, &name).await;
        log_out(client).await;
        accepted += usize::from(is_accepted(program.address, &name, login.ticket).await);
    }
    println!("| seconds that a ticket lives after logout | 0 | 0 ({accepted} of 100 accepted) |");
    assert_eq!(accepted, 0);
}
