//! Performance targets of the server, and whether the results meet them.

use std::fmt::Write as _;

use crate::{
    measure::{BenchResults, IdleMemory, LoginStorm, RateResult},
    server::ServerVariant,
};

/// Users in a login storm, and least ratio of the socket.io server's CPU time to Hutong's.
const STORM: (u32, f64) = (2_000, 50.0);

/// Number of idle users, and most bytes per user.
const MEMORY: (u32, f64) = (50_000, 4_096.0);

/// Least ratio of the socket.io server's bytes per user to Hutong's.
const MEMORY_RATIO: f64 = 10.0;

/// Calls a second, and most milliseconds of the 99th percentile of set-ups.
const SET_UP: (f64, f64) = (1_000.0, 5.0);

/// Table with a row for each target.
pub(super) fn table(results: &BenchResults) -> String {
    let mut text = String::new();
    if results.plan != "full" {
        let _ = writeln!(text, "**Provisional: results of the plan `{}` on a busy machine.**\n", results.plan);
    }
    let machine = &results.machine;
    let _ = writeln!(
        text,
        "Machine, shared by server and clients: {} CPUs, {} GiB of memory, Linux {}, Node {}; at most {} connections a process.\n",
        machine.cpus, machine.memory_gib, machine.kernel, machine.node, machine.connections
    );
    text += "| target | result | |\n| --- | --- | --- |\n";
    let mut row = |target: &str, measured: Option<(String, bool)>| {
        let (measured, verdict) = match measured {
            Some((text, true)) => (text, "met"),
            Some((text, false)) => (text, "**not met**"),
            None => ("not measured".to_owned(), ""),
        };
        let _ = writeln!(text, "| {target} | {measured} | {verdict} |");
    };
    row("login storm of 2,000 users: at most 1/50 of the CPU time of socket.io", storms(results));
    row("50,000 idle users: at most 4 KiB of server memory per user", memory(results));
    row("50,000 idle users: at most 1/10 of the memory of socket.io", memory_ratio(results));
    row("1,000 calls a second, 10,000 users online: 99 % set up within 5 ms", set_up(results, ServerVariant::Hutong));
    row("the same with TLS", set_up(results, ServerVariant::HutongTls));
    text + "\n"
}

fn storms(results: &BenchResults) -> Option<(String, bool)> {
    let of = |variant| storm(results, variant, STORM.0).map(|storm| storm.server_cpu.median);
    let (hutong, socket_io) = (of(ServerVariant::HutongFullRoster)?, of(ServerVariant::SocketIo)?);
    let ratio = socket_io / hutong;
    Some((format!("{hutong:.2} s, socket.io {socket_io:.1} s: 1/{ratio:.0}"), ratio >= STORM.1))
}

fn memory(results: &BenchResults) -> Option<(String, bool)> {
    let idle = idle(results, ServerVariant::Hutong, MEMORY.0)?;
    let processes = if idle.processes > 1 { format!(", {} processes", idle.processes) } else { String::new() };
    Some((format!("{:.2} KiB (PSS){processes}", idle.pss_per_user / 1_024.0), idle.pss_per_user <= MEMORY.1))
}

fn memory_ratio(results: &BenchResults) -> Option<(String, bool)> {
    let (hutong, socket_io) =
        (idle(results, ServerVariant::Hutong, MEMORY.0)?, idle(results, ServerVariant::SocketIo, MEMORY.0)?);
    let ratio = socket_io.pss_per_user / hutong.pss_per_user;
    Some((format!("socket.io {:.1} KiB: 1/{ratio:.1}", socket_io.pss_per_user / 1_024.0), ratio >= MEMORY_RATIO))
}

fn set_up(results: &BenchResults, variant: ServerVariant) -> Option<(String, bool)> {
    let rate_result = rate_result(results, variant, SET_UP.0)?;
    let p99 = &rate_result.p99;
    let text = format!("{:.2} ms ({:.2} to {:.2})", p99.median, p99.min, p99.max);
    Some((text, p99.median <= SET_UP.1 && rate_result.completed == rate_result.scheduled))
}

/// Result of the login storm of this size.
pub(super) fn storm(results: &BenchResults, variant: ServerVariant, users: u32) -> Option<&LoginStorm> {
    results.storms.iter().find(|storm| storm.variant == variant && storm.users == users)
}

/// Result with this many idle users.
pub(super) fn idle(results: &BenchResults, variant: ServerVariant, users: u32) -> Option<&IdleMemory> {
    results.idle.iter().find(|idle| idle.variant == variant && idle.users == users)
}

fn rate_result(results: &BenchResults, variant: ServerVariant, rate: f64) -> Option<&RateResult> {
    let series = results.calls.iter().find(|series| series.variant == variant && series.online >= 10_000)?;
    series.rates.iter().find(|rate_result| rate_result.rate == rate)
}
